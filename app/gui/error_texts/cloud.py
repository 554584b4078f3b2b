"""Titles and hints of errors about object stores, syncing and training."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "store.refused": (
        QT_TRANSLATE_NOOP("errors", "The object store refused"),
        QT_TRANSLATE_NOOP(
            "errors", "Check the bucket's name, the credentials and their permissions; everything waits locally."
        ),
    ),
    "store.unreachable": (
        QT_TRANSLATE_NOOP("errors", "The object store does not answer"),
        QT_TRANSLATE_NOOP("errors", "Work on: everything waits locally and goes out when the store answers again."),
    ),
    "store.credentials-missing": (
        QT_TRANSLATE_NOOP("errors", "No credentials for the object store"),
        QT_TRANSLATE_NOOP(
            "errors", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, or save them in Settings."
        ),
    ),
    "store.object-missing": (
        QT_TRANSLATE_NOOP("errors", "The object is not in the store"),
        QT_TRANSLATE_NOOP("errors", "Sync the desktop that made it, then try again."),
    ),
    "store.object-corrupt": (
        QT_TRANSLATE_NOOP("errors", "The object's content does not match its digest"),
        QT_TRANSLATE_NOOP(
            "errors", "It was not used. Sync again; if it stays, upload it again from the desktop that has it."
        ),
    ),
    "store.sealed": (
        QT_TRANSLATE_NOOP("errors", "An encrypted file does not open"),
        QT_TRANSLATE_NOOP("errors", "It was changed or cut short, and nothing of it was used. Bring it there again."),
    ),
    "burst.failed": (
        QT_TRANSLATE_NOOP("errors", "The training burst failed"),
        QT_TRANSLATE_NOOP(
            "errors", "Read the burst's log; start it again when the cause is mended. Checkpoints are kept."
        ),
    ),
    "burst.training-unavailable": (
        QT_TRANSLATE_NOOP("errors", "This machine cannot train"),
        QT_TRANSLATE_NOOP(
            "errors", "Install the training extra (pip install 'lineside[train]') or choose another host."
        ),
    ),
    "burst.host-unreachable": (
        QT_TRANSLATE_NOOP("errors", "The training host does not answer"),
        QT_TRANSLATE_NOOP("errors", "Nothing is taken for lost: the burst goes on by itself and is asked again."),
    ),
    "sync.replica-copied": (
        QT_TRANSLATE_NOOP("errors", "This desktop's journal has two writers"),
        QT_TRANSLATE_NOOP(
            "errors",
            "The site's folder was copied, or put back from a backup. Sync: it goes on under another id by itself.",
        ),
    ),
    "sync.segment-refused": (
        QT_TRANSLATE_NOOP("errors", "Another desktop's changes were refused"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Nothing of them was taken over. Check who may write to the store, and that desktop's version.",
        ),
    ),
}
