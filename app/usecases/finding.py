"""Finding boxes: what is announced, who answers at an address, what an enrolled box sees, and why one is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import UNSET

from app.fleet.client import split_address
from app.store import boxes as box_store
from app.store import sightings
from app.store.records import Box
from app.usecases.boxes import connect, get_box, refresh
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.config import DEFAULT_PORT, join_address
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.finding import FoundBox, NamedPlace, Neighbours, NeighboursRequest, Reason

if TYPE_CHECKING:
    from app.context import Context

MAX_SECONDS = 60.0
MAX_SECONDS_VIA = 10.0
MAX_PLACES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """Where to look."""

    seconds: float = 2.0
    """How long to listen to announcements; 0 listens to none."""
    addresses: tuple[str, ...] = ()
    """``host`` or ``host:port``."""
    subnets: tuple[str, ...] = ()
    """``192.168.1.0/24``."""
    via: str | None = None
    """An enrolled box that looks around in its own networks; addresses and subnets are asked from there, not from
    here."""
    explain: bool = False
    """Whether enrolled boxes are asked at their last address too, and every address of this machine's own small
    networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A box that was found, and whether it is one of ours."""

    seen: FoundBox
    known_as: str | None = None
    """Its name on this desktop's list."""
    moved_from: str | None = None
    """Where it was known to be until now; from here on it is followed to where its key answered."""
    vouched: str | None = None
    """Name of the enrolled box that says that the key answered there: its word, where it is not proved here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How far a scan looked."""

    seconds: float = 0.0
    """It listened to announcements."""
    swept: tuple[str, ...] = ()
    """Networks of which every address was asked, at the port where boxes listen."""
    swept_via: tuple[str, ...] = ()
    """The same, asked by the box through which it looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    found: tuple[Found, ...]
    reasons: tuple[Reason, ...] = ()
    """Why others may be missing; empty unless it was asked for."""
    looked: Looked = Looked()


def scan(
    ctx: Context | None,
    request: ScanRequest,
    *,
    expected: Collection[str] = (),
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> ScanReport:
    """Look for boxes; nothing of ours is shown to whoever answers. Where enrolled ones answered is remembered, and one
    whose key answers elsewhere, and no longer where it was, is followed there.

    :param ctx: the site, for which boxes are ours; None before there is one.
    :param expected: ids; listening ends as soon as all of them were heard.
    :raises InputInvalid: an address or subnet that is none, or far too many of them.
    :raises NotFound: ``via`` is no enrolled box.
    :raises BoxUnreachable, BoxWrongKey, BoxRefused: ``via`` does not answer.
    """
    from edge_runtime.finding.echo import hears_itself
    from edge_runtime.finding.reasons import Expected, reasons_of
    from edge_runtime.finding.search import search

    if not 0 <= request.seconds <= MAX_SECONDS:
        raise InputInvalid(f"Listening can take from 0 to {MAX_SECONDS:.0f} seconds.")
    token = cancel or CancelToken()
    known = box_store.list_boxes(ctx.database) if ctx else []
    asked = [_place(address) for address in request.addresses]
    last = [(box, *split_address(box.address)) for box in known] if request.explain else []
    places = [(host, port) for _box, host, port in last]
    if request.via is None:
        places = [*asked, *_subnet_places(request.subnets), *places]
    wanted = frozenset(expected)

    def done(count: int, total: int) -> None:
        token.check()
        progress(ProgressEvent(step="scan", message=f"{count} of {total} addresses", fraction=count / total))

    neighbours = Neighbours()
    if ctx and request.via:
        progress(ProgressEvent(step="scan", message=f"{request.via} looks around"))
        neighbours = _ask_via(ctx, request.via, request, asked)
        token.check()
    progress(ProgressEvent(step="scan", message="listening"))
    evidence = search(
        seconds=request.seconds,
        places=places,
        expected=wanted | {box.box for box in known},
        enough=lambda heard: bool(wanted) and wanted <= frozenset(heard),
        sweep=request.explain,
        done=done,
    )
    reasons: list[Reason] = []
    if request.explain:
        boxes = [Expected(box=box.box, name=box.name, host=host, port=port) for box, host, port in last]
        reasons = [*reasons_of(evidence, boxes, asked, hears_itself), *neighbours.reasons]
    looked = Looked(
        seconds=request.seconds,
        swept=((*request.subnets, *evidence.sweep.networks) if request.via is None else evidence.sweep.networks),
        swept_via=neighbours.swept,
    )
    # What another box says that it has seen proved is not proved here.
    vouched = {seen.box: seen.told_by[0] for seen in neighbours.found if seen.proved}
    names = {box.box: box.name for box in known}
    if ctx:
        # Two addresses of one key may be two machines; `clones` asks them.
        for seen in evidence.found:
            if seen.proved and seen.box in names:
                sightings.note_key(ctx.database, seen.box, seen.addresses)
    moved = _follow(ctx, known, evidence.found) if ctx else {}
    found = tuple(
        Found(seen=seen, known_as=names.get(seen.box), moved_from=moved.get(seen.box), vouched=vouched.get(seen.box))
        for seen in _merge(evidence.found, (replace(seen, proved=False) for seen in neighbours.found))
    )
    return ScanReport(found=found, reasons=tuple(reasons), looked=looked)


def follow_moved(ctx: Context, *, seconds: float = 2.0, cancel: CancelToken | None = None) -> int:
    """Listen for the enrolled boxes that did not answer last, and follow those that moved; returns how many."""
    from edge_runtime.finding.search import search

    lost = [box for box in box_store.list_boxes(ctx.database) if box.problem is not None]
    if not lost:
        return 0
    token = cancel or CancelToken()
    wanted = frozenset(box.box for box in lost)
    evidence = search(
        seconds=seconds,
        expected=wanted,
        about=wanted,
        enough=lambda heard: token.cancelled or wanted <= frozenset(heard),
        done=lambda _count, _total: token.check(),
    )
    token.check()
    return len(_follow(ctx, lost, evidence.found))


def _follow(ctx: Context, known: Iterable[Box], found: Iterable[FoundBox]) -> dict[str, str]:
    """Follow those whose key answers elsewhere and not where they were; where each was, by id.

    One that answers at both has two addresses, or a copy: it stays where it is, and ``clones`` tells which it is.
    """
    from edge_runtime.finding.probe import probe

    here = {seen.box: seen for seen in found if seen.proved}
    elsewhere = [box for box in known if box.box in here and box.address not in here[box.box].addresses]
    answers = {(one.host, one.port): one for one in probe(split_address(box.address) for box in elsewhere)}
    moved = {}
    for box in elsewhere:
        presented = answers[split_address(box.address)].presented
        if presented is None or presented.fingerprint != box.box:
            address = here[box.box].addresses[0]
            words = f"{box.name} moved from {box.address} to {address}, where its key answers."
            box_store.move_box(ctx.database, box.box, address, words)
            refresh(ctx, box.box)
            moved[box.box] = box.address
    return moved


def _ask_via(ctx: Context, name: str, request: ScanRequest, asked: Sequence[tuple[str, int]]) -> Neighbours:
    box = get_box(ctx, name)
    with connect(ctx, box) as client:
        answer = client.neighbours(
            NeighboursRequest(
                seconds=min(max(request.seconds, 0.5), MAX_SECONDS_VIA),
                places=tuple(NamedPlace(host=host, port=port) for host, port in asked),
                subnets=request.subnets,
            )
        )
    unasked = [subnet for subnet in request.subnets if subnet not in answer.swept]
    unasked += [join_address(*place) for place in asked[answer.asked :]]
    reasons = [*answer.reasons, *(Reason(kind="via-too-old", subject=subject) for subject in unasked)]
    return replace(
        answer,
        found=tuple(
            # An older box says that it trusts nobody where it does not know.
            replace(seen, told_by=(box.name,), interfaces=(), enrolled=seen.enrolled if seen.announced else UNSET)
            for seen in answer.found
        ),
        reasons=tuple(replace(reason, facts={**reason.facts, "via": box.name}) for reason in reasons),
    )


def _merge(own: Iterable[FoundBox], told: Iterable[FoundBox]) -> list[FoundBox]:
    """What we saw ourselves stands; what another box tells adds where it saw the same key, or what only it sees."""
    merged = {seen.box: seen for seen in own}
    for seen in told:
        mine = merged.get(seen.box)
        if mine is None:
            merged[seen.box] = seen
        else:
            addresses = tuple(dict.fromkeys([*mine.addresses, *seen.addresses]))
            merged[seen.box] = replace(mine, addresses=addresses, told_by=mine.told_by + seen.told_by)
    return sorted(merged.values(), key=lambda seen: (not seen.proved, seen.name.casefold(), seen.box))


def _place(address: str) -> tuple[str, int]:
    text = address.strip()
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    if not text.rpartition(":")[2].isdigit() or text.endswith("]"):
        text = f"{text}:{DEFAULT_PORT}"
    return split_address(text)


def _subnet_places(subnets: Iterable[str]) -> list[tuple[str, int]]:
    from edge_runtime.finding.probe import addresses_of

    places = [(host, DEFAULT_PORT) for subnet in subnets for host in addresses_of(subnet)]
    if len(places) > MAX_PLACES:
        raise InputInvalid(f"{len(places)} addresses are too many at once; at most {MAX_PLACES} are tried.")
    return places
