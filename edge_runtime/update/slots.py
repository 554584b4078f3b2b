"""The box's two model slots: a pure machine.

``EMPTY → STAGED → VERIFIED → PROBED → TRIAL → COMMITTED``; from the middle ones ``REJECTED``, from TRIAL and by
hand ``ROLLED_BACK``. Every function takes a table and gives the next one; nothing here reads a file or a clock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from edge_runtime.contracts.rows import Count, Digest
from edge_runtime.contracts.status import ProbeReport, SlotState, SlotStatus, TrialReport

SlotName = Literal["a", "b"]
IN_FLIGHT: Final = ("STAGED", "VERIFIED", "PROBED", "TRIAL")
CUT_DURING_INSTALLATION: Final = "the power was cut during the installation; send it again"
CUT_DURING_TRIAL: Final = "power cut during trial"
MAX_REMEMBERED = 64
"""Rolled-back bundles whose reasons are kept, newest last."""
MAX_SIGNERS = 512
"""Keys whose newest versions are kept, those that signed last: eight times what a root may list."""


class SlotRule(Exception):
    """An event that the machine does not know in this state: a mistake of the caller, never of a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What one slot holds."""

    state: SlotState = "EMPTY"
    target: str | None = None
    file: Digest | None = None
    """sha256 of the bundle file."""
    bundle: Digest | None = None
    name: str | None = None
    version: str | None = None
    release: Count = 0
    reason: str | None = None
    probe: ProbeReport | None = None
    trial: TrialReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A bundle that was rolled back here, and why."""

    bundle: Digest
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFloor:
    """Signed metadata by the version of each role; what is older than the floor in force is refused."""

    root: Count = 0
    timestamp: Count = 0
    """Also the second (since 1970) at which it was signed."""
    snapshot: Count = 0
    targets: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Metadata that passed every check: which versions, and whose signatures count for them."""

    root: Count
    signed: dict[Digest, TrustFloor]
    """The versions that each key signed, by TUF id; a role that it did not sign is 0, and so is the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotTable:
    """Everything the box must remember of its updates."""

    a: Slot = field(default_factory=Slot)
    b: Slot = field(default_factory=Slot)
    committed: SlotName | None = None
    """The slot that answers for the line whenever no trial runs."""
    floors: dict[str, Count] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    trust: TrustFloor = field(default_factory=TrustFloor)
    """The newest root under which a release was accepted. The other roles only in a table of before, which did not keep
    whose signatures those were."""
    signed: dict[Digest, TrustFloor] = field(default_factory=dict)
    """The newest versions accepted of each key, by TUF id; see :meth:`floor`."""
    lost: bool = False
    """It began anew because what stood here before was lost: what was accepted before is not known."""

    def slot(self, name: SlotName) -> Slot:
        return self.a if name == "a" else self.b

    @property
    def candidate(self) -> SlotName | None:
        """The slot in which an installation is under way."""
        return next((name for name in SLOTS if self.slot(name).state in IN_FLIGHT), None)

    @property
    def active(self) -> SlotName | None:
        """The slot that answers for the line now."""
        candidate = self.candidate
        return candidate if candidate and self.slot(candidate).state == "TRIAL" else self.committed

    def why_refused(self, bundle: str) -> str | None:
        """The reason for which this bundle was rolled back here; None where it was not."""
        return next((entry.reason for entry in self.refused if entry.bundle == bundle), None)

    def floor(self, signers: Mapping[str, frozenset[str]]) -> TrustFloor:
        """What may not be fallen short of: of each role the newest version that a key signed which still counts.

        What a key signed is never forgotten, but once the site's root no longer lists the key it no longer counts.
        So the root key, and nothing else, takes back what a key pushed too far ahead: TUF's recovery from a
        fast-forward attack. The floors of the models stay.

        :param signers: the keys of each role, as the newest root lists them.
        """

        def newest(role: str) -> int:
            counting = (self.signed[key] for key in signers.get(role, ()) if key in self.signed)
            return max((getattr(versions, role) for versions in (self.trust, *counting)), default=0)

        return TrustFloor(
            root=self.trust.root,
            timestamp=newest("timestamp"),
            snapshot=newest("snapshot"),
            targets=newest("targets"),
        )

    def status(self) -> tuple[SlotStatus, ...]:
        """Both slots as a desktop sees them."""
        return tuple(
            SlotStatus(
                slot=name,
                state=slot.state,
                bundle=slot.bundle,
                name=slot.name,
                version=slot.version,
                release=slot.release,
                reason=slot.reason,
                active=name == self.active,
                probe=slot.probe,
                trial=slot.trial,
            )
            for name, slot in zip(SLOTS, (self.a, self.b), strict=True)
        )


SLOTS: Final[tuple[SlotName, SlotName]] = ("a", "b")


def stage(
    table: SlotTable,
    *,
    target: str,
    name: str | None = None,
    version: str | None = None,
    bundle: str | None = None,
    release: int = 0,
) -> SlotTable:
    """Begin an installation in the slot that does not answer for the line.

    :param bundle: the bundle's id, where signatures have told it already.
    """
    if table.candidate is not None:
        raise SlotRule("an installation is under way")
    where: SlotName = "b" if table.committed == "a" else "a"
    slot = Slot(state="STAGED", target=target, name=name, version=version, bundle=bundle, release=release)
    return _put(table, where, slot)


def verify(table: SlotTable, *, file: str, bundle: str, release: int, trust: Accepted) -> SlotTable:
    """The bytes in the candidate's slot are those that were signed."""
    where = _candidate_in(table, "STAGED")
    slot = dataclasses.replace(table.slot(where), state="VERIFIED", file=file, bundle=bundle, release=release)
    return raise_trust(_put(table, where, slot), trust)


def raise_trust(table: SlotTable, trust: Accepted) -> SlotTable:
    """Nothing older than this signed metadata is accepted any more, as long as the keys that signed it count."""
    signed = dict(table.signed)
    for key, versions in trust.signed.items():
        # Taken out and put in again: those that signed last stand last.
        signed[key] = _highest(versions, signed.pop(key, TrustFloor()))
    newest = dict(list(signed.items())[-MAX_SIGNERS:])
    root = max(trust.root, table.trust.root)
    return dataclasses.replace(table, trust=dataclasses.replace(table.trust, root=root), signed=newest)


def attribute(table: SlotTable, signers: Iterable[str]) -> SlotTable:
    """A table of before, which did not keep whose signatures it had accepted: they may be of any of ``signers``, and
    count as long as one of these does.
    """
    was = dataclasses.replace(table.trust, root=0)
    if was == TrustFloor():
        return table
    told = raise_trust(table, Accepted(root=0, signed=dict.fromkeys(signers, was)))
    return dataclasses.replace(told, trust=TrustFloor(root=table.trust.root))


def _highest(one: TrustFloor, other: TrustFloor) -> TrustFloor:
    return TrustFloor(
        timestamp=max(one.timestamp, other.timestamp),
        snapshot=max(one.snapshot, other.snapshot),
        targets=max(one.targets, other.targets),
    )


def prove(table: SlotTable, report: ProbeReport | None) -> SlotTable:
    """The candidate passed the sandbox; None: it is no model, and there is nothing to report."""
    where = _candidate_in(table, "VERIFIED")
    return _put(table, where, dataclasses.replace(table.slot(where), state="PROBED", probe=report))


def begin_trial(table: SlotTable) -> SlotTable:
    """From here on the candidate answers for the line."""
    where = _candidate_in(table, "PROBED")
    return _put(table, where, dataclasses.replace(table.slot(where), state="TRIAL"))


def commit(table: SlotTable, trial: TrialReport) -> SlotTable:
    """The candidate did well: it answers from now on, and nothing older of its name is accepted any more."""
    where = _candidate_in(table, "TRIAL")
    slot = dataclasses.replace(table.slot(where), state="COMMITTED", trial=trial, reason=None)
    name = slot.name or ""
    floors = {**table.floors, name: max(slot.release, table.floors.get(name, 0))}
    return dataclasses.replace(_put(table, where, slot), committed=where, floors=floors)


def reject(table: SlotTable, reason: str, *, probe: ProbeReport | None = None) -> SlotTable:
    """The candidate never comes near the line."""
    where = _candidate_in(table, "STAGED", "VERIFIED", "PROBED")
    slot = table.slot(where)
    return _put(table, where, dataclasses.replace(slot, state="REJECTED", reason=reason, probe=probe or slot.probe))


def roll_back(table: SlotTable, reason: str, trial: TrialReport | None = None) -> SlotTable:
    """The candidate did badly on the line: the committed model answers again."""
    where = _candidate_in(table, "TRIAL")
    return _retire(table, where, reason, trial)


def withdraw(table: SlotTable, reason: str, trial: TrialReport | None = None) -> SlotTable:
    """The candidate is called back from the line: the committed model answers again.

    Nothing was found against it, so it is not remembered as refused and may come again.
    """
    where = _candidate_in(table, "TRIAL")
    slot = dataclasses.replace(table.slot(where), state="ROLLED_BACK", reason=reason)
    return _put(table, where, dataclasses.replace(slot, trial=trial) if trial is not None else slot)


def forget(table: SlotTable, bundle: str) -> SlotTable:
    """A person lets a bundle come again: that it was rolled back or rejected here is forgotten, and its slot is free.

    What answers, what is under way, floors and trust stay as they are: it has to pass everything once more.
    """
    kept = tuple(entry for entry in table.refused if entry.bundle != bundle)
    forgotten = dataclasses.replace(table, refused=kept)
    for name in SLOTS:
        slot = forgotten.slot(name)
        if slot.bundle == bundle and slot.state in ("REJECTED", "ROLLED_BACK"):
            forgotten = _put(forgotten, name, Slot())
    return forgotten


def revert(table: SlotTable, reason: str, *, to_none: bool = False) -> SlotTable:
    """Go back from the committed model to the one before it.

    :param to_none: where there is none before it none is committed, instead of the error.
    :raises SlotRule: an installation is under way, or there is no committed model in the other slot.
    """
    current = table.committed
    if current is None or table.candidate is not None:
        raise SlotRule("nothing is committed, or an installation is under way")
    other: SlotName = "b" if current == "a" else "a"
    before = other if table.slot(other).state == "COMMITTED" else None
    if before is None and not to_none:
        raise SlotRule("the other slot holds no committed model")
    return dataclasses.replace(_retire(table, current, reason, None), committed=before)


def discard_committed(table: SlotTable, reason: str) -> SlotTable:
    """The committed model's file is damaged: fall back to the other committed model, or to none.

    It is not remembered as refused: the bytes are at fault, not the model, and it may be sent again.
    """
    current = table.committed
    if current is None or table.candidate is not None:
        raise SlotRule("nothing is committed, or an installation is under way")
    other: SlotName = "b" if current == "a" else "a"
    damaged = dataclasses.replace(table.slot(current), state="REJECTED", reason=reason)
    fallback = other if table.slot(other).state == "COMMITTED" else None
    return dataclasses.replace(_put(table, current, damaged), committed=fallback)


def recover(table: SlotTable, why: str = CUT_DURING_TRIAL) -> SlotTable:
    """What stands after the power came back: no installation is under way, a committed model answers.

    :param why: what ended a trial.
    """
    candidate = table.candidate
    if candidate is None:
        return table
    if table.slot(candidate).state == "TRIAL":
        return roll_back(table, why)
    return reject(table, CUT_DURING_INSTALLATION)


def _candidate_in(table: SlotTable, *states: SlotState) -> SlotName:
    candidate = table.candidate
    if candidate is None or table.slot(candidate).state not in states:
        raise SlotRule(f"no installation in {' or '.join(states)}")
    return candidate


def _retire(table: SlotTable, where: SlotName, reason: str, trial: TrialReport | None) -> SlotTable:
    slot = dataclasses.replace(table.slot(where), state="ROLLED_BACK", reason=reason)
    if trial is not None:
        slot = dataclasses.replace(slot, trial=trial)
    retired = _put(table, where, slot)
    if slot.bundle is None:
        return retired
    others = tuple(entry for entry in table.refused if entry.bundle != slot.bundle)
    remembered = (*others, Refused(bundle=slot.bundle, reason=reason))[-MAX_REMEMBERED:]
    return dataclasses.replace(retired, refused=remembered)


def _put(table: SlotTable, where: SlotName, slot: Slot) -> SlotTable:
    return dataclasses.replace(table, a=slot) if where == "a" else dataclasses.replace(table, b=slot)
