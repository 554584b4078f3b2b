"""A real folder store behind a connection that can be cut at a chosen moment."""

from __future__ import annotations

from typing import Literal

from cloud_sync.objects.folder import FolderStore
from edge_runtime.contracts.errors import StoreUnreachable

Cut = Literal["before-put", "after-put", "late-put"]


class FaultyStore(FolderStore):
    """``cut`` breaks the next put: it never arrives, it arrives but the answer is lost, or it arrives when
    :meth:`land` is called.
    """

    cut: Cut | None = None
    _late: tuple[str, bytes] | None = None

    def put(self, key: str, data: bytes) -> None:
        cut, self.cut = self.cut, None
        if cut == "late-put":
            self._late = (key, data)
        elif cut != "before-put":
            super().put(key, data)
        if cut is not None:
            raise StoreUnreachable("The connection was cut.")

    def land(self) -> None:
        """What was on its way arrives now."""
        if self._late is not None:
            super().put(*self._late)
            self._late = None
