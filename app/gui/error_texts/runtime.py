"""Titles and hints of :mod:`edge_runtime.contracts.runtime_errors`; see :mod:`app.gui.error_texts`."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "runtime.no-launcher": (
        QT_TRANSLATE_NOOP("errors", "This box cannot change its own program yet"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Enrol it once more over SSH: `lineside boxes enrol ssh://USER@HOST`. It goes on as it is.",
        ),
    ),
    "runtime.unusable": (
        QT_TRANSLATE_NOOP("errors", "That version of the box's program cannot be used"),
        QT_TRANSLATE_NOOP(
            "errors",
            "The version before is in force. Keep the message, and use a bundle that was made for this box.",
        ),
    ),
    "runtime.refused": (
        QT_TRANSLATE_NOOP("errors", "The box does not take that version now"),
        QT_TRANSLATE_NOOP("errors", "The version before is in force. Do what is said, or wait, then try again."),
    ),
    "runtime.rolled-back": (
        QT_TRANSLATE_NOOP("errors", "The box went back to the version before"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Nothing needs to be done at the box. Once the reason is mended: the same again, with --again.",
        ),
    ),
    "runtime.undecided": (
        QT_TRANSLATE_NOOP("errors", "The box has not said yet how its trial ended"),
        QT_TRANSLATE_NOOP(
            "errors",
            "It decides by itself. Look after it: `lineside boxes refresh`, then `lineside boxes show BOX`.",
        ),
    ),
}
