"""Titles and hints of errors about a box that runs: its configuration, lines and clock, and how it is reached."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "box.disk-full": (
        QT_TRANSLATE_NOOP("errors", "The box's disk is full"),
        QT_TRANSLATE_NOOP("errors", "Free some space on that box; nothing that was acknowledged is lost."),
    ),
    "config.invalid": (
        QT_TRANSLATE_NOOP("errors", "The configuration cannot be used"),
        QT_TRANSLATE_NOOP("errors", "Correct what is named, then try again; nothing was changed."),
    ),
    "config.moved": (
        QT_TRANSLATE_NOOP("errors", "The configuration is another one by now"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Read it again, make your change in what stands there now, and send that. Nothing was changed.",
        ),
    ),
    "config.returned": (
        QT_TRANSLATE_NOOP("errors", "The box went back to its configuration of before"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Read the reason, correct the configuration and try again; the box runs as it did before.",
        ),
    ),
    "frame.unreadable": (
        QT_TRANSLATE_NOOP("errors", "A frame cannot be read"),
        QT_TRANSLATE_NOOP(
            "errors", "Check the camera or the program that writes the frames; the line goes on without this one."
        ),
    ),
    "box.unreachable": (
        QT_TRANSLATE_NOOP("errors", "The box does not answer"),
        QT_TRANSLATE_NOOP("errors", "Check its power and cable, then try again; what waits for it is kept."),
    ),
    "box.wrong-key": (
        QT_TRANSLATE_NOOP("errors", "The box at this address has another key"),
        QT_TRANSLATE_NOOP(
            "errors", "Do not continue until you know why: it is another box, a re-flashed one, or an impostor."
        ),
    ),
    "box.refused": (
        QT_TRANSLATE_NOOP("errors", "The box refused the request"),
        QT_TRANSLATE_NOOP("errors", "Check that this desktop is enrolled on the box."),
    ),
    "box.refuses-desktop": (
        QT_TRANSLATE_NOOP("errors", "The box refuses this desktop"),
        QT_TRANSLATE_NOOP(
            "errors",
            "This desktop was struck off, or the box was set up anew. Ask a colleague; or enrol the box again.",
        ),
    ),
    "box.busy": (
        QT_TRANSLATE_NOOP("errors", "The box is trying something else"),
        QT_TRANSLATE_NOOP("errors", "Wait until that has ended, then try again; nothing was changed."),
    ),
    "drill.refused": (
        QT_TRANSLATE_NOOP("errors", "The drill cannot be held now"),
        QT_TRANSLATE_NOOP("errors", "Nothing was done to the box. Do what is said, or wait, then try again."),
    ),
    "drill.not-recovered": (
        QT_TRANSLATE_NOOP("errors", "The box did not recover as it should"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Go and look at the box now: its lines, its model and its log. The fault itself has been taken back.",
        ),
    ),
    "box.clock-forbidden": (
        QT_TRANSLATE_NOOP("errors", "The box may not set its clock"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Put its drop-in lineside-edge-clock.conf in place and restart it, or set the clock at the box by hand.",
        ),
    ),
    "box.clock-refused": (
        QT_TRANSLATE_NOOP("errors", "The box refused this time"),
        QT_TRANSLATE_NOOP(
            "errors",
            "It is before what the box knows to have happened. Set this desktop's clock first, then try again.",
        ),
    ),
    "box.clock-not-kept": (
        QT_TRANSLATE_NOOP("errors", "The box did not keep the time"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Something on it sets its clock back, such as a time service with a wrong server. Mend that first.",
        ),
    ),
    "pairing.code-wrong": (
        QT_TRANSLATE_NOOP("errors", "The code was not accepted"),
        QT_TRANSLATE_NOOP(
            "errors", "Compare it with the code that this box shows, letter by letter, and type it again."
        ),
    ),
    "pairing.not-offered": (
        QT_TRANSLATE_NOOP("errors", "Nothing here takes a one-time code"),
        QT_TRANSLATE_NOOP(
            "errors", "A box takes one only until it trusts a desktop. Check the address; the box's log names the port."
        ),
    ),
    "pairing.paused": (
        QT_TRANSLATE_NOOP("errors", "The box takes no code for a while"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Somebody tried wrong codes, so there is a new one: wait, then type the code that the box shows now.",
        ),
    ),
    "pairing.interrupted": (
        QT_TRANSLATE_NOOP("errors", "The pairing was cut off"),
        QT_TRANSLATE_NOOP(
            "errors", "Pair again, with the code that the box shows now: it goes on from wherever it was cut off."
        ),
    ),
}
