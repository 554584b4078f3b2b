"""What every source of frames can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_MEDIA = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One input, as it came; nothing has been checked."""

    name: str
    """The source's own name of it."""
    data: bytes


class Source(Protocol):
    """Gives frames one by one; used by one thread."""

    address: str
    """``kind:location``, as a person wrote it."""

    @property
    def problem(self) -> str | None:
        """Why nothing comes, in plain words; None where all is well."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in time."""

    def commit(self) -> None:
        """What was read so far has been dealt with for good and need not come again after a restart."""

    def close(self) -> None: ...


class SourceKind(Protocol):
    """What an entry point names: the class of a source."""

    def check(self, location: str) -> None:
        """:raises InputInvalid: what stands behind ``kind:`` is nothing that this kind could open."""

    def __call__(self, location: str, memory: Path) -> Source:
        """Open it, with a file in which to remember the position.

        :raises InputInvalid: as :meth:`check`.
        """
        ...


def media_type(data: bytes) -> str:
    """The media type by the first bytes; never by a name."""
    return next((media for magic, media in _MEDIA if data.startswith(magic)), "application/octet-stream")
