"""What the entries of a visit say, each kind its own record; and a visit read back from them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from app.store.records import Activity, VisitEntry
from app.usecases.visits.chain import body_of
from edge_runtime.contracts.rows import AuditRow, Count, Digest, MaybeDigest, Name
from edge_runtime.contracts.status import PipelineState, SlotState

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Words = Annotated[str, Meta(min_length=1, max_length=4000)]
MAX_ROWS = 500
"""Of the activity, and of each box's audits; a visit that left more says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFact:
    """One of the two model slots, as the box told of it."""

    slot: str
    state: SlotState
    name: str = ""
    version: str = ""
    bundle: MaybeDigest = ""
    """Bundle id: sha256 of the manifest, which names the sha256 of every file."""
    active: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFact:
    """One pipeline."""

    name: str
    state: PipelineState
    drift: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A box at one moment, by its own answer over mutual TLS: only the owner of its key can have given it."""

    box: Digest
    name: Name
    at_ms: int
    """By this desktop's clock."""
    problem: str = ""
    """Why it did not answer; nothing of the rest is known then."""
    version: str = ""
    boot: str = ""
    slots: tuple[SlotFact, ...] = ()
    lines: tuple[LineFact, ...] = ()
    skew_ms: float | None = None
    skew_error_ms: float | None = None
    waiting: dict[str, Count] = field(default_factory=dict)
    """Rows that no desktop has yet, by stream."""
    disk_free_bytes: Count = 0
    spool_problem: str = ""
    config: Count = 0
    """The box's number of the configuration in force; 0: it does not say."""
    root: Count = 0
    status_sha256: MaybeDigest = ""
    """Of the whole answer, as canonical JSON."""
    chain_beginning: MaybeDigest = ""
    """What the first entry of its audits follows."""
    chain_entry: Count = 0
    chain_digest: MaybeDigest = ""
    """Of the newest of its audits."""

    @property
    def model(self) -> SlotFact | None:
        """The one that answers for the line."""
        return next((slot for slot in self.slots if slot.active), None)

    @property
    def drifting(self) -> tuple[str, ...]:
        return tuple(line.name for line in self.lines if line.drift)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where this desktop's own chain of activity stood."""

    seq: Count
    digest: MaybeDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """``begun``: what was found."""

    title: Title
    site: Digest
    site_name: Name
    desktop_name: str
    activity: Head
    pack: MaybeDigest = ""
    """sha256 of the manifest of the pack that was carried."""
    before: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """``note``: what a person wrote down."""

    text: Words
    box: MaybeDigest = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits:
    """What a box says was done to it since the visit began."""

    box: Digest
    name: Name
    rows: tuple[AuditRow, ...]
    left_out: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """``ended``: what was done, by whom. The receipts before it say what is there now."""

    activity: Head
    done: tuple[Activity, ...]
    done_left_out: Count = 0
    audits: tuple[Audits, ...] = ()
    people: dict[Digest, str] = field(default_factory=dict)
    """Names of the desktops that the audits speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit as its entries tell it."""

    visit: str
    desktop: Digest
    who: str
    begun_ms: int
    ended_ms: int | None
    digest: Digest
    """Of the newest entry, which covers all of them."""
    begun: Begun
    notes: tuple[tuple[int, str, Note], ...]
    """(when, who, what)."""
    receipts: tuple[tuple[VisitEntry, Snapshot], ...]
    """Newest last; a box may have several."""
    ended: Ended | None

    def after(self, box: str) -> Snapshot | None:
        """What the box said last; None: it was not asked again."""
        return next((said for _entry, said in reversed(self.receipts) if said.box == box), None)

    @property
    def boxes(self) -> tuple[tuple[str, str], ...]:
        """(id, name) of all that the visit knows of, in the order in which they came."""
        said = [*self.begun.before, *(snapshot for _entry, snapshot in self.receipts)]
        return tuple({snapshot.box: snapshot.name for snapshot in said}.items())


def read_visit(entries: Sequence[VisitEntry]) -> Visit:
    """The visit of these entries, whose chain was checked.

    :raises InputInvalid: an entry does not say what its kind should.
    """
    first, last = entries[0], entries[-1]
    return Visit(
        visit=first.visit,
        desktop=first.desktop,
        who=first.who,
        begun_ms=first.at_ms,
        ended_ms=last.at_ms if last.kind == "ended" else None,
        digest=last.digest,
        begun=body_of(first, Begun),
        notes=tuple((entry.at_ms, entry.who, body_of(entry, Note)) for entry in entries if entry.kind == "note"),
        receipts=tuple((entry, body_of(entry, Snapshot)) for entry in entries if entry.kind == "receipt"),
        ended=body_of(last, Ended) if last.kind == "ended" else None,
    )
