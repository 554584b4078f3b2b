"""``lineside models``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Columns, Session
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.store.records import Model
    from edge_runtime.contracts.status import ProbeReport

_WHICH = "beginning of the id, NAME@VERSION, or the version"


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "models", "bundles: gated, proved on boxes, signed")
    topic.verb("list", _list, "models, newest first")
    topic.verb("show", _show, "one model, its gate report and its proofs").add_argument("model", help=_WHICH)
    bring = topic.verb("import", _import, "make a gated bundle of a finished burst")
    bring.add_argument("burst", help="id of the burst, or its beginning")
    bring.add_argument("--name", required=True, help="the model's name, such as digit-counter")
    prove = topic.verb("prove", _prove, "let a box measure a model in its sandbox; nothing is installed")
    prove.add_argument("model", help=_WHICH)
    prove.add_argument("--box", required=True, metavar="BOX", help="name or id")
    topic.verb("release", _release, "sign a gated and proved model").add_argument("model", help=_WHICH)


_BRIEF: Columns[Model] = {
    "MODEL": lambda model: text.short(model.model),
    "NAME": lambda model: model.name,
    "VERSION": lambda model: model.version,
    "STATE": lambda model: model.state,
    "FP32": lambda model: text.share(model.gate.fp32_accuracy) if model.gate else None,
    "INT8": lambda model: text.share(model.gate.int8_accuracy) if model.gate else None,
    "SIZE": lambda model: text.size(model.size),
    "PROVED ON": lambda model: len(model.proofs),
    "MADE": lambda model: text.moment(model.created_ms),
}

_FULL: Columns[Model] = {
    "model": lambda model: model.model,
    "name": lambda model: f"{model.name} {model.version} (release {model.release})",
    "state": lambda model: model.state,
    "made": lambda model: text.moment(model.created_ms),
    "bundle": lambda model: f"{model.sha256}, {text.size(model.size)}",
    "burst": lambda model: model.burst,
    "dataset": lambda model: model.dataset,
    "gate": lambda model: (
        f"{'passed' if model.gate.passed else 'refused'} on "
        f"{counted(model.gate.samples, 'held-out sample', 'held-out samples')}:"
        f" fp32 {text.share(model.gate.fp32_accuracy)}, int8 {text.share(model.gate.int8_accuracy)},"
        f" model before {text.share(model.gate.baseline_accuracy)}"
        if model.gate
        else None
    ),
    "reasons": lambda model: "; ".join(model.gate.reasons) if model.gate else None,
    "proofs": lambda model: "; ".join(
        f"{text.short(box)} {'passed' if proof.passed else 'failed'}, {proof.latency_ms_p95:.1f} ms"
        for box, proof in model.proofs.items()
    ),
}

_PROOF: Columns[ProbeReport] = {
    "passed": lambda proof: "yes" if proof.passed else "no",
    "golden cases": lambda proof: f"{proof.golden_agreed} of {proof.golden_total} agree",
    "latency": lambda proof: f"{proof.latency_ms_p50:.1f} ms (median), {proof.latency_ms_p95:.1f} ms (95 of 100)",
    "load": lambda proof: f"{proof.load_ms:.0f} ms",
    "memory": lambda proof: text.size(proof.memory_bytes),
    "runtime": lambda proof: proof.runtime,
    "reasons": lambda proof: "; ".join(proof.reasons),
}


def _list(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import models

    with session.open() as ctx:
        empty = "No model yet. Make one of a finished burst with `lineside models import BURST --name NAME`."
        session.rows("models", models.list_models(ctx), _BRIEF, empty=empty)


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import models

    with session.open() as ctx:
        session.one("model", models.get_model(ctx, arguments.model), _FULL)


def _import(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts, models

    with session.open() as ctx, session.stoppable() as cancel:
        burst = bursts.get_burst(ctx, arguments.burst)
        model = models.import_result(ctx, burst.burst, name=arguments.name, progress=session.progress, cancel=cancel)
        session.one("model", model, _FULL)


def _prove(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import models

    with session.open() as ctx, session.stoppable() as cancel:
        report = models.prove_on_box(ctx, arguments.model, arguments.box, progress=session.progress, cancel=cancel)
        session.one("proof", report, _PROOF)


def _release(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import models

    with session.open() as ctx:
        session.one("model", models.release_model(ctx, arguments.model), _FULL)
