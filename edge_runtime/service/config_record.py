"""The versions of a box's configuration while it runs: in memory, and on its disk as far as that takes them."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from edge_runtime.configuring import versions
from edge_runtime.configuring.store import ConfigStore, Found
from edge_runtime.contracts.configuring import ConfigHistory, ConfigOrigin
from edge_runtime.contracts.errors import BoxRefused, DiskFull, NotFound

_log = logging.getLogger(__name__)


class ConfigRecord:
    """Of the box in ``home``. Used by one thread at a time."""

    def __init__(self, home: Path) -> None:
        self._store = ConfigStore(home)
        self.history = ConfigHistory()

    def load(self) -> ConfigHistory:
        """As it was left on the disk; see :meth:`ConfigStore.load`."""
        return self._store.load()

    def digest(self, text: bytes) -> str:
        """What a text is known by; see :meth:`ConfigStore.digest`."""
        return self._store.digest(text)

    def text_of(self, number: int) -> bytes:
        """:raises NotFound: there is no such version any more."""
        version = self.history.version(number)
        if version is None:
            raise NotFound(f"This box keeps no version {number} of its configuration.")
        return self._store.text(version)

    def before_last_change(self) -> tuple[int, Found] | None:
        """The newest version that was in force before the last change and can be used, with its number."""
        found = self._store.newest_usable(versions.earlier(self.history))
        return (found[0].number, found[1]) if found else None

    def save(self, history: ConfigHistory) -> None:
        """In memory in any case: what the disk does not take is found out again at the next start."""
        self.history = history
        try:
            self._store.save(history)
        except (DiskFull, OSError) as error:
            _log.error("the history of the configuration could not be written: %s", error)

    def added(
        self,
        history: ConfigHistory,
        body: bytes,
        *,
        at_ms: int,
        origin: ConfigOrigin,
        waits: bool,
        reason: str = "",
    ) -> ConfigHistory:
        """With a text that stands in ``edge.toml`` already; not saved."""
        number = self._store.next_number(history)
        with suppress(DiskFull, OSError):
            self._store.keep_text(number, body)
        return versions.add(
            history,
            number=number,
            digest=self.digest(body),
            size=len(body),
            at_ms=at_ms,
            who="box",
            origin=origin,
            state="waiting" if waits else "in-force",
            reason=reason,
        )

    def put_on_trial(self, body: bytes, *, at_ms: int, who: str, origin: ConfigOrigin, of: int | None) -> None:
        """:raises BoxRefused: it could not be written down; nothing was changed."""
        number = self._store.next_number(self.history)
        history = versions.add(
            self.history,
            number=number,
            digest=self.digest(body),
            size=len(body),
            at_ms=at_ms,
            who=who,
            origin=origin,
            state="trial",
            of=of,
        )
        try:
            self._store.keep_text(number, body)
            self._store.save(history)
        except OSError as error:
            raise BoxRefused(
                f"The box could not write the configuration down: {error.strerror}.",
                hint="Give it a disk that can be written to, then try again; nothing was changed.",
            ) from error
        self.history = history
