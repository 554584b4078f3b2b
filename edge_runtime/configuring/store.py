"""Where the versions of a box's configuration lie: ``config/`` in its home, each text in a file of its own (0600)."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge_runtime.config import CONFIG_NAME, MAX_CONFIG_BYTES, parse_config, read_config
from edge_runtime.contracts import wire
from edge_runtime.contracts.configuring import ConfigHistory, ConfigVersion
from edge_runtime.contracts.errors import ConfigInvalid, InputInvalid, NotFound
from edge_runtime.update.durable import put_aside, remove_unfinished, write_durably

FOLDER = "config"
TABLE = "versions.json"
MAX_TABLE_BYTES = 2**18
_log = logging.getLogger(__name__)


def digest_of(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


class Found(NamedTuple):
    """The configuration that a box goes by when it starts."""

    text: bytes
    problem: str
    """Why that is not what stands in ``edge.toml``; nothing where it is."""


def find_config(home: Path) -> Found:
    """What stands in ``edge.toml``; where that cannot be used, the version that was in force before.

    :raises NotFound: there is no such file.
    :raises ConfigInvalid: it cannot be used, and nothing is known of any before.
    """
    try:
        body = read_config(home / CONFIG_NAME)
        parse_config(body.decode())
    except ConfigInvalid as error:
        store = ConfigStore(home)
        in_force = store.load().in_state("in-force")
        if in_force is not None:
            with suppress(NotFound, ConfigInvalid):
                kept = store.text(in_force)
                parse_config(kept.decode())
                return Found(kept, error.message)
        raise
    return Found(body, "")


class ConfigStore:
    """Used by one thread at a time."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def load(self) -> ConfigHistory:
        """What is known; nothing where what was written cannot be read: the file in force is known all the same."""
        remove_unfinished(self._folder)
        try:
            with (self._folder / TABLE).open("rb") as file:
                return wire.decode(file.read(MAX_TABLE_BYTES), ConfigHistory, what="history of the configuration")
        except FileNotFoundError:
            return ConfigHistory()
        except InputInvalid as error:
            _log.error("%s", error)
            with suppress(OSError):
                put_aside(self._folder / TABLE)
        except OSError as error:
            _log.error("the history of the configuration cannot be read: %s", error)
        return ConfigHistory()

    def next_number(self, history: ConfigHistory) -> int:
        """One that was never given, also where the table was lost."""
        lying = (int(path.stem) for path in self._folder.glob("*.toml") if path.stem.isdecimal())
        return max((*lying, *(one.number for one in history.versions)), default=0) + 1

    def keep_text(self, number: int, text: bytes) -> None:
        """:raises DiskFull, OSError: it cannot be written; nothing was changed."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_durably(self._text(number), [text], mode=0o600)

    def save(self, history: ConfigHistory) -> None:
        """On the disk when this returns; texts that it does not speak of go.

        :raises DiskFull, OSError: what was known before still stands.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_durably(self._folder / TABLE, [wire.encode(history)], mode=0o600)
        kept = {self._text(one.number) for one in history.versions}
        for path in self._folder.glob("*.toml"):
            if path not in kept:
                with suppress(OSError):
                    path.unlink()

    def text(self, version: ConfigVersion) -> bytes:
        """:raises NotFound: it is not what was kept."""
        try:
            with self._text(version.number).open("rb") as file:
                body = file.read(MAX_CONFIG_BYTES + 1)
        except OSError:
            body = b""
        if digest_of(body) != version.digest:
            raise NotFound(f"The text of version {version.number} is not what was kept on this box.")
        return body

    def _text(self, number: int) -> Path:
        return self._folder / f"{number}.toml"
