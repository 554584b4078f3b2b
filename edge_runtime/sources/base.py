"""What every source of frames can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from edge_runtime.sources.push import PushBoard

Order = Literal["time", "name"]
_MEDIA = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x93NUMPY", "application/x-npy"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One input, as it came; nothing has been checked."""

    name: str
    """The source's own name of it."""
    data: bytes
    problem: str | None = None
    """Why there is nothing to decode in it, where the source knows more than the bytes tell."""
    waited: bool = False
    """It had been handed in before the configuration on trial was in force, so it tells nothing of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What a pipeline says about its source; which of it a kind understands, :attr:`SourceKind.takes` says."""

    pipeline: str = ""
    """The pipeline's name."""
    fps: float | None = None
    """Most frames a second; for a replay its pace."""
    window: int | None = None
    """Points in one window of a signal."""
    hop: int | None = None
    """Points from one window's begin to the next one's; a whole window where it is None."""
    order: Order | None = None
    """In which order files come that are there at the same time; by time where it is None."""
    board: PushBoard | None = None
    """Where pushed frames arrive; set by the program, never by a configuration."""
    once: bool = False
    """Give what is there, then be finished; set by the program, never by a configuration."""


class Source(Protocol):
    """Gives frames one by one; used by one thread at a time."""

    address: str
    """``kind:location``, as a person wrote it, but without passwords."""

    @property
    def problem(self) -> str | None:
        """Why nothing comes, in plain words; None where all is well."""

    @property
    def finished(self) -> bool:
        """Nothing more will come: a replay or a video is at its end, or what was to be read once has been read."""
        ...

    @property
    def dropped(self) -> int:
        """Frames that were there and that nobody took in time, since the source was opened."""
        ...

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in time."""

    def commit(self) -> None:
        """What was read so far has been dealt with for good and need not come again after a restart."""

    def close(self) -> None: ...


class SourceKind(Protocol):
    """What an entry point names: the class of a source."""

    takes: ClassVar[frozenset[str]]
    """The keys of a ``[[pipeline]]`` that mean something to this kind: any of ``fps, window, hop, order``."""
    needs: ClassVar[frozenset[str]]
    """Those of them without which it cannot be opened."""

    def check(self, location: str) -> None:
        """:raises InputInvalid: what stands behind ``kind:`` is nothing that this kind could open."""

    def public(self, location: str) -> str:
        """The location without passwords, to be shown and logged."""
        ...

    def __call__(self, location: str, memory: Path, options: SourceOptions) -> Source:
        """Open it, with a file in which to remember the position.

        :raises InputInvalid: as :meth:`check`.
        """
        ...


class Shown:
    """The part of most kinds: a location without secrets, and nothing that gets lost."""

    takes: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset()
    dropped = 0

    @staticmethod
    def public(location: str) -> str:
        return location


def media_type(data: bytes) -> str:
    """The media type by the first bytes; never by a name."""
    return next((media for magic, media in _MEDIA if data.startswith(magic)), "application/octet-stream")
