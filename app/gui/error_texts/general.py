"""Titles and hints of errors that may come from anywhere: a value, a name, the disk, the program itself."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "internal.bug": (
        QT_TRANSLATE_NOOP("errors", "Something unexpected happened"),
        QT_TRANSLATE_NOOP("errors", "Copy the details and report them; nothing was changed by this step."),
    ),
    "input.invalid": (
        QT_TRANSLATE_NOOP("errors", "That value cannot be used"),
        QT_TRANSLATE_NOOP("errors", "Correct the value and try again; nothing was changed."),
    ),
    "item.not-found": (
        QT_TRANSLATE_NOOP("errors", "Nothing by that name"),
        QT_TRANSLATE_NOOP("errors", "List what exists and check the name."),
    ),
    "item.exists": (
        QT_TRANSLATE_NOOP("errors", "That already exists"),
        QT_TRANSLATE_NOOP("errors", "Choose another name, or use what is there."),
    ),
    "task.cancelled": (
        QT_TRANSLATE_NOOP("errors", "Cancelled"),
        QT_TRANSLATE_NOOP("errors", "Start it again when you are ready; what was finished is kept."),
    ),
    "site.missing": (
        QT_TRANSLATE_NOOP("errors", "There is no site here yet"),
        QT_TRANSLATE_NOOP(
            "errors", "Create one with `lineside site create NAME`, or start the window and follow the first page."
        ),
    ),
    "database.too-new": (
        QT_TRANSLATE_NOOP("errors", "The database was made by a newer Lineside"),
        QT_TRANSLATE_NOOP("errors", "Install that version or a newer one; the database was not touched."),
    ),
    "database.damaged": (
        QT_TRANSLATE_NOOP("errors", "The database cannot be read"),
        QT_TRANSLATE_NOOP(
            "errors", "Keep what is there and put your newest copy of the site's folder back; nothing else was touched."
        ),
    ),
    "program.incomplete": (
        QT_TRANSLATE_NOOP("errors", "This installation lacks a part"),
        QT_TRANSLATE_NOOP("errors", "Install the desktop's parts: pip install 'lineside[desktop]'."),
    ),
    "program.no-display": (
        QT_TRANSLATE_NOOP("errors", "There is no display"),
        QT_TRANSLATE_NOOP("errors", "Start it on a desktop, or use the commands: `lineside --help` lists them."),
    ),
    "disk.full": (
        QT_TRANSLATE_NOOP("errors", "The disk is full"),
        QT_TRANSLATE_NOOP("errors", "Free some space; nothing that was acknowledged is lost."),
    ),
}
