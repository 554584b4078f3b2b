"""A version of the boxes' own program on its way to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.fleet.delivery import Needed
from app.fleet.edge_bundle import EdgeBundle, open_edge_bundle
from app.fleet.runtime_bundle import Piece, digest_of, facts_of, pieces
from app.store.records import Box, RolloutBox
from app.usecases import runtime
from app.usecases.subjects.base import Found, Sent, found_in
from edge_runtime.contracts.enrolment_errors import EdgeBundleInvalid
from edge_runtime.contracts.runtime import RuntimeFacts, RuntimeRequest
from edge_runtime.contracts.runtime_errors import RuntimeRefused
from edge_runtime.contracts.status import BoxStatus

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient
    from app.fleet.pacing import RateCap


class ProgramSubject:
    """See :class:`app.usecases.subjects.base.Subject`.

    :param digest: sha256 of the manifest.
    :raises EdgeBundleInvalid: the file is no bundle, or another one.
    """

    def __init__(self, ctx: Context, path: Path, digest: str) -> None:
        self._ctx = ctx
        self._bundle: EdgeBundle = open_edge_bundle(path)
        self._facts: RuntimeFacts = facts_of(self._bundle)
        self._digest = digest
        if digest_of(self._bundle) != digest:
            raise EdgeBundleInvalid(f"{path.name[:12]} is another bundle than that of the rollout.")

    def look(self, client: BoxClient, status: BoxStatus, part: RolloutBox) -> Found | None:
        program = status.runtime
        if program is None:
            return None
        found = found_in(program.slots, lambda slot: slot.bundle == self._digest)
        if program.bundle == self._digest and (found is None or found.step == "kept"):
            return Found(step="committed")
        if found is None and not program.slot and status.version == self._facts.version:
            # It may have been installed on the machine itself.
            return Found(step="committed") if runtime.runs(self._bundle, client.runtime()) else None
        return found

    def stands_against(self, status: BoxStatus, found: Found | None) -> str | None:
        return status.runtime.refused.get(self._digest) if status.runtime is not None else None

    def forget(self, client: BoxClient) -> None:
        """The request itself says so."""

    def bring(
        self, box: Box, client: BoxClient, part: RolloutBox, *, again: bool, sent: Sent, caps: Sequence[RateCap]
    ) -> Callable[[], int | None]:
        """:raises RuntimeRefused, RuntimeNoLauncher, EdgeInstallUnsuitable: it would not take it; nothing was sent."""
        status, lacks, plan = self._planned(box, client, again=again)
        target = runtime.sign_program(self._ctx, box, client, self._bundle, self._facts, status)
        runtime.bring_pieces(client, self._bundle, lacks, plan.bytes, sent, caps)

        def begin() -> None:
            client.install_runtime(RuntimeRequest(target=target, again=again))

        return begin

    def needs(self, box: Box, client: BoxClient) -> Needed:
        """What bringing it takes; errors as :meth:`bring`."""
        _status, lacks, plan = self._planned(box, client, again=True)
        return Needed(way="whole" if lacks else "there", sent=plan.bytes, disk=2 * plan.bytes)

    def _planned(
        self, box: Box, client: BoxClient, *, again: bool
    ) -> tuple[BoxStatus, list[tuple[Piece, int]], runtime.UpdatePlan]:
        status, there = runtime.ask_program(self._ctx, box, client)
        lacks = runtime.lacking(client, pieces(self._bundle, there))
        plan = runtime.make_plan(box, status, there, self._bundle, self._facts, lacks, again=again)
        if plan.refusal:
            raise RuntimeRefused(f"{box.name}: {plan.refusal}")
        return status, lacks, plan

    def withdraw(self, client: BoxClient, reason: str) -> bool:
        """A trial comes to its own end, whoever looks on."""
        return False
