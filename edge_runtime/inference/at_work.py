"""What the workers of a line are at, and since when: whoever looks on finds out who does not come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class AtWork:
    """Used by several threads.

    :param clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._decoding: dict[int, float] = {}
        """By thread, since when."""
        self._models: dict[int, tuple[str, float]] = {}
        """By thread, whose model is at work and since when."""

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """This thread makes an input of a frame's bytes."""
        thread = threading.get_ident()
        self._decoding[thread] = self._clock()
        try:
            yield
        finally:
            del self._decoding[thread]

    @contextmanager
    def answering(self, bundle: str) -> Iterator[None]:
        """In this thread the model of a bundle is at a frame."""
        thread = threading.get_ident()
        self._models[thread] = bundle, self._clock()
        try:
            yield
        finally:
            del self._models[thread]

    @property
    def decoding_since(self) -> float | None:
        """Since when the frame that takes longest has been decoded, by the clock; None where none is."""
        return min(self._decoding.copy().values(), default=None)

    def hanging(self, after_s: float) -> str | None:
        """The bundle whose model has been at one frame for longer than this; None where none has."""
        before = self._clock() - after_s
        return next((bundle for bundle, since in self._models.copy().values() if since < before), None)
