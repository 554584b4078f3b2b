"""Whether the collected audits of a box are what the box wrote: every entry, in its order, none added. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from edge_runtime.contracts.audit_chain import digest_of
from edge_runtime.contracts.rows import AuditRow

BreakKind = Literal["changed", "removed", "out-of-order", "added", "taken-back"]
GapKind = Literal["ledger", "before", "memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEnd:
    """How far a box told that its chain reaches."""

    beginning: str
    entry: int
    digest: str
    anchor: int = 0
    """Entries up to this one had left the box before this desktop came."""
    taken_back: int | None = None
    """It told of this many entries only, later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first entry that does not fit."""

    entry: int
    kind: BreakKind
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Entries that are not here, and need not be."""

    first: int
    last: int
    kind: GapKind
    """The loss ledger counts them; they had left the box before this desktop came; or they came out of the box's
    memory while its disk took nothing, and are here without a seal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What was found out about one box's chain."""

    entries: int
    """That are sealed, and here."""
    unsealed: int
    """Older than the chain, or handed out while the disk of the box took nothing."""
    broken: Break | None = None
    gaps: tuple[Gap, ...] = ()
    copied: bool = False
    """Two histories go on from one entry, the box and a copy of it; the copy has an identity of its own by now."""


def check_chain(
    rows: Sequence[AuditRow],
    ends: Sequence[ToldEnd] = (),
    *,
    lost: int = 0,
    restarts: int = 0,
    elsewhere: Collection[str] = (),
    was_copied: bool = False,
) -> ChainReport:
    """Check all that was collected of one box.

    :param ends: what the box told of its chains.
    :param lost: audits that its loss ledger counts.
    :param restarts: how often it said that its spool had to begin anew.
    :param elsewhere: digests of entries that are kept under an id that the box had before.
    :param was_copied: a copy of it was given an identity of its own, so that two histories are no surprise.
    """
    check = _Check(rows, ends, lost=lost, restarts=restarts, elsewhere=elsewhere, was_copied=was_copied)
    check.run()
    first = min(check.breaks, key=lambda one: one.entry, default=None)
    return ChainReport(
        entries=len(check.sealed),
        unsealed=len(rows) - len(check.sealed),
        broken=first,
        gaps=tuple(check.gaps),
        copied=check.forked,
    )


class _Check:
    def __init__(
        self,
        rows: Sequence[AuditRow],
        ends: Sequence[ToldEnd],
        *,
        lost: int,
        restarts: int,
        elsewhere: Collection[str],
        was_copied: bool,
    ) -> None:
        self.sealed = sorted((row for row in rows if row.entry), key=lambda row: (row.entry, row.chain))
        self._unsealed = [row for row in rows if not row.entry]
        self._ends = ends
        self._lost, self._restarts = lost, restarts
        self._elsewhere, self._was_copied = elsewhere, was_copied
        # What is not as it was sealed proves nothing, not even its own place.
        self._sound = [row for row in self.sealed if digest_of(row) == row.chain]
        self._by_digest = {row.chain: row for row in self._sound}
        self._numbers = sorted({row.entry for row in self._sound})
        self.breaks: list[Break] = []
        self.gaps: list[Gap] = []
        self.forked = False

    def run(self) -> None:
        followers: defaultdict[str, list[AuditRow]] = defaultdict(list)
        for row in self.sealed:
            if self._by_digest.get(row.chain) != row:
                self._break(row.entry, "changed", row)
        for row in self._sound:
            self._check_link(row)
            followers[row.previous].append(row)
        for siblings in followers.values():
            if len(siblings) > 1:
                self._fork(siblings[0].entry, siblings[1])
        self._check_beginnings()
        for end in self._ends:
            self._check_end(end)

    def _check_link(self, row: AuditRow) -> None:
        before = self._by_digest.get(row.previous)
        if before is not None:
            if before.entry != row.entry - 1:
                self._break(row.entry, "out-of-order", row)
        elif row.entry == 1:
            if self._ends and row.previous not in {end.beginning for end in self._ends}:
                self._break(1, "added", row)
        elif row.previous in self._elsewhere:
            return
        elif row.entry - 1 in self._numbers:
            self._break(row.entry, "out-of-order", row)
        else:
            below = max((number for number in self._numbers if number < row.entry), default=0)
            self._missing(below + 1, row.entry - 1, row)

    def _check_beginnings(self) -> None:
        beginnings = {row.previous for row in self._sound if row.entry == 1}
        if len(beginnings) > 1 + self._restarts:
            self._break(1, "added", None)

    def _check_end(self, end: ToldEnd) -> None:
        if end.taken_back is not None:
            if self._was_copied:
                self.forked = True
            else:
                self._break(end.taken_back + 1, "taken-back", None)
        if not end.entry or end.digest in self._by_digest or end.digest in self._elsewhere:
            return
        below = max((number for number in self._numbers if number <= end.entry), default=0)
        if below == end.entry:
            self._break(end.entry, "changed", None)
        else:
            self._missing(below + 1, end.entry, None)

    def _missing(self, first: int, last: int, follower: AuditRow | None) -> None:
        """Entries that are not here: explained, or removed."""
        count = last - first + 1
        counted = min(self._lost, count)
        in_memory = sum(follower is not None and row.boot == follower.boot for row in self._unsealed)
        if counted == count:
            kind: GapKind = "ledger"
        elif any(last <= end.anchor for end in self._ends):
            kind = "before"
        elif counted + in_memory >= count:
            kind = "memory"
        else:
            self._break(first, "removed", None)
            return
        self._lost -= counted
        self.gaps.append(Gap(first=first, last=last, kind=kind))

    def _fork(self, entry: int, row: AuditRow) -> None:
        if self._was_copied:
            self.forked = True
        else:
            self._break(entry, "added", row)

    def _break(self, entry: int, kind: BreakKind, row: AuditRow | None) -> None:
        self.breaks.append(Break(entry=entry, kind=kind, at_ms=row.at_ms if row else None))
