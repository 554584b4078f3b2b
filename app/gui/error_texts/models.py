"""Titles and hints of errors about models on their way: from the gate over bundles and rollouts onto a box."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "model.unusable": (
        QT_TRANSLATE_NOOP("errors", "The model cannot be run"),
        QT_TRANSLATE_NOOP(
            "errors", "Export it again and check that the file arrived whole; the running model was not touched."
        ),
    ),
    "model.probe-failed": (
        QT_TRANSLATE_NOOP("errors", "The model failed its trial in the sandbox"),
        QT_TRANSLATE_NOOP(
            "errors", "The running model was not touched. Read the reason, mend the model and offer it again."
        ),
    ),
    "bundle.invalid": (
        QT_TRANSLATE_NOOP("errors", "The bundle is not a valid model bundle"),
        QT_TRANSLATE_NOOP("errors", "Build it again with `lineside models`; the running model was not touched."),
    ),
    "bundle.tampered": (
        QT_TRANSLATE_NOOP("errors", "The bundle is not what was signed"),
        QT_TRANSLATE_NOOP("errors", "Send it again; if it fails again, treat the copy's source as compromised."),
    ),
    "gate.refused": (
        QT_TRANSLATE_NOOP("errors", "The gate refused the model"),
        QT_TRANSLATE_NOOP("errors", "The reasons are in the gate report; nothing was sent to the line."),
    ),
    "patch.unusable": (
        QT_TRANSLATE_NOOP("errors", "The patch cannot be used"),
        QT_TRANSLATE_NOOP("errors", "Nothing was changed; the whole file is sent instead."),
    ),
    "delivery.not-handed-over": (
        QT_TRANSLATE_NOOP("errors", "The neighbour did not hand it over"),
        QT_TRANSLATE_NOOP("errors", "It is sent from the desktop instead."),
    ),
    "rollout.blacklisted": (
        QT_TRANSLATE_NOOP("errors", "This bundle is never offered again"),
        QT_TRANSLATE_NOOP("errors", "Mend the model and release it as a new version."),
    ),
    "rollout.refused": (
        QT_TRANSLATE_NOOP("errors", "The rollout cannot do that now"),
        QT_TRANSLATE_NOOP("errors", "Look at its state first: `lineside rollouts show ROLLOUT`."),
    ),
}
