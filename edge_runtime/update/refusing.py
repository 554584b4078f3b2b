"""What the slots say of a model on its way to them, and of one that did not get there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.update import slots as machine
from edge_runtime.update.slots import SlotTable

if TYPE_CHECKING:
    from edge_runtime.update.verify import VerifiedTarget


def stage(table: SlotTable, verified: VerifiedTarget) -> SlotTable:
    """The table with a target that was verified on its way."""
    return machine.stage(
        table,
        target=verified.target,
        name=verified.model_name,
        version=verified.version,
        bundle=verified.bundle,
        release=verified.release,
    )


def refuse(table: SlotTable, target: str, verified: VerifiedTarget | None, reason: str) -> SlotTable | None:
    """The table with the reason where the desktop looks for it; None where it says already what became of it.

    :param verified: None: it did not come as far as that.
    """
    if table.candidate is not None:
        return machine.reject(table, reason)
    if _is_told(table, target):
        return None
    if verified is not None:
        return machine.reject(stage(table, verified), reason)
    name, _, version = target.removesuffix(".bundle").rpartition("/")[2].rpartition("-")
    return machine.reject(machine.stage(table, target=target[:200], name=name[:64], version=version[:20]), reason)


def _is_told(table: SlotTable, target: str) -> bool:
    """A slot says already that this target runs, was rolled back, or (a moment ago) did not pass the sandbox."""
    told = ("ROLLED_BACK", "COMMITTED")
    return any(
        slot.target == target and (slot.state in told or (slot.state == "REJECTED" and slot.probe is not None))
        for slot in (table.a, table.b)
    )
