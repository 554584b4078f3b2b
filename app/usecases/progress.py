"""How a long use-case tells where it is, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.contracts.errors import Cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """One thing worth showing. ``fraction`` is 0 to 1, None where it cannot be known."""

    step: str
    message: str = ""
    fraction: float | None = None


Progress = Callable[[ProgressEvent], None]


def silent(_event: ProgressEvent) -> None:
    """A progress that nobody watches."""


class CancelToken:
    """Set once from any thread; long work checks it between steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """:raises Cancelled: when somebody asked to stop."""
        if self._event.is_set():
            raise Cancelled("The work was stopped before it was finished.")

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until cancelled; then raise as :meth:`check` does."""
        self._event.wait(seconds)
        self.check()
