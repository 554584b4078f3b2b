"""Whether a store can be used, tried out rather than believed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cloud_sync.objects.base import ObjectStore
from edge_runtime.contracts.errors import LinesideError

_BODY_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCheck:
    """One thing that was tried, and how it went in plain words."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """What a store was found to do; ``checks`` ends with the first that failed."""

    address: str
    checks: tuple[StoreCheck, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class _Surprise(Exception):
    """The store answered, but not as it should."""


def probe_store(store: ObjectStore) -> StoreReport:
    """Write an object of random bytes, read it back, find it in the list and delete it. Raises nothing of the store's:
    what went wrong is in the report.
    """
    key, body = f"probe/{secrets.token_hex(8)}", secrets.token_bytes(_BODY_BYTES)

    def read() -> None:
        if store.get(key) != body:
            raise _Surprise("What was read is not what was written.")

    def find() -> None:
        if key not in {info.key for info in store.list("probe")}:
            raise _Surprise("What was written is not in the list.")

    def delete() -> None:
        store.delete(key)
        if store.head(key) is not None:
            raise _Surprise("What was deleted is still there.")

    steps: list[tuple[str, Callable[[], None], str]] = [
        ("write", lambda: store.put(key, body), "Objects can be written."),
        ("read", read, "They come back as they were written."),
        ("list", find, "They appear in the list."),
        ("delete", delete, "They can be deleted."),
    ]
    checks = []
    for name, attempt, words in steps:
        checks.append(_try(name, attempt, words))
        if not checks[-1].ok:
            break
    return StoreReport(address=store.address, checks=tuple(checks))


def _try(name: str, attempt: Callable[[], None], words: str) -> StoreCheck:
    try:
        attempt()
    except LinesideError as error:
        return StoreCheck(name=name, ok=False, message=error.message)
    except _Surprise as error:
        return StoreCheck(name=name, ok=False, message=str(error))
    return StoreCheck(name=name, ok=True, message=words)
