"""Every root that this box goes by stands in its audits, whoever brought it: a desktop, or somebody at the box."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from edge_runtime.contracts.errors import LinesideError, NotFound
from edge_runtime.service.trust import TrustStore
from edge_runtime.update.durable import write_durably
from edge_runtime.update.roots import ListedDesktop, RootFacts, read_root

_log = logging.getLogger(__name__)


class Audit(Protocol):
    """Keeps what was done, and by whom."""

    def __call__(self, kind: str, message: str, *, who: str) -> None: ...


class RootLedger:
    """The number of the newest root that was told of stands in ``trust/told``, written once the audit is on the disk:
    a root whose audit was cut off is told of at the next start.

    :param flush: waits until every audit so far is on the disk; False where the disk does not take it.
    """

    def __init__(self, home: Path, trust: TrustStore, *, audit: Audit, flush: Callable[[], bool]) -> None:
        self._path, self._trust, self._audit, self._flush = home / "trust" / "told", trust, audit, flush
        self._lock = threading.Lock()
        self._told = self._read()

    def accept(self, body: bytes, *, who: str, root_key: bool = False) -> bool:
        """:meth:`TrustStore.accept`, told of as done by ``who``; False where the root was known already."""
        with self._lock:
            self._tell("box")
            accepted = self._trust.accept(body, root_key=root_key) is not None
            self._tell(who)
            return accepted

    def tick(self) -> None:
        """Tell of roots that came another way, as ``lineside-edge trust`` and an enrolment bring them."""
        with self._lock:
            self._tell("box")

    def _tell(self, who: str) -> None:
        newest = self._trust.version
        if newest <= self._told:
            return
        before = self._facts(self._told)
        for version in range(self._told + 1, newest + 1):
            if (now := self._facts(version)) is not None:
                self._audit("trust.root-accepted", _what_changed(before, now, newest=version == newest), who=who)
                before = now
        self._told = newest
        if self._flush():
            try:
                write_durably(self._path, [str(newest).encode()])
            except (LinesideError, OSError) as error:
                _log.warning("that root %d was told of could not be written down: %s", newest, error)

    def _facts(self, version: int) -> RootFacts | None:
        # A box does not have the roots from before its enrolment.
        with suppress(NotFound):
            return read_root(self._trust.root(version))
        return None

    def _read(self) -> int:
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            return max(int(file.read(20)), 0)
        return 0


def _what_changed(before: RootFacts | None, now: RootFacts, *, newest: bool) -> str:
    old, new = (before.desktops if before else None) or {}, now.desktops or {}
    admitted = [_called(new, fingerprint) for fingerprint in new if fingerprint not in old]
    struck_off = [_called(old, fingerprint) for fingerprint in old if fingerprint not in new]
    # Several may have come at once, of which only the newest ever counted.
    words = [f"Root {now.version} {'is in force' if newest else 'was accepted'}."]
    if admitted:
        words.append(f"Admitted: {', '.join(admitted)}.")
    if struck_off:
        words.append(f"Struck off: {', '.join(struck_off)}.")
    if before is not None and before.root_certificate != now.root_certificate:
        words.append("The root key is another one.")
    return " ".join(words)


def _called(desktops: dict[str, ListedDesktop], fingerprint: str) -> str:
    return f"{desktops[fingerprint].name} ({fingerprint[:12]})"
