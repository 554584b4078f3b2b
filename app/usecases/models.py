"""Models: from what a burst left behind to a bundle that is gated, proved on boxes and signed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.store import bursts as burst_store
from app.store import datasets as dataset_store
from app.store import models as model_store
from app.store.records import Burst, Model
from app.usecases import boxes, deliveries, roots
from app.usecases.bursts import TrainingResult, close_burst, training_result
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.stored import bring
from edge_runtime.contracts.errors import AlreadyExists, GateRefused, InputInvalid, ModelUnusable
from edge_runtime.contracts.manifest import BundleManifest, GateReport, Lineage, OutputSpec
from edge_runtime.contracts.status import ProbeReport

if TYPE_CHECKING:
    from app.context import Context

GOLDEN_CASES = 16
_MOST_RELEASE = 2**40
"""Counters are seconds since 1970; a number beyond this came from nobody's clock."""
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def list_models(ctx: Context) -> list[Model]:
    """Every bundle in the library, newest first."""
    return model_store.list_models(ctx.database)


def get_model(ctx: Context, name: str) -> Model:
    """A model by the beginning of its id, ``name@version`` or its version."""
    return model_store.get_model(ctx.database, name)


def bundle_path(ctx: Context, model: Model) -> Path:
    """The bundle's file in the library, checked against its digest.

    :raises NotFound, ObjectCorrupt: it is gone or damaged; the next sync fetches it from the object store.
    """
    return ctx.blobs.checked(model.sha256)


def import_result(
    ctx: Context, burst: str, *, name: str, progress: Progress = silent, cancel: CancelToken | None = None
) -> Model:
    """Turn a finished burst into a gated bundle. Run again, it gives the same model.

    The candidate loads in a sandbox first, then fp32, int8 and the model that is released now answer the
    held-out split of the burst's dataset; the gate judges. A refused model is kept with its reasons.

    :raises BurstFailed: the burst has no result.
    :raises ModelUnusable: the result does not load in the sandbox.
    """
    from cloud_sync.release.gate import evaluate, golden_cases, judge
    from cloud_sync.release.pack import pack_bundle

    token = cancel or CancelToken()
    if not MODEL_NAME.fullmatch(name):
        raise InputInvalid(f"{name!r} is no name for a model: up to 64 of a-z, 0-9 and -, not - first.")
    record = burst_store.get_burst(ctx.database, burst)
    if record.model is not None:
        known = get_model(ctx, record.model)
        if known.name != name:
            raise AlreadyExists(f"This burst's result was imported as {known.name} {known.version}.")
        return known
    progress(ProgressEvent(step="import", message="Fetching the result", fraction=0.0))
    result = training_result(ctx, record)
    kept_back = [item for item in dataset_store.items(ctx.database, record.dataset) if item.split == "held-out"]
    bring(ctx, [item.sample for item in kept_back], progress=progress, cancel=token)
    held_out = [(ctx.blobs.get(item.sample), item.label) for item in kept_back]
    release = ctx.repository().next_release(name, above=_newest_release(ctx, name))
    manifest = _manifest(name, _next_version(ctx, name), release, record, result)
    with TemporaryDirectory(dir=ctx.home, prefix=".import-") as scratch:
        file = Path(scratch) / "candidate.bundle"
        pack_bundle(file, manifest, result.int8, {})
        _try_in_sandbox(file)
        token.check()
        progress(ProgressEvent(step="gate", message=f"held-out samples: {len(held_out)}", fraction=0.3))
        spec = result.input_spec, result.output_spec
        gate = judge(
            fp32_accuracy=evaluate(result.fp32, *spec, held_out),
            int8_accuracy=evaluate(result.int8, *spec, held_out),
            fp32_bytes=len(result.fp32),
            int8_bytes=len(result.int8),
            samples=len(held_out),
            majority_share=_majority_share(held_out),
            baseline_accuracy=_baseline(ctx, result.output_spec, held_out),
        )
        token.check()
        progress(ProgressEvent(step="pack", message=f"{name} {manifest.version}", fraction=0.9))
        cases, golden = golden_cases(result.int8, *spec, held_out, count=GOLDEN_CASES)
        bundle, sha256 = pack_bundle(file, replace(manifest, golden=cases, gate=gate), result.int8, golden)
        size = file.stat().st_size
        ctx.blobs.put_file(file, sha256)
    model = Model(
        model=bundle,
        sha256=sha256,
        size=size,
        name=name,
        version=manifest.version,
        release=release,
        state="gated" if gate.passed else "refused",
        created_ms=boxes.now_ms(),
        burst=record.burst,
        dataset=record.dataset,
        gate=gate,
    )
    model_store.put_model(ctx.database, model)
    close_burst(ctx, record.burst, model=bundle)
    ctx.database.write(lambda w: w.activity("model.gated", bundle, _gate_sentence(name, manifest.version, gate)))
    return model


def prove_on_box(
    ctx: Context, model: str, box: str, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> ProbeReport:
    """Send the very bundle that would be released to a box and let its sandbox measure it; nothing is installed."""
    token = cancel or CancelToken()
    record, target = get_model(ctx, model), boxes.get_box(ctx, box)

    def sent(done: int, total: int) -> None:
        token.check()
        progress(ProgressEvent(step="send", message=target.name, fraction=done / max(total, 1)))

    with boxes.connect(ctx, target) as client:
        deliveries.deliver_model(ctx, target, client, record, roots.ask_status(ctx, target, client), sent=sent)
        progress(ProgressEvent(step="prove", message=f"{target.name} replays the golden cases"))
        report = client.probe(record.sha256)
    if report.bundle != record.model:
        raise InputInvalid(f"{target.name} reported on another bundle than the one it was sent.")
    model_store.add_proof(ctx.database, record.model, target.box, report)
    verdict = "passed" if report.passed else "failed: " + "; ".join(report.reasons)
    ctx.database.write(
        lambda w: w.activity(
            "model.proved", record.model, f"{record.name} {record.version} on {target.name}: {verdict}."
        )
    )
    return report


def release_model(ctx: Context, model: str) -> Model:
    """Sign a gated model that at least one box has proved; run again, it changes nothing.

    :raises GateRefused: the gate or a box refused it, or no box has tried it yet; says which.
    """
    record = get_model(ctx, model)
    if record.state == "released":
        return record
    if record.gate is None or not record.gate.passed:
        reasons = " ".join(record.gate.reasons) if record.gate else "It was never gated."
        raise GateRefused(f"{record.name} {record.version} did not pass its gate. {reasons}")
    failed = {box: report for box, report in record.proofs.items() if not report.passed}
    if failed:
        box, report = next(iter(failed.items()))
        raise GateRefused(f"{record.name} {record.version} failed on box {box[:12]}: {'; '.join(report.reasons)}")
    if not record.proofs:
        raise GateRefused(
            f"No box has tried {record.name} {record.version} yet.",
            hint="Prove it first: `lineside models prove MODEL --box BOX`.",
        )
    manifest = ctx.bundle(record.sha256).manifest
    ctx.repository().add(bundle_path(ctx, record), manifest, record.proofs)
    released = replace(record, state="released")
    model_store.put_model(ctx.database, released)
    ctx.database.write(lambda w: w.activity("model.released", record.model, f"Signed {record.name} {record.version}."))
    return released


def _manifest(name: str, version: str, release: int, burst: Burst, result: TrainingResult) -> BundleManifest:
    return BundleManifest(
        name=name,
        version=version,
        release=release,
        task="classification",
        input=result.input_spec,
        output=result.output_spec,
        files=(),
        quantization=result.quantization,
        lineage=Lineage(
            burst=burst.burst,
            dataset=burst.dataset,
            recipe=burst.recipe,
            recipe_version=result.recipe_version,
            base_model=burst.base_model,
        ),
    )


def _next_version(ctx: Context, name: str) -> str:
    minors = [int(model.version.split(".")[1]) for model in list_models(ctx) if model.name == name]
    return f"1.{max(minors, default=-1) + 1}.0"


def _newest_release(ctx: Context, name: str) -> int:
    """Of all desktops, as far as they have synced: a box takes no release below the one that it ran."""
    releases = (model.release for model in list_models(ctx) if model.name == name)
    return max((release for release in releases if release < _MOST_RELEASE), default=0)


def _try_in_sandbox(file: Path) -> None:
    from edge_runtime.update.probe import probe

    report = probe(file)
    if not report.passed:
        raise ModelUnusable(f"The burst's model was refused by the sandbox: {'; '.join(report.reasons)}")


def _majority_share(held_out: list[tuple[bytes, str]]) -> float:
    counts = Counter(label for _body, label in held_out)
    return counts.most_common(1)[0][1] / len(held_out) if held_out else 0.0


def _baseline(ctx: Context, output: OutputSpec, held_out: list[tuple[bytes, str]]) -> float | None:
    """Accuracy of the newest released model that answers the same question, whatever it is called."""
    from cloud_sync.release.gate import evaluate

    for model in sorted(list_models(ctx), key=lambda model: model.release, reverse=True):
        if model.state == "released":
            bundle = ctx.bundle(model.sha256)
            if set(bundle.manifest.output.labels) == set(output.labels):
                return evaluate(bundle.model, bundle.manifest.input, bundle.manifest.output, held_out)
    return None


def _gate_sentence(name: str, version: str, gate: GateReport) -> str:
    figures = f"fp32 {gate.fp32_accuracy:.1%}, int8 {gate.int8_accuracy:.1%}, held-out samples {gate.samples}"
    return f"{name} {version} {'passed' if gate.passed else 'was refused by'} the gate: {figures}."
