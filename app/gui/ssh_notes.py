"""What is to be known of a machine that became a box, where the translation tools find it.

The words are those of :mod:`app.fleet.ssh.notes`; a test compares the two.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.fleet.ssh.notes import Note, NoteKind
from app.gui import formats
from app.gui.i18n import QT_TRANSLATE_NOOP
from edge_runtime.contracts.text import one_line

TEXTS: dict[NoteKind, str] = {
    "little-room": QT_TRANSLATE_NOOP(
        "ssh",
        "Only {free} MiB are free for what it sees: below {needed} MiB it keeps nothing, unless "
        "reserve_bytes in its edge.toml says otherwise.",
    ),
    "pairing-port": QT_TRANSLATE_NOOP(
        "ssh",
        "Port 7444, at which a box takes one-time codes, is taken by {holder}.",
    ),
    "inference-port": QT_TRANSLATE_NOOP(
        "ssh",
        "Port 8000, at which a box answers programs on its machine, is taken by {holder}: give it "
        "another one under [inference] in its edge.toml.",
    ),
    "clock-fast": QT_TRANSLATE_NOOP(
        "ssh",
        "Its clock is {apart} fast. Enrolment goes on, but what the box sees would bear wrong "
        "times. Set it there: `sudo date -s @{now_s}`. `lineside boxes clock` measures it.",
    ),
    "clock-slow": QT_TRANSLATE_NOOP(
        "ssh",
        "Its clock is {apart} slow. Enrolment goes on, but what the box sees would bear wrong "
        "times. Set it there: `sudo date -s @{now_s}`. `lineside boxes clock` measures it.",
    ),
    "name-kept": QT_TRANSLATE_NOOP(
        "ssh",
        "It is a box called {name} already, and stays so; its edge.toml has the name.",
    ),
    "config-anew": QT_TRANSLATE_NOOP(
        "ssh",
        "Its edge.toml was gone: the box puts back the one that was in force, or else one is made with the "
        "usual settings and the name {name}.",
    ),
}


def say_note(note: Note) -> str:
    """The note as one line, in the window's language."""
    apart = formats.apart(float(note.facts["apart_ms"])) if "apart_ms" in note.facts else ""
    return one_line(QCoreApplication.translate("ssh", TEXTS[note.kind]).format(**note.facts, apart=apart))
