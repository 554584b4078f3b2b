"""What a drift monitor has learned of a line, as it outlives a restart. In the file it is hostile until checked."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, LinesideError
from edge_runtime.contracts.rows import Count, Digest
from edge_runtime.update.durable import write_durably

MAX_BYTES = 4 * 2**20
"""A memory that is larger, of references of a hundred thousand frames, is not kept."""
Positive = Annotated[int, Meta(ge=1, le=2**53)]
Size = Annotated[float, Meta(ge=0.0)]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestMemory:
    """Of :class:`edge_runtime.inference.drift._Largest`."""

    value: Size
    latest: tuple[Size, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchMemory:
    """Of one series: everything that it goes by."""

    thin: Positive
    points: Count
    reference: tuple[float | str, ...]
    latest: tuple[float | str, ...]
    until_test: Positive
    evidence: Annotated[float, Meta(gt=0.0, le=1.0)]
    full: bool
    done: bool
    row: Count
    usual: LargestMemory
    usual_step: LargestMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftMemory:
    """Of all series of a line, while one model answers."""

    plan: tuple[Positive, Positive, Positive]
    """Reference, window and thinning as they were configured."""
    frames: Count
    found: bool
    watches: dict[str, WatchMemory]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    model: Digest
    memory: DriftMemory


class DriftFile:
    """One line's memory on the disk. Where that takes nothing, a restart begins to learn anew, and no more.

    :param path: the line's file; None where nothing is to be remembered.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._told = False

    def load(self, model: str) -> DriftMemory | None:
        """What was learned while this model answered; what is of another one, or damaged, goes."""
        if self._path is None:
            return None
        try:
            with self._path.open("rb") as file:
                kept = wire.decode(file.read(MAX_BYTES), _Kept, what="drift memory")
        except FileNotFoundError:
            return None
        except (OSError, InputInvalid) as error:
            _log.warning("what was known of drift is lost: %s", error)
            self.drop()
            return None
        if kept.model != model:
            self.drop()
            return None
        return kept.memory

    def save(self, model: str, memory: DriftMemory) -> None:
        """Write it so that it lasts through a power cut."""
        if self._path is None:
            return
        try:
            body = wire.encode(_Kept(model=model, memory=memory))
            if len(body) <= MAX_BYTES:
                write_durably(self._path, [body])
        except (LinesideError, OSError) as error:
            if not self._told:
                self._told = True
                _log.warning("what is known of drift cannot be kept: %s", error)

    def drop(self) -> None:
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
