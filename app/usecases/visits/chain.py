"""A visit as a chain of signed entries: each covers the one before, so that a change of any shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from app.store.records import VisitEntry, VisitKind
from app.store.writer import FIRST_DIGEST, chain_digest
from app.usecases.visits.seal import is_signed, sign
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, ReportTampered
from edge_runtime.identity import Identity, fingerprint_of

T = TypeVar("T")

_COVERED = ("visit", "seq", "replica", "at_ms", "kind", "who", "desktop", "certificate", "body")


def append(
    entries: Sequence[VisitEntry],
    *,
    visit: str,
    replica: str,
    at_ms: int,
    kind: VisitKind,
    who: str,
    body: object,
    identity: Identity,
) -> VisitEntry:
    """The next entry after ``entries``, sealed and signed."""
    previous = entries[-1].digest if entries else FIRST_DIGEST
    bare = VisitEntry(
        visit=visit,
        seq=len(entries) + 1,
        replica=replica,
        at_ms=at_ms,
        kind=kind,
        who=who,
        desktop=identity.fingerprint,
        certificate=identity.certificate_pem,
        body=wire.encode(body).decode(),
        previous=previous,
        digest="0" * 64,
        signature="0" * 128,
    )
    digest = digest_of(bare)
    return replace(bare, digest=digest, signature=sign(identity, "visit entry", bytes.fromhex(digest)))


def digest_of(entry: VisitEntry) -> str:
    """What ``entry.digest`` must be."""
    return chain_digest(entry.previous, {name: getattr(entry, name) for name in _COVERED})


def check_entry(entry: VisitEntry) -> None:
    """One entry by itself, wherever it comes from.

    :raises ReportTampered: its seal or its signature does not fit.
    """
    try:
        owner = fingerprint_of(entry.certificate)
    except InputInvalid as error:
        raise _broken(entry, "its certificate is none") from error
    if owner != entry.desktop:
        raise _broken(entry, "its certificate is another desktop's")
    if digest_of(entry) != entry.digest:
        raise _broken(entry, "it was changed")
    if not is_signed(entry.certificate, "visit entry", bytes.fromhex(entry.digest), entry.signature):
        raise _broken(entry, "its signature is not that of its desktop")


def check_chain(entries: Sequence[VisitEntry]) -> None:
    """All entries of one visit, from the first one on.

    :raises ReportTampered: names the first that does not fit.
    """
    if not entries:
        raise ReportTampered("The visit has no entries.")
    previous = FIRST_DIGEST
    for number, entry in enumerate(entries, start=1):
        check_entry(entry)
        if entry.seq != number or entry.previous != previous:
            raise _broken(entry, "it does not follow the one before it")
        if (entry.visit, entry.replica) != (entries[0].visit, entries[0].replica):
            raise _broken(entry, "it is of another visit")
        if (entry.kind == "begun") != (number == 1) or (entry.kind == "ended" and number != len(entries)):
            raise _broken(entry, f"a visit has no {entry.kind!r} there")
        previous = entry.digest


def body_of(entry: VisitEntry, kind: type[T]) -> T:
    """What the entry says.

    :raises InputInvalid: it says something else.
    """
    return wire.decode(entry.body, kind, what=f"entry {entry.seq} of the visit")


def _broken(entry: VisitEntry, why: str) -> ReportTampered:
    return ReportTampered(f"Entry {entry.seq} of visit {entry.visit[:12]}: {why}.")
