"""The titles and hints of every error, where the translation tools find them.

The words are those of :mod:`edge_runtime.contracts.errors`; a test compares the two. One module a subject.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.gui.error_texts import boxes, cloud, general, machines, models, runtime, sticks, trust, visits

TEXTS: dict[str, tuple[str, str]] = {
    **general.TEXTS,
    **boxes.TEXTS,
    **models.TEXTS,
    **trust.TEXTS,
    **cloud.TEXTS,
    **machines.TEXTS,
    **runtime.TEXTS,
    **visits.TEXTS,
    **sticks.TEXTS,
}
"""Title and hint by code."""


def title(code: str, fallback: str) -> str:
    """The title of an error in the window's language; ``fallback`` where a newer box sent a code unknown here."""
    return QCoreApplication.translate("errors", TEXTS[code][0]) if code in TEXTS else fallback


def hint(code: str, spoken: str) -> str:
    """What to do next. A hint that was made for this very case stays as it was spoken."""
    known = TEXTS.get(code)
    return QCoreApplication.translate("errors", spoken) if known and spoken == known[1] else spoken
