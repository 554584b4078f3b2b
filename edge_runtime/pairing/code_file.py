"""``H/trust/code``: the code that stands, and how many of its tries are gone. The file is the truth, whoever runs."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.pairing.code import TRIES, make_code, read_code
from edge_runtime.update.durable import write_durably

_MOST_BYTES = 256
_log = logging.getLogger(__name__)


class Standing(Struct, frozen=True, kw_only=True):
    """The code that a box takes now."""

    code: str
    tries: int = 0
    """That began with it."""

    @property
    def tries_left(self) -> int:
        return max(TRIES - self.tries, 0)


class CodeFile:
    """Readable by the box's own user only. Every change is whole, durable, and made by one process at a time.

    Each method raises OSError or DiskFull where the disk does not do it.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "trust" / "code"

    def read(self) -> Standing | None:
        """What stands; None where nothing does, or nothing that could be a code."""
        try:
            with self._path.open("rb") as file:
                found = wire.decode(file.read(_MOST_BYTES), Standing, what="code's file")
            return Standing(code=read_code(found.code), tries=found.tries)
        except FileNotFoundError:
            return None
        except InputInvalid as error:
            # Without the message: it may show what is in the file.
            _log.warning("the file with the one-time code is damaged: %s", type(error).__name__)
            return None

    def stand(self) -> Standing:
        """The code that stands; a new one where there is none, or where its tries are gone."""
        with self._alone():
            found = self.read()
            if found is None or not found.tries_left:
                found = self._write(Standing(code=make_code()))
            return found

    def count(self, code: str) -> Standing | None:
        """Count a try of ``code`` for good; None: that code does not stand any more, or all of its tries are gone."""
        with self._alone():
            found = self.read()
            if found is None or found.code != code or not found.tries_left:
                return None
            return self._write(Standing(code=code, tries=found.tries + 1))

    def preset(self, code: str) -> Standing:
        """Let this code stand, with all its tries."""
        with self._alone():
            return self._write(Standing(code=read_code(code)))

    def remove(self) -> None:
        """No code stands any more."""
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _write(self, standing: Standing) -> Standing:
        write_durably(self._path, [wire.encode(standing)], mode=0o600)
        return standing

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
