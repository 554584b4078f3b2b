"""Whether a store can be used, tried out rather than believed."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from cloud_sync.objects.base import ObjectInfo, ObjectStore
from edge_runtime.contracts.errors import StoreRefused

_BODY_BYTES = 4096
_MAX_SKEW_MS = 5 * 60 * 1000
"""S3 servers refuse requests whose clock is 15 minutes off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCheck:
    """One thing that was tried, and how it went in plain words. Not ``ok``: worth knowing, but one can work with it."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """What a store was found to do."""

    address: str
    checks: tuple[StoreCheck, ...]


def probe_store(store: ObjectStore) -> StoreReport:
    """Write an object of random bytes, read it back, find it in the list, delete it, and compare the clocks.

    :raises StoreRefused: it does not do one of these, or does it wrongly.
    :raises StoreUnreachable: or another error of the store.
    """
    key, body = f"probe/{secrets.token_hex(8)}", secrets.token_bytes(_BODY_BYTES)
    store.put(key, body)
    before_ms = time.time_ns() // 1_000_000
    try:
        _expect(store.get(key) == body, store, "what was read is not what was written")
        listed = {info.key: info for info in store.list("probe")}
        _expect(key in listed, store, "what was written is not in the list")
    finally:
        store.delete(key)
    _expect(store.head(key) is None, store, "what was deleted is still there")
    return StoreReport(
        address=store.address,
        checks=(
            StoreCheck(name="write", ok=True, message="Objects can be written."),
            StoreCheck(name="read", ok=True, message="They come back as they were written."),
            StoreCheck(name="list", ok=True, message="They appear in the list."),
            StoreCheck(name="delete", ok=True, message="They can be deleted."),
            _clock(listed[key], before_ms),
        ),
    )


def _expect(sound: bool, store: ObjectStore, problem: str) -> None:
    if not sound:
        raise StoreRefused(
            f"{store.address} answers, but {problem}.",
            hint="Check that the address is an S3 server or a folder of your own; nothing was set up.",
        )


def _clock(info: ObjectInfo, now_ms: int) -> StoreCheck:
    skew_ms = info.modified_ms - now_ms
    if abs(skew_ms) <= _MAX_SKEW_MS:
        return StoreCheck(name="clock", ok=True, message="Its clock agrees with this computer's.")
    direction = "ahead of" if skew_ms > 0 else "behind"
    minutes = abs(skew_ms) // 60_000
    message = f"Its clock is {minutes} minutes {direction} this computer's: set this computer's clock."
    return StoreCheck(name="clock", ok=False, message=message)
