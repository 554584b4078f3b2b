"""Titles and hints of errors about sticks that carry a site."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "stick.missing": (
        QT_TRANSLATE_NOOP("errors", "Nothing was exported there"),
        QT_TRANSLATE_NOOP(
            "errors", "Choose the folder, or the stick, that `lineside sync export` was given; nothing was changed."
        ),
    ),
    "stick.other-site": (
        QT_TRANSLATE_NOOP("errors", "This stick belongs to another site"),
        QT_TRANSLATE_NOOP("errors", "Use another stick, or another folder on it; nothing was changed, here or there."),
    ),
    "stick.too-new": (
        QT_TRANSLATE_NOOP("errors", "A newer version wrote this stick"),
        QT_TRANSLATE_NOOP("errors", "Bring this desktop up to date; nothing was changed."),
    ),
    "stick.damaged": (
        QT_TRANSLATE_NOOP("errors", "The stick is damaged"),
        QT_TRANSLATE_NOOP("errors", "Export once more, to another stick; nothing was changed here."),
    ),
    "stick.unsigned": (
        QT_TRANSLATE_NOOP("errors", "No desktop of this site answers for this stick"),
        QT_TRANSLATE_NOOP(
            "errors", "Export once more from a desktop that belongs to the site; nothing was taken over."
        ),
    ),
    "stick.passphrase": (
        QT_TRANSLATE_NOOP("errors", "The passphrase does not open this stick"),
        QT_TRANSLATE_NOOP("errors", "Type the passphrase again; it cannot be recovered. Nothing was changed."),
    ),
    "stick.full": (
        QT_TRANSLATE_NOOP("errors", "The stick has too little room"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Use a larger one, free some space on it, or leave the samples out. The changes are on it already.",
        ),
    ),
    "stick.busy": (
        QT_TRANSLATE_NOOP("errors", "An export or import is under way"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Wait until the other window or command has ended, then try again; nothing was changed by this one.",
        ),
    ),
}
