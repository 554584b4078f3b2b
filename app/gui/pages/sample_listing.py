"""What the grid of samples shows of one question, without moving what is already in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from app.store.records import Page, Sample


class Ask(Protocol):
    """A question to the store, page by page, newest sample first."""

    def __call__(self, *, cursor: str | None, limit: int) -> Page[Sample]: ...


class Listing:
    """Once rows are in sight, a sample that would push them aside is counted instead of shown.

    ``fetch`` runs on a worker, the other methods in the GUI thread; one fetch runs at a time.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: frozenset[str] = frozenset()
        self._last: tuple[int, str] | None = None
        self._held_back = 0

    @property
    def held_back(self) -> int:
        """New samples that the last fetch left out."""
        return self._held_back

    def hold(self, rows: Sequence[Sample]) -> None:
        """These are in sight now. What was in sight before may come back to its place."""
        if rows:
            self._known |= {row.sample for row in rows}
            last = _place(rows[-1])
            self._last = last if self._last is None else min(self._last, last)

    def release(self) -> None:
        """Show everything from the next fetch on."""
        self._known, self._last = frozenset(), None

    def fetch(self, cursor: str | None, limit: int) -> Page[Sample]:
        known, last = self._known, self._last
        part = self._ask(cursor=cursor, limit=limit)
        if last is None:
            self._held_back = 0
            return part
        kept = tuple(row for row in part.rows if row.sample in known or _place(row) < last)
        left_out = len(part.rows) - len(kept)
        self._held_back = left_out if cursor is None else self._held_back + left_out
        return replace(part, rows=kept)


def _place(sample: Sample) -> tuple[int, str]:
    """Greater: earlier in the listing."""
    return sample.at_ms, sample.sample
