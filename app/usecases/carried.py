"""Files that people carry to other desktops or into the safe: whether they can be written is known before anything is
signed, and none is written over something else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, KeyFileUnwritable
from edge_runtime.update.durable import write_durably


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where such a file is to be written."""

    file: Path
    kind: str
    """What may be there already, to be replaced: "an earlier …"."""
    is_earlier: Callable[[bytes], bool]
    """Whether a file's content is that; may raise InputInvalid where it is not."""
    most: int
    """No such file has more bytes."""
    mode: int = 0o644

    def require(self, content: bytes) -> None:
        """Write as much beside it and take that away again.

        :param content: about what will be written.
        :raises AlreadyExists, KeyFileUnwritable, DiskFull: it will not do; nothing was changed.
        """
        self._require_free()
        trial = self.file.with_name(f".{self.file.name}.{secrets.token_hex(4)}.trial")
        with writing(self.file):
            write_durably(trial, [content], mode=self.mode)
            trial.unlink()

    def put(self, content: bytes) -> None:
        """:raises AlreadyExists, KeyFileUnwritable, DiskFull: it was not written."""
        self._require_free()
        with writing(self.file):
            write_durably(self.file, [content], mode=self.mode)

    def _require_free(self) -> None:
        with writing(self.file):
            if not self.file.name or self.file.is_dir():
                raise KeyFileUnwritable(f"{self.file} is a folder.", hint="Give the name of a file in it, too.")
            if not self.file.exists():
                return
            earlier = False
            if self.file.is_file():
                with self.file.open("rb") as opened:
                    content = opened.read(self.most + 1)
                try:
                    earlier = self.is_earlier(content)
                except InputInvalid:
                    earlier = False
        if not earlier:
            raise AlreadyExists(
                f"{self.file} exists, and is not {self.kind}.", hint="Choose another name; nothing was changed."
            )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """:raises KeyFileUnwritable: the system does not let it be written; why."""
    try:
        yield
    except OSError as error:
        raise KeyFileUnwritable(f"{path} cannot be written: {error.strerror}.") from error
