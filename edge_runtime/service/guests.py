"""Other boxes that may read one file here for a while. They are kept in memory alone: a restart ends every one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.contracts.errors import BoxRefused
from edge_runtime.identity import certificate_der, fingerprint_of

MAX_GUESTS = 16
"""Boxes and files, each pair once."""
READINGS = 3
"""How many times its size a guest may read of a file: enough for every piece that is lost on the way."""

Audit = Callable[[str, str], None]
"""kind, message."""


@dataclass(slots=True)
class _Guest:
    der: bytes
    until_s: float
    allowed: int
    """Bytes that it may read."""
    read: int = 0


class Guests:
    """Who may read what; may be called from several threads.

    :param now_s: a monotonic clock, seconds.
    """

    def __init__(self, *, now_s: Callable[[], float], audit: Audit) -> None:
        self._now_s, self._audit = now_s, audit
        self._lock = threading.Lock()
        self._guests: dict[tuple[str, str], _Guest] = {}

    def admit(self, certificate_pem: str, sha256: str, *, size: int, seconds: int) -> str:
        """Let a box read a file of ``size`` bytes for so many seconds from now on; returns its fingerprint.

        :raises InputInvalid: not a certificate.
        :raises BoxRefused: there are too many already.
        """
        who = fingerprint_of(certificate_pem)
        self.tick()
        with self._lock:
            known = self._guests.get((who, sha256))
            if known is None and len(self._guests) >= MAX_GUESTS:
                raise BoxRefused(
                    "This box hands files to as many others already as it may.", hint="Try again when they are done."
                )
            until_s = self._now_s() + seconds
            self._guests[who, sha256] = _Guest(certificate_der(certificate_pem), until_s, READINGS * size)
        return who

    def end(self, certificate_pem: str, sha256: str) -> None:
        """Let it read that file no more; again: nothing happens."""
        self._end(fingerprint_of(certificate_pem), sha256, "a desktop ended it")

    def anchors(self) -> dict[str, bytes]:
        """DER certificate by fingerprint of those that may read something now."""
        now_s = self._now_s()
        with self._lock:
            return {who: guest.der for (who, _), guest in self._guests.items() if now_s < guest.until_s}

    def who(self, certificate: bytes | None) -> str | None:
        """The fingerprint of the guest that showed this certificate."""
        return next((who for who, der in self.anchors().items() if der == certificate), None)

    def may_read(self, who: str, sha256: str) -> bool:
        with self._lock:
            guest = self._guests.get((who, sha256))
            return guest is not None and self._now_s() < guest.until_s and guest.read < guest.allowed

    def count(self, who: str, sha256: str, size: int) -> None:
        """It was given so many bytes of the file; of others than guests nothing is counted."""
        with self._lock:
            guest = self._guests.get((who, sha256))
            if guest is None:
                return
            guest.read += size
            spent = guest.read >= guest.allowed
        if spent:
            self._end(who, sha256, "it read more than the file needs")

    def tick(self) -> None:
        """End those whose time is up. Call a few times a second."""
        now_s = self._now_s()
        with self._lock:
            late = [key for key, guest in self._guests.items() if now_s >= guest.until_s]
        for who, sha256 in late:
            self._end(who, sha256, "its time was up")

    def _end(self, who: str, sha256: str, why: str) -> None:
        with self._lock:
            guest = self._guests.pop((who, sha256), None)
        if guest is not None:
            self._audit("guest.ended", f"The box {who} may read {sha256} no more: {why}. It read {guest.read} bytes.")
