"""The library of bundles, and what boxes measured of them."""

from __future__ import annotations

import re
import sqlite3

from app.store.database import Database
from app.store.lookup import resolve, to_json
from app.store.objects import add_object
from app.store.records import Model
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.manifest import GateReport
from edge_runtime.contracts.status import ProbeReport

_VERSION = re.compile(r"(?:(?P<name>[^@]+)@)?(?P<version>\d+\.\d+\.\d+)")


def put_model(db: Database, model: Model) -> None:
    """Keep a model whose bundle lies in the blobs. Its proofs are kept by :func:`add_proof` alone."""

    def work(writer: Writer) -> None:
        row = wire.to_dict(model)
        del row["proofs"]
        writer.upsert("models", {**row, "gate": to_json(model.gate) if model.gate else None})
        add_object(writer, model.sha256, model.size, "bundle")

    db.write(work)


def get_model(db: Database, text: str) -> Model:
    """A model by the beginning of its id, ``name@version``, or its version alone.

    :raises NotFound: there is none.
    :raises InputInvalid: more than one model has that version.
    """
    if match := _VERSION.fullmatch(text.strip()):
        rows = db.read(
            "SELECT * FROM models WHERE version = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY release DESC LIMIT 2",
            (match["version"], match["name"]),
        )
        if len(rows) > 1:
            raise InputInvalid(
                f"More than one model has the version {match['version']}.",
                hint="Write NAME@VERSION, or the beginning of the model's id.",
            )
        if not rows:
            raise NotFound(f"There is no model {text.strip()[:80]!r}.", hint="List them with `lineside models list`.")
    else:
        rows = db.read("SELECT * FROM models WHERE model = ?", (resolve(db, "models", "model", text, "model"),))
    return _model(rows[0], _proofs(db, rows[0]["model"]).get(rows[0]["model"], {}))


def list_models(db: Database) -> list[Model]:
    """Every model, newest first."""
    proofs = _proofs(db, None)
    rows = db.read("SELECT * FROM models ORDER BY created_ms DESC, release DESC, model")
    return [_model(row, proofs.get(row["model"], {})) for row in rows]


def add_proof(db: Database, model: str, box: str, report: ProbeReport) -> None:
    """Keep what a box measured of a model, in place of what it measured before."""

    def work(writer: Writer) -> None:
        writer.upsert("proofs", {"model": model, "box": box, "report": to_json(report)})
        writer.touch("models", model)

    db.write(work)


def _proofs(db: Database, model: str | None) -> dict[str, dict[str, ProbeReport]]:
    proofs: dict[str, dict[str, ProbeReport]] = {}
    for row in db.read("SELECT model, box, report FROM proofs WHERE ?1 IS NULL OR model = ?1 ORDER BY box", (model,)):
        report = wire.decode(row["report"], ProbeReport, what="proof")
        proofs.setdefault(row["model"], {})[row["box"]] = report
    return proofs


def _model(row: sqlite3.Row, proofs: dict[str, ProbeReport]) -> Model:
    gate = wire.decode(row["gate"], GateReport, what="gate report") if row["gate"] else None
    return Model(**{**dict(row), "gate": gate}, proofs=proofs)
