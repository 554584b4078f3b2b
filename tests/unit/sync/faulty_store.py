"""A real folder store behind a connection that can be cut at a chosen moment."""

from __future__ import annotations

from typing import Literal

from cloud_sync.objects.base import MAX_GET_BYTES, Children
from cloud_sync.objects.folder import FolderStore
from edge_runtime.contracts.errors import StoreUnreachable

Cut = Literal["before-put", "after-put", "late-put"]


class FaultyStore(FolderStore):
    """``cut`` breaks the next put: it never arrives, it arrives but the answer is lost, or it arrives when
    :meth:`land` is called.
    """

    cut: Cut | None = None
    calls = 0
    """Requests that read or list."""
    listed: Children | None = None
    """What every list says, whatever has come and gone since then."""
    _late: tuple[str, bytes] | None = None

    def put(self, key: str, data: bytes) -> None:
        cut, self.cut = self.cut, None
        if cut == "late-put":
            self._late = (key, data)
        elif cut != "before-put":
            super().put(key, data)
        if cut is not None:
            raise StoreUnreachable("The connection was cut.")

    def get(self, key: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        self.calls += 1
        return super().get(key, max_bytes=max_bytes)

    def children(self, prefix: str) -> Children:
        self.calls += 1
        return super().children(prefix) if self.listed is None else self.listed

    def land(self) -> None:
        """What was on its way arrives now."""
        if self._late is not None:
            super().put(*self._late)
            self._late = None
