"""Where the versions of a box's configuration lie: ``config/`` in its home, each text in a file of its own (0600)."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge_runtime.config import CONFIG_NAME, MAX_CONFIG_BYTES, Sound, parse_config, parse_sound, read_config
from edge_runtime.contracts import wire
from edge_runtime.contracts.configuring import ConfigHistory, ConfigVersion
from edge_runtime.contracts.errors import ConfigInvalid, DiskFull, InputInvalid, NotFound
from edge_runtime.update.durable import put_aside, remove_unfinished, write_durably

FOLDER = "config"
TABLE, KEY = "versions.json", "key"
MAX_TABLE_BYTES = 2**18
KEY_BYTES = 32
_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """The configuration that a box goes by when it starts."""

    text: bytes
    sound: Sound
    """What of it runs."""
    problem: str = ""
    """Why that is not what stands in ``edge.toml``; nothing where it is."""
    lost: bool = False
    """There is no such file any more."""


NOTHING_BEFORE = "The box knows of no configuration before this one, so it does not run until this is corrected."


def find_config(home: Path) -> Found:
    """What stands in ``edge.toml``; where that is gone or cannot be used, the version that was in force before, and
    where there is none, those of its lines that can be used.

    :raises NotFound: there is no such file, and nothing is known of any before.
    :raises ConfigInvalid: it cannot be used, and nothing is known of any before.
    """
    body = b""
    try:
        body = read_config(home / CONFIG_NAME)
        config = parse_config(body.decode())
        return Found(body, Sound(config, tuple(range(len(config.pipeline))), ()))
    except NotFound:
        if (kept := _in_force(home)) is None:
            raise
        return Found(*kept, f"There was no {CONFIG_NAME} any more.", lost=True)
    except ConfigInvalid as error:
        if (kept := _in_force(home)) is not None and kept[0] != body:
            return Found(*kept, error.message)
        with suppress(ConfigInvalid):
            return Found(body, parse_sound(body.decode()))
        said = f"{error.hint} " if error.hint != error.default_hint else ""
        raise ConfigInvalid(error.message, hint=f"{said}{NOTHING_BEFORE}") from error


def is_home(home: Path) -> bool:
    """Whether a box's configuration is in this folder, be it only the version that was in force."""
    return (home / CONFIG_NAME).exists() or _in_force(home) is not None


def _in_force(home: Path) -> tuple[bytes, Sound] | None:
    """The kept version that was in force, if it can be used."""
    store = ConfigStore(home)
    version = store.load().in_state("in-force")
    with suppress(NotFound, ConfigInvalid):
        if version is not None:
            kept = store.text(version)
            return kept, parse_sound(kept.decode())
    return None


class ConfigStore:
    """Used by one thread at a time."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._key = b""

    def digest(self, text: bytes) -> str:
        """What a text is known by, also to desktops: keyed by this box, as nobody is to try passwords on it that the
        text hides.
        """
        return hmac.digest(self._key or self._take_key(), text, "sha256").hex()

    def _take_key(self) -> bytes:
        path = self._folder / KEY
        with suppress(OSError):
            self._key = path.read_bytes()
        if len(self._key) != KEY_BYTES:
            self._key = secrets.token_bytes(KEY_BYTES)
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                write_durably(path, [self._key], mode=0o600)
            except (DiskFull, OSError) as error:
                _log.error("the key of the configuration's digests is not kept: %s", error)
        return self._key

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
        if self.digest(body) != version.digest:
            raise NotFound(f"The text of version {version.number} is not what was kept on this box.")
        return body

    def newest_usable(self, versions: Iterable[ConfigVersion]) -> tuple[ConfigVersion, Found] | None:
        """The first of these of which the box can go by the whole text; None: of none."""
        for version in versions:
            with suppress(NotFound, ConfigInvalid):
                text = self.text(version)
                config = parse_config(text.decode("utf-8", "replace"))
                return version, Found(text, Sound(config, tuple(range(len(config.pipeline))), ()))
        return None

    def _text(self, number: int) -> Path:
        return self._folder / f"{number}.toml"
