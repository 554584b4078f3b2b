"""Titles and hints of errors about keys, signatures and the date that they go by."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "trust.refused": (
        QT_TRANSLATE_NOOP("errors", "The signature or version was refused"),
        QT_TRANSLATE_NOOP(
            "errors", "Check that this desktop belongs to the box's site and that no newer release was installed."
        ),
    ),
    "trust.passphrase": (
        QT_TRANSLATE_NOOP("errors", "The passphrase does not open this key"),
        QT_TRANSLATE_NOOP("errors", "Type the passphrase again; it cannot be recovered."),
    ),
    "trust.root-key": (
        QT_TRANSLATE_NOOP("errors", "This is not the site's root key"),
        QT_TRANSLATE_NOOP(
            "errors", "Use the file that `lineside site export-root` wrote last, or root.key.pem; nothing was changed."
        ),
    ),
    "trust.future": (
        QT_TRANSLATE_NOOP("errors", "The box's update state is from the future"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Look at this desktop's clock first. If it is right, a desktop with a wrong clock signed for this box, or "
            "the box is in other hands: give that desktop new keys, or strike it off.",
        ),
    ),
    "trust.not-introduced": (
        QT_TRANSLATE_NOOP("errors", "No box took the new root"),
        QT_TRANSLATE_NOOP(
            "errors", "Look at the reasons box by box; reach the boxes, and use the newest export of the root key."
        ),
    ),
    "trust.unwritable": (
        QT_TRANSLATE_NOOP("errors", "The file cannot be written there"),
        QT_TRANSLATE_NOOP(
            "errors", "Check that the stick is plugged in and not write-protected, or choose another place."
        ),
    ),
    "trust.busy": (
        QT_TRANSLATE_NOOP("errors", "The keys are being changed already"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Wait until the other window or command has ended, then try again; nothing was changed by this one.",
        ),
    ),
    "clock.doubtful": (
        QT_TRANSLATE_NOOP("errors", "This desktop's date may be wrong"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Set the clock. If it is right, say so: `lineside site confirm-date`, or in Settings under Desktops and "
            "keys.",
        ),
    ),
}
