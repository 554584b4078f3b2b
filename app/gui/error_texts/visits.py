"""Titles and hints of errors about what a visit takes along and brings back."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "pack.invalid": (
        QT_TRANSLATE_NOOP("errors", "This is not a pack that can be used"),
        QT_TRANSLATE_NOOP(
            "errors", "Pack it again: `lineside visit pack DEST` goes on where it was. Nothing of it was taken over."
        ),
    ),
    "pack.tampered": (
        QT_TRANSLATE_NOOP("errors", "A file of the pack is not the one that was packed"),
        QT_TRANSLATE_NOOP(
            "errors", "Pack it again onto another stick. If it happens again, treat the stick as compromised."
        ),
    ),
    "pack.foreign": (
        QT_TRANSLATE_NOOP("errors", "The pack is not of a desktop of this site"),
        QT_TRANSLATE_NOOP(
            "errors", "Nothing of it was used. Have it packed by a desktop that `lineside site desktops` lists."
        ),
    ),
    "pack.unwritable": (
        QT_TRANSLATE_NOOP("errors", "The pack cannot be written there"),
        QT_TRANSLATE_NOOP(
            "errors", "Check that the stick is plugged in and not write-protected, then do the same again: it goes on."
        ),
    ),
    "report.tampered": (
        QT_TRANSLATE_NOOP("errors", "The report is not what was signed"),
        QT_TRANSLATE_NOOP(
            "errors", "Have the report written again on the desktop that made it, and find out who changed this one."
        ),
    ),
    "report.foreign": (
        QT_TRANSLATE_NOOP("errors", "The report is not of a desktop of this site"),
        QT_TRANSLATE_NOOP("errors", "Do not rely on it, and ask where it comes from."),
    ),
    "report.no-font": (
        QT_TRANSLATE_NOOP("errors", "No font for the report"),
        QT_TRANSLATE_NOOP(
            "errors", "Install one, such as Noto Sans CJK (fonts-noto-cjk), or write the report as a page: FILE.html."
        ),
    ),
}
