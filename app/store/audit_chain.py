"""Whether the collected audits of a box are what the box wrote: every entry, in its order, none added. Pure.

Two things speak for a row: the box's chain, in which each entry covers the one before, and what this desktop noted of
it, in a chain of its own, when it came. Nothing else explains anything: a gap is one that an entry of the same chain
tells of, or that had left the box before this desktop came, as it noted at that time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge_runtime.contracts.audit_chain import ANEW, digest_of, joined, lost_entries
from edge_runtime.contracts.rows import AuditRow, Count, Digest

BreakKind = Literal["changed", "removed", "out-of-order", "added", "taken-back", "unsealed", "told"]
GapKind = Literal["lost", "before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEnd:
    """How far a box told that its chain reaches."""

    beginning: Digest
    entry: Count
    digest: Digest
    anchor: Count = 0
    """Entries up to this one had left the box before this desktop came."""
    taken_back: Count | None = None
    """It told of this many entries only, later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Entries that came together, each following the one before."""

    first: Count
    last: Count
    digest: Digest
    """Of the last one, which covers all before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What this desktop noted in its own chain when audits of a box came."""

    runs: tuple[Run, ...] = ()
    unsealed: tuple[Digest, ...] = ()
    """Digests of rows that came without a seal."""
    told: ToldEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first entry that does not fit."""

    entry: int
    """0: a row that has no place in the chain."""
    kind: BreakKind
    at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Entries that are not here, and need not be."""

    first: int
    last: int
    kind: GapKind
    """The chain itself says that the box lost them; or they had left the box before this desktop came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What was found out about one box's chain."""

    entries: int
    """That are sealed, and here."""
    unsealed: int
    """Older than the chain: only this desktop's own chain shows a change of them."""
    broken: Break | None = None
    gaps: tuple[Gap, ...] = ()
    copied: bool = False
    """Two histories go on from one entry, the box and a copy of it; the copy has an identity of its own by now."""


def noted_of(rows: Iterable[AuditRow], told: ToldEnd | None = None) -> Noted:
    """What is to be noted of rows that have just come."""
    rows = list(rows)
    runs: dict[str, Run] = {}
    for row in sorted((row for row in rows if row.entry), key=lambda row: row.entry):
        before = runs.get(row.previous)
        if before is not None and before.last == row.entry - 1:
            del runs[row.previous]
        else:
            before = None
        runs[row.chain] = Run(first=before.first if before else row.entry, last=row.entry, digest=row.chain)
    unsealed = tuple(digest_of(row) for row in rows if not row.entry)
    return Noted(runs=tuple(runs.values()), unsealed=unsealed, told=told)


def check_chain(
    rows: Sequence[AuditRow],
    ends: Sequence[ToldEnd] = (),
    *,
    noted: Sequence[Noted] | None = None,
    elsewhere: Collection[str] = (),
    was_copied: bool = False,
) -> ChainReport:
    """Check all that was collected of one box.

    :param ends: what the box told of its chains.
    :param noted: what was noted when each of the rows came, oldest first; None: only the box's own chain is looked at.
    :param elsewhere: digests of entries that are kept under an id that the box had before.
    :param was_copied: this desktop gave a copy of it an identity of its own, so that two histories are no surprise.
    """
    told = {one.told.beginning: one.told for one in noted or () if one.told}
    check = _Check(rows, list(told.values()) if noted is not None else ends, elsewhere, was_copied=was_copied)
    check.run()
    if noted is not None:
        check.compare(noted)
        check.compare_ends(told, ends)
    first = min(check.breaks, key=lambda one: (one.entry == 0, one.entry), default=None)
    return ChainReport(
        entries=len(check.sealed),
        unsealed=len(rows) - len(check.sealed),
        broken=first,
        gaps=tuple(check.gaps),
        copied=check.forked,
    )


class _Check:
    def __init__(
        self, rows: Sequence[AuditRow], ends: Sequence[ToldEnd], elsewhere: Collection[str], *, was_copied: bool
    ) -> None:
        self.sealed = sorted((row for row in rows if row.entry), key=lambda row: (row.entry, row.chain))
        self._unsealed = [row for row in rows if not row.entry]
        self._ends, self._elsewhere, self._was_copied = ends, elsewhere, was_copied
        # What is not as it was sealed proves nothing, not even its own place.
        self._sound = [row for row in self.sealed if digest_of(row) == row.chain]
        self._by_digest = {row.chain: row for row in self._sound}
        self._numbers = sorted({row.entry for row in self._sound})
        self._lost = joined(one for row in self._sound for one in lost_entries(row))
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
        sealed_starts = {row.boot for row in self._sound}
        for row in self._unsealed:
            # A start of the box that seals seals from its first audit on.
            if row.boot in sealed_starts or row.previous or row.chain:
                self._break(0, "unsealed", row)
        for end in self._ends:
            self._check_end(end)

    def compare(self, noted: Sequence[Noted]) -> None:
        """Everything that came is here, and nothing else."""
        known: set[str] = set()
        doubtful: set[int] = set()
        for run in (run for one in noted for run in one.runs):
            digest = run.digest
            for entry in range(run.last, run.first - 1, -1):
                row = self._by_digest.get(digest)
                if row is None or row.entry != entry:
                    there = next((one for one in self.sealed if one.entry == entry), None)
                    self._break(entry, "changed" if there else "removed", there)
                    # Nothing leads to those before it any more, for or against them.
                    doubtful.update(range(run.first, entry + 1))
                    break
                known.add(digest)
                digest = row.previous
        for row in self._sound:
            if row.chain not in known and row.entry not in doubtful:
                self._break(row.entry, "added", row)
        came = {digest for one in noted for digest in one.unsealed}
        here = {digest_of(row): row for row in self._unsealed}
        for digest, row in here.items():
            if digest not in came:
                self._break(0, "unsealed", row)
        if came - here.keys():
            self._break(0, "removed", None)

    def compare_ends(self, told: Mapping[str, ToldEnd], ends: Sequence[ToldEnd]) -> None:
        """What the box told of its chain is what was noted of that."""
        here = {end.beginning: end for end in ends}
        for beginning in told.keys() | here.keys():
            if told.get(beginning) != here.get(beginning):
                end = told.get(beginning) or here[beginning]
                self._break(end.entry, "told", None)

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
            self._missing(below + 1, row.entry - 1)

    def _check_beginnings(self) -> None:
        beginnings = {row.previous for row in self._sound if row.entry == 1}
        if len(beginnings) > 1 + sum(row.kind == ANEW for row in self._sound):
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
            self._missing(below + 1, end.entry)

    def _missing(self, first: int, last: int) -> None:
        """Entries that are not here: explained, or removed."""
        anchor = max((end.anchor for end in self._ends), default=0)
        while first <= last:
            lost = next((one for one in self._lost if one[0] <= first <= one[1]), None)
            if lost is not None:
                until = min(last, lost[1])
                self.gaps.append(Gap(first=first, last=until, kind="lost"))
            elif first <= anchor:
                until = min(last, anchor, *(start - 1 for start, _ in self._lost if start > first))
                self.gaps.append(Gap(first=first, last=until, kind="before"))
            else:
                self._break(first, "removed", None)
                return
            first = until + 1

    def _fork(self, entry: int, row: AuditRow) -> None:
        if self._was_copied:
            self.forked = True
        else:
            self._break(entry, "added", row)

    def _break(self, entry: int, kind: BreakKind, row: AuditRow | None) -> None:
        self.breaks.append(Break(entry=entry, kind=kind, at_ms=row.at_ms if row else None))
