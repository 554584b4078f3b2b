"""What a person must know of the box as a whole: rows of the spool that a desktop hears of at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge_runtime.contracts.rows import AlertRow
from edge_runtime.service.spool import Spool


class Alerts:
    """Safe to use from any thread.

    :param changed: called when there is one more.
    """

    def __init__(self, spool: Spool, changed: Callable[[], None]) -> None:
        self._spool, self._changed = spool, changed

    def put(self, kind: str, message: str, model: str | None, facts: Mapping[str, float]) -> None:
        """One about a model, by its bundle id, or with figures."""
        stamp = self._spool.stamp("alerts")
        self._spool.put_alert(AlertRow(**stamp, kind=kind, message=message, model=model, facts=dict(facts)))
        self._changed()

    def tell(self, kind: str, message: str) -> None:
        """One about nothing but the box."""
        self.put(kind, message, None, {})
