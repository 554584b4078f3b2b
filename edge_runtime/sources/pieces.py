"""What finished files are cut into, however large they are, without being away for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from edge_runtime.sources.watch import File, FileWatch

Piece = TypeVar("Piece")


class Pieces(Generic[Piece]):
    """The pieces of one file after another; a file counts as done when its last piece was handed over.

    :param cut: a file's pieces one by one, and None after each short step of work that brought none.
    """

    def __init__(self, watch: FileWatch, cut: Callable[[File], Iterator[Piece | None]]) -> None:
        self._watch, self._cut = watch, cut
        self._file: File | None = None
        self._steps: Iterator[Piece | None] = iter(())
        self._piece: Piece | None = None

    @property
    def finished(self) -> bool:
        return self._file is None and self._watch.finished

    def next(self, timeout_s: float) -> Piece | None:
        """The next piece, or None when there was none in time: it may be that the work on a file goes on."""
        deadline = time.monotonic() + timeout_s
        while self._piece is None:
            if self._file is None:
                self._file = self._watch.next(max(0.0, deadline - time.monotonic()))
                if self._file is None:
                    return None
                self._steps = self._cut(self._file)
            self._step()
            if self._piece is None and time.monotonic() >= deadline:
                return None
        piece = self._piece
        self._step()
        return piece

    def commit(self) -> None:
        self._watch.commit()

    def close(self) -> None:
        self._watch.close()

    def _step(self) -> None:
        if self._file is None:
            return
        try:
            self._piece = next(self._steps)
        except StopIteration:
            # Only now: after a restart in the middle of a file all of it comes again.
            self._watch.done(self._file)
            self._file = self._piece = None
            self._steps = iter(())
