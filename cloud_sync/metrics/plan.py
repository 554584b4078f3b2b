"""What is read together, what is written together, and what may go. Pure.

A file that is written stands in the ledger first (``planned``), so that what a cut left behind is known and deleted.
Files that another one replaces are deleted only after that one stands: at no time is a row missing, and where it is
there twice a reader takes it once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cloud_sync.metrics.partitions import NO_DATE, Kind, Partition, is_over, period_of

FileState = Literal["planned", "written", "doomed"]

MOST_ROWS = 250_000
"""Rows of a file: what is read to make one of several must fit into little memory."""
MOST_FILES = 32
"""Files of one partition that is still growing, before they are made one."""
GRACE_MS = 3_600_000
"""How long after a period's end boxes are still likely to bring rows of it."""
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of this desktop, as its ledger has it."""

    number: int
    key: str
    partition: Partition
    rows: int
    size: int
    state: FileState


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Rows of one boot of one box that came together; both ends are in it, and there may be gaps."""

    box: str
    boot: str
    first: int
    last: int


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same rows, each once, in the order of a file."""
    whole: list[Stretch] = []
    for one in sorted(stretches):
        before = whole[-1] if whole else None
        if before and (before.box, before.boot) == (one.box, one.boot) and one.first <= before.last + 1:
            whole[-1] = Stretch(one.box, one.boot, before.first, max(before.last, one.last))
        else:
            whole.append(one)
    return whole


def to_merge(files: Iterable[File], now_ms: int) -> list[tuple[File, ...]]:
    """Files that are to become one: those of a period that is over, or of one that has many."""
    by_partition: defaultdict[Partition, list[File]] = defaultdict(list)
    for file in files:
        if file.state == "written":
            by_partition[file.partition].append(file)
    groups: list[tuple[File, ...]] = []
    for partition, own in sorted(by_partition.items()):
        if len(own) >= MOST_FILES or is_over(partition, now_ms, grace_ms=GRACE_MS):
            groups += _packed(sorted(own, key=lambda file: file.number))
    return groups


def _packed(files: Sequence[File]) -> list[tuple[File, ...]]:
    groups: list[list[File]] = []
    rows = 0
    for file in files:
        if groups and rows + file.rows <= MOST_ROWS:
            groups[-1].append(file)
            rows += file.rows
        else:
            groups.append([file])
            rows = file.rows
    return [tuple(group) for group in groups if len(group) > 1]


def expired(files: Iterable[File], kind: Kind, days: int | None, now_ms: int) -> list[File]:
    """Files of a kind that end more than ``days`` ago; None keeps them for ever. What has no date stays: nobody knows
    how old it is.
    """
    if days is None:
        return []
    before = period_of(kind, now_ms - days * DAY_MS, now_ms)
    return [
        file
        for file in files
        if file.state == "written" and file.partition.kind == kind and NO_DATE != file.partition.period < before
    ]
