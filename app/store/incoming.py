"""What a row from another desktop's journal must look like before it is taken over.

An object store is not trusted: whoever can write to it could put any row into a segment. Rows are checked as
strictly as those of a box, so that nothing gets in that a later read would stumble over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from app.store.labels import LABEL
from app.store.records import EVERY_BOX, BundleDecision, Burst, Model, Rollout, RolloutBox, Sample, VisitEntry
from app.store.tables import TABLES, key_of
from cloud_sync.journal.clock import FIRST_STAMP, parse_stamp
from cloud_sync.release.plan import Plan
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.manifest import GateReport
from edge_runtime.contracts.rows import AlertRow, AuditRow, Digest
from edge_runtime.contracts.status import ProbeReport

Row = dict[str, Any]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ROLLOUT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_INTEGER = 2**63
_MAX_BASE = 4096
_MAX_VOID = 10_000
REPLICA = re.compile(r"[A-Za-z0-9_-]{1,128}")


def checked_row(table: str, key: str, body: Mapping[str, Any]) -> Row:
    """The columns of ``body`` that this version knows, once they proved sound.

    :raises InputInvalid: the row does not carry its own key, or a value is not what its column holds.
    """
    spec = TABLES[table]
    row = {column: body[column] for column in spec.travelling if column in body}
    for column, value in row.items():
        if not _is_plain(value):
            raise InputInvalid(f"The journal's value of {table}.{column} cannot be kept.")
    if any(row.get(column) is None for column in spec.key) or key_of(table, row) != key:
        raise InputInvalid(f"A change in the journal's {table!r} does not carry its own key.")
    _CHECKS[table](row)
    return row


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -_MAX_INTEGER <= value < _MAX_INTEGER
    return value is None or isinstance(value, str)


def _digest(row: Row, *columns: str) -> None:
    for column in columns:
        if not _DIGEST.fullmatch(str(row.get(column))):
            raise InputInvalid(f"The journal's {column} {str(row.get(column))[:80]!r} is not a sha256.")


def _box(row: Row) -> None:
    from edge_runtime.identity import fingerprint_of

    if fingerprint_of(str(row.get("certificate"))) != row["box"]:
        raise InputInvalid(f"The journal's certificate of box {row['box'][:12]} belongs to another key.")


def _sample(row: Row) -> None:
    _digest(row, "sample")
    wire.from_dict({**dict.fromkeys(("label", "labelled_ms")), **row}, Sample, what="journal's sample")
    if row["size"] < 0:
        raise InputInvalid("The journal has a sample of less than no bytes.")


def _label(row: Row) -> None:
    _digest(row, "sample")
    base = row.get("base")
    if base is not None and not (isinstance(base, str) and len(base) <= _MAX_BASE):
        raise InputInvalid("The journal has a label that follows from too many others.")


def _replica(row: Row) -> None:
    for column in ("replica", "former"):
        if not REPLICA.fullmatch(str(row.get(column))):
            raise InputInvalid(f"The journal's {column} {str(row.get(column))[:80]!r} is no desktop.")
    void = wire.decode(row.get("void") or "", tuple[Digest, ...], what="journal's desktop")
    if row["replica"] == row["former"] or len(void) > _MAX_VOID:
        raise InputInvalid("The journal has a desktop that goes on as nobody.")


def _dataset(row: Row) -> None:
    _digest(row, "dataset")
    wire.decode(row.get("labels") or "", tuple[str, ...], what="journal's dataset")


def _item(row: Row) -> None:
    _digest(row, "dataset", "sample")
    if row.get("split") not in ("train", "held-out"):
        raise InputInvalid(f"The journal's split {str(row.get('split'))[:80]!r} is not known.")


def _burst(row: Row) -> None:
    wire.from_dict(row, Burst, what="journal's burst")


def _model(row: Row) -> None:
    _digest(row, "model", "sha256")
    gate = row.get("gate")
    parsed = wire.decode(gate, GateReport, what="journal's gate report") if gate is not None else None
    body = {**row, "gate": wire.to_dict(parsed) if parsed else None}
    wire.from_dict(body, Model, what="journal's model")


def _proof(row: Row) -> None:
    _digest(row, "model", "box")
    wire.decode(row.get("report") or "", ProbeReport, what="journal's proof")


def _rollout(row: Row) -> None:
    if not _ROLLOUT.fullmatch(str(row.get("rollout"))):
        raise InputInvalid(f"The journal's rollout {str(row.get('rollout'))[:80]!r} is none.")
    _digest(row, "model", *(["object"] if row.get("object") is not None else []))
    if row.get("subject", "model") != "model" and (row.get("object") is None or row.get("size") is None):
        raise InputInvalid("The journal has a rollout of nothing.")
    plan = wire.decode(row.get("plan") or "{}", Plan, what="journal's plan")
    parse_stamp(row.get("stamp") or FIRST_STAMP)
    wire.from_dict({**row, "boxes": [], "plan": wire.to_dict(plan)}, Rollout, what="journal's rollout")


def _rollout_box(row: Row) -> None:
    if not _ROLLOUT.fullmatch(str(row.get("rollout"))):
        raise InputInvalid(f"The journal's rollout {str(row.get('rollout'))[:80]!r} is none.")
    _digest(row, "box")
    part = {name: value for name, value in row.items() if name != "rollout"}
    wire.from_dict(part, RolloutBox, what="journal's box of a rollout")


def _box_label(row: Row) -> None:
    _digest(row, "box")
    if not LABEL.fullmatch(str(row.get("label"))):
        raise InputInvalid(f"The journal's label {str(row.get('label'))[:80]!r} is none.")


def _decision(row: Row) -> None:
    _digest(row, "bundle", *([] if row.get("box") == EVERY_BOX else ["box"]))
    wire.from_dict(row, BundleDecision, what="journal's decision")


def _alert(row: Row) -> None:
    facts = wire.decode(row.get("facts") or "", dict[str, float], what="journal's alert")
    wire.from_dict({**row, "facts": facts}, AlertRow, what="journal's alert")


def _audit(row: Row) -> None:
    wire.from_dict(row, AuditRow, what="journal's audit")


def _visit(row: Row) -> None:
    entry = wire.from_dict(row, VisitEntry, what="journal's entry of a visit")
    if not entry.visit.endswith(f"-{entry.replica[:16]}"):
        raise InputInvalid("The journal has an entry of a visit that another desktop began.")


_CHECKS: Mapping[str, Callable[[Row], None]] = {
    "boxes": _box,
    "samples": _sample,
    "label_events": _label,
    "replicas": _replica,
    "datasets": _dataset,
    "dataset_items": _item,
    "bursts": _burst,
    "models": _model,
    "proofs": _proof,
    "rollouts": _rollout,
    "rollout_boxes": _rollout_box,
    "box_labels": _box_label,
    "decisions": _decision,
    "alerts": _alert,
    "audits": _audit,
    "visit_entries": _visit,
}
