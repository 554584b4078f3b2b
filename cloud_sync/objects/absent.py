"""A store that could not be opened, for work that can wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from cloud_sync.objects.base import MAX_GET_BYTES, Children, ObjectInfo, Pace, Part, Write
from edge_runtime.contracts.errors import StoreUnreachable


class AbsentStore:
    """Answers every request with the reason for which the store at ``address`` could not be opened."""

    def __init__(self, address: str, reason: StoreUnreachable) -> None:
        self.address = address
        self._reason = reason

    def put(self, key: str, data: bytes) -> None:
        self._refuse()

    def put_file(self, key: str, path: Path) -> None:
        self._refuse()

    def get(self, key: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        self._refuse()

    def get_file(self, key: str, path: Path) -> None:
        self._refuse()

    def head(self, key: str) -> ObjectInfo | None:
        self._refuse()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._refuse()

    def children(self, prefix: str) -> Children:
        self._refuse()

    def folders(self, prefix: str) -> tuple[str, ...]:
        self._refuse()

    def delete(self, key: str) -> None:
        self._refuse()

    def get_range(self, key: str, start: int, length: int, write: Write, pace: Pace) -> None:
        self._refuse()

    def start_upload(self, key: str) -> str:
        self._refuse()

    def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
        self._refuse()

    def parts(self, key: str, upload: str) -> dict[int, Part]:
        self._refuse()

    def finish_upload(self, key: str, upload: str, parts: Mapping[int, Part]) -> None:
        self._refuse()

    def abort_upload(self, key: str, upload: str) -> None:
        self._refuse()

    def clear_uploads(self, prefix: str, before_ms: int) -> int:
        self._refuse()

    def close(self) -> None:
        """Nothing was opened."""

    def _refuse(self) -> NoReturn:
        raise StoreUnreachable(self._reason.message, hint=self._reason.hint)
