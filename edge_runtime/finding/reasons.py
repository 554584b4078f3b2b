"""Why a box may not have been found: what the evidence of a look says. Pure, but for the echo that is handed in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from edge_runtime.contracts.finding import FoundBox, Reason
from edge_runtime.finding.interfaces import Interface, neighbours_of
from edge_runtime.finding.search import Evidence

Echo = Callable[[Interface, int], bool]
HEARD_S = 2.0
"""Who was not heard in so long does not announce itself."""
MOST_TOLD = 20
"""Of one kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A box that should be there."""

    box: str
    name: str
    host: str
    port: int
    """Where it was last."""


def reasons_of(
    evidence: Evidence, expected: Iterable[Expected], asked: Iterable[tuple[str, int]], echo: Echo
) -> list[Reason]:
    """Everything that may keep a box from being found, what concerns this machine first.

    :param expected: enrolled boxes; of those that were found nothing is said.
    :param asked: addresses that a person named one by one.
    :param echo: whether this machine hears multicast on an interface, over IPv4 or IPv6.
    """
    here = list(_of_this_machine(evidence, echo))
    deaf = {reason.facts.get("interface", "") or reason.subject for reason in here if reason.kind != "not-swept"}
    return [
        *here,
        *_of_the_network(evidence),
        *_of_unheard(evidence, deaf),
        *_of_names(evidence.found),
        *_of_expected(evidence, expected),
        *_of_addresses(evidence, asked),
    ]


def _of_this_machine(evidence: Evidence, echo: Echo) -> Iterator[Reason]:
    if evidence.heard.problem:
        yield Reason(kind="not-listening", facts={"problem": evidence.heard.problem[:200]})
    outward = [interface for interface in evidence.interfaces if not interface.loopback]
    usable = [interface for interface in outward if interface.up and interface.networks]
    if not usable:
        yield Reason(kind="no-network")
    for interface in outward:
        if not interface.up:
            # One that was never given an address is no cable that somebody forgot.
            if interface.networks:
                yield Reason(kind="interface-down", subject=interface.name)
        elif interface.networks and not interface.multicast:
            yield Reason(kind="no-multicast", subject=interface.name)
        else:
            versions = sorted({own.version for own in interface.networks})
            blocked = [version for version in versions if not echo(interface, version)]
            if blocked:
                which = "" if blocked == versions else " (" + ", ".join(f"IPv{version}" for version in blocked) + ")"
                facts = {"interface": interface.name}
                yield Reason(kind="multicast-blocked", subject=interface.name + which, facts=facts)
    for one in evidence.sweep.unswept[:MOST_TOLD]:
        yield Reason(kind="not-swept", subject=one.network, facts={"interface": one.interface})


def _of_the_network(evidence: Evidence) -> Iterator[Reason]:
    if evidence.heard.left_out or evidence.not_asked:
        yield Reason(kind="flooded", facts={"count": str(evidence.heard.left_out + evidence.not_asked)})
    if evidence.heard.dropped:
        yield Reason(kind="dropped", facts={"count": str(evidence.heard.dropped)})
    if evidence.false_claims:
        yield Reason(kind="false-claims", facts={"count": str(evidence.false_claims)})
    if evidence.heard.malformed:
        yield Reason(kind="malformed", facts={"count": str(evidence.heard.malformed)})
    unproved = [found for found in evidence.found if not found.proved]
    for found in unproved[:MOST_TOLD]:
        yield Reason(kind="unproved", subject=found.name, facts={"address": found.addresses[0]})


def _of_unheard(evidence: Evidence, deaf: set[str]) -> Iterator[Reason]:
    """Boxes that answered beside this machine and did not announce themselves, though it could have heard them."""
    heard = evidence.heard
    if heard.problem or evidence.listened_s < HEARD_S or heard.left_out or heard.dropped:
        return
    unheard = [
        found
        for found in evidence.found
        if found.proved and not found.announced and found.interfaces and not deaf.intersection(found.interfaces)
    ]
    for found in unheard[:MOST_TOLD]:
        yield Reason(kind="not-announced", subject=found.name, facts={"address": found.addresses[0]})


def _of_names(found: Iterable[FoundBox]) -> Iterator[Reason]:
    by_name: dict[str, list[FoundBox]] = defaultdict(list)
    for one in found:
        if one.proved:
            # As its certificate calls it: anybody may announce it under the name of another one.
            by_name[one.name.casefold()].append(one)
    for namesakes in islice((those for those in by_name.values() if len(those) > 1), MOST_TOLD):
        yield Reason(
            kind="name-clash",
            subject=namesakes[0].name,
            facts={"count": str(len(namesakes)), "boxes": ", ".join(one.box[:12] for one in namesakes[:8])},
        )


def _of_expected(evidence: Evidence, expected: Iterable[Expected]) -> Iterator[Reason]:
    here = {found.box for found in evidence.found if found.proved}
    for box in expected:
        if box.box in here:
            continue
        facts = {"name": box.name, "address": f"{box.host}:{box.port}"}
        if not neighbours_of(evidence.interfaces, box.host):
            yield Reason(kind="other-subnet", subject=box.name, facts=facts)
        yield from _of_place(evidence, (box.host, box.port), facts)


def _of_addresses(evidence: Evidence, asked: Iterable[tuple[str, int]]) -> Iterator[Reason]:
    for host, port in asked:
        answer = evidence.answers.get((host, port))
        if answer and answer.outcome != "box":
            yield from _of_place(evidence, (host, port), {"name": "", "address": f"{host}:{port}"})


def _of_place(evidence: Evidence, place: tuple[str, int], facts: dict[str, str]) -> Iterator[Reason]:
    answer = evidence.answers.get(place)
    if answer is None:
        return
    where = f"{place[0]}:{place[1]}"
    subject = f"{where} ({facts['name']})" if facts["name"] else where
    match answer.outcome:
        case "box":
            yield Reason(kind="other-key", subject=where, facts=facts)
        case "other":
            yield Reason(kind="no-box", subject=subject, facts=facts)
        case "refused":
            yield Reason(kind="address-refused", subject=subject, facts=facts)
        case "silent":
            yield Reason(kind="address-silent", subject=subject, facts=facts)
        case "unreachable":
            yield Reason(kind="address-unreachable", subject=subject, facts=facts)
