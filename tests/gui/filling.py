"""A real site with something on every page, filled through the store's own functions."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from app.context import Context
from app.store import boxes as box_store
from app.store import bursts as burst_store
from app.store import models as model_store
from app.store import rollouts as rollout_store
from app.store import samples as sample_store
from app.store import spool
from app.store.records import Box, Burst, CurvePoint, Model, Rollout, RolloutBox, RolloutBoxState
from app.usecases import datasets, samples, sites
from edge_runtime.contracts.errors import BoxUnreachable
from edge_runtime.contracts.manifest import GateReport
from edge_runtime.contracts.rows import AlertRow, ResultRow, SampleRow
from edge_runtime.contracts.status import (
    BoxStatus,
    PipelineStatus,
    ProbeReport,
    ShadowStatus,
    SlotStatus,
    SpoolStatus,
    TrialReport,
)
from edge_runtime.identity import create_identity

NOW_MS = 1_780_000_000_000
PASSPHRASE = "a passphrase of the tests"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


OLD_MODEL, NEW_MODEL = digest("model 1.0.0"), digest("model 1.1.0")
SHADOW_MODEL = digest("model 1.0.5")
BURST_DONE, BURST_RUNNING = "5b1f0f2e-3f0a-4a52-9d3c-0d6a8b9c1e11", "8c2d1a4b-6e7f-4b1a-8f2e-1a2b3c4d5e6f"


def new_site(home: Path) -> Context:
    """An empty site."""
    return sites.create_site(home, "Plant North", PASSPHRASE)


def picture(number: int) -> bytes:
    """A JPEG that differs for every number."""
    image = np.full((96, 96), 60 + number % 80, np.uint8)
    cv2.putText(image, str(number % 10), (24, 76), cv2.FONT_HERSHEY_DUPLEX, 2.4, 235, 4)
    cv2.putText(image, str(number), (2, 12), cv2.FONT_HERSHEY_PLAIN, 0.8, 160, 1)
    _ok, encoded = cv2.imencode(".jpg", image)
    return encoded.tobytes()


def add_box(
    context: Context,
    folder: Path,
    name: str,
    *,
    drifting: bool = False,
    shadowed: bool = False,
    problem: str | None = None,
) -> Box:
    """Enrol a box that is not running, with a status as if it had just answered."""
    identity = create_identity(folder / name, name)
    box = Box(
        box=identity.fingerprint,
        name=name,
        address="127.0.0.1:1",
        certificate=identity.certificate_pem,
        enrolled_ms=NOW_MS,
    )
    box_store.put_box(context.database, box)
    status = BoxStatus(
        box=box.box,
        name=name,
        version="0.1.0",
        boot="b1",
        at_ms=NOW_MS,
        uptime_s=4210.0,
        serial=12,
        pipelines=(
            PipelineStatus(
                name="camera",
                source="folder:/frames",
                state="running",
                frames=8412,
                errors=2 if drifting else 0,
                kept=311,
                frames_per_s=25.2,
                drift=drifting,
                drift_reference=1.0 if drifting else 0.43,
                stages_ms={"read": 0.2, "decode": 0.7, "preprocess": 0.1, "infer": 1.2, "postprocess": 0.1},
                last_error="frame-000231.jpg is not a readable image." if drifting else None,
            ),
        ),
        slots=(
            SlotStatus(
                slot="a",
                state="COMMITTED",
                bundle=OLD_MODEL,
                name="digit-counter",
                version="1.0.0",
                release=1,
                active=True,
                trial=TrialReport(frames=40, errors=0, latency_ms_p95=1.4),
            ),
            SlotStatus(slot="b", state="COMMITTED", bundle=digest("model 0.9.0"), name="digit-counter", version="0.9.0")
            if shadowed
            else SlotStatus(slot="b", state="EMPTY"),
        ),
        shadow=ShadowStatus(
            target="digit-counter/1.0.5.bundle",
            bundle=SHADOW_MODEL,
            name="digit-counter",
            version="1.0.5",
            release=2,
            state="running",
        )
        if shadowed
        else None,
        inference={"http": "192.168.1.20:8000", "grpc": "192.168.1.20:8001"} if shadowed else {},
        spool=SpoolStatus(
            results=120, samples=9, audits=1, rollups=3, sample_bytes=41_000, disk_free_bytes=52_000_000_000
        ),
    )
    box_store.set_status(context.database, box.box, status=status, seen_ms=NOW_MS)
    if problem:
        box_store.set_status(context.database, box.box, problem=BoxUnreachable(problem))
    return box


def add_results(context: Context, box: Box, count: int) -> None:
    """Results whose confidence falls in the last third."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(count):
        sure = number < count * 2 // 3
        confidence = float(np.clip(rng.normal(0.95 if sure else 0.66, 0.04 if sure else 0.16), 0.2, 1.0))
        rows.append(
            ResultRow(
                box=box.box,
                boot="b1",
                seq=number,
                at_ms=NOW_MS + number * 400,
                pipeline="camera",
                frame=f"frame-{number:06d}.jpg",
                sample=digest(f"{box.name} frame {number}"),
                model=OLD_MODEL,
                label=str(number % 10),
                confidence=confidence,
                margin=confidence / 2,
                latency_us=1300,
            )
        )
    spool.collect(context.database, "results", rows, count, box.box)


def add_alert(context: Context, box: Box, at_ms: int) -> None:
    alert = AlertRow(
        box=box.box,
        boot="b1",
        seq=100_000,
        at_ms=at_ms,
        kind="drift.confidence",
        message="The model is less sure than it was: mean confidence fell from 0.95 to 0.66.",
        pipeline="camera",
        model=OLD_MODEL,
        facts={"frames": 37.0, "p_value": 1e-9},
    )
    spool.collect(context.database, "alerts", [alert], 1, box.box)


def add_samples(context: Context, box: Box, count: int, *, start: int = 0) -> list[str]:
    """Kept samples whose pictures are here; returns their ids, oldest first."""
    ids = []
    rows = []
    for number in range(start, start + count):
        content = picture(number)
        sample = context.blobs.put(content)
        ids.append(sample)
        rows.append(
            SampleRow(
                box=box.box,
                boot="b1",
                seq=number,
                at_ms=NOW_MS + number * 1000,
                pipeline="camera",
                frame=f"frame-{number:06d}.jpg",
                sample=sample,
                media="image/jpeg",
                size=len(content),
                reason="hard" if number % 3 else "random",
                model=OLD_MODEL,
                label=str(number % 10),
                confidence=0.35 + number % 50 / 100,
                margin=0.1,
            )
        )
    spool.collect(context.database, "samples", rows, start + count, box.box)
    for sample in ids:
        sample_store.mark_present(context.database, sample)
    return ids


def add_training(context: Context, dataset: str) -> None:
    """One burst that has finished and one that runs."""
    done = Burst(
        burst=BURST_DONE,
        recipe="classify-images",
        host="local",
        dataset=dataset,
        base_model=None,
        state="GATED",
        created_ms=NOW_MS,
        deadline_ms=NOW_MS + 1_200_000,
        cap_usd=0.0,
        attempt=1,
        started_ms=NOW_MS,
        finished_ms=NOW_MS + 41_000,
        progress=1.0,
        model=OLD_MODEL,
    )
    running = replace(
        done,
        burst=BURST_RUNNING,
        base_model=OLD_MODEL,
        state="RUNNING",
        created_ms=NOW_MS + 60_000,
        finished_ms=None,
        progress=0.42,
        step="epoch 9 of 20",
        model=None,
    )
    for burst in (done, running):
        burst_store.put_burst(context.database, burst)
        steps = 60 if burst is done else 25
        points = [
            CurvePoint(
                step=step, loss=2.3 * 0.94**step + 0.04, accuracy=1 - 0.9 * 0.92**step if step % 5 == 0 else None
            )
            for step in range(steps)
        ]
        burst_store.put_points(context.database, burst.burst, points)
        lines = [f"epoch {step // 3} step {step} loss {point.loss:.4f}" for step, point in enumerate(points)]
        burst_store.put_log(context.database, burst.burst, lines)


def add_models(context: Context, dataset: str, proved_on: Box) -> None:
    """A released model and one that passed its gate."""
    gate = GateReport(
        passed=True,
        samples=212,
        fp32_accuracy=0.9811,
        int8_accuracy=0.9764,
        fp32_bytes=241_664,
        int8_bytes=71_200,
        baseline_accuracy=None,
    )
    first = Model(
        model=OLD_MODEL,
        sha256=digest("file 1.0.0"),
        size=98_000,
        name="digit-counter",
        version="1.0.0",
        release=1,
        state="released",
        created_ms=NOW_MS + 42_000,
        burst=BURST_DONE,
        dataset=dataset,
        gate=gate,
    )
    second = replace(
        first,
        model=NEW_MODEL,
        sha256=digest("file 1.1.0"),
        version="1.1.0",
        release=2,
        state="gated",
        created_ms=NOW_MS + 99_000,
        gate=replace(gate, baseline_accuracy=0.7311, fp32_accuracy=0.9717, int8_accuracy=0.967),
    )
    for model in (first, second):
        model_store.put_model(context.database, model)
    report = ProbeReport(
        bundle=OLD_MODEL,
        passed=True,
        golden_total=16,
        golden_agreed=16,
        confidence_delta_p95=0.01,
        latency_ms_p50=0.9,
        latency_ms_p95=1.4,
        load_ms=61.0,
        memory_bytes=61_000_000,
        runtime="1.22.0",
    )
    model_store.add_proof(context.database, OLD_MODEL, proved_on.box, report)


def add_rollouts(context: Context, boxes: list[Box]) -> None:
    """One that is done and one that is under way."""
    done = Rollout(
        rollout="0f0f6a1e-1111-4a52-9d3c-0d6a8b9c1e11",
        model=OLD_MODEL,
        version="1.0.0",
        state="done",
        created_ms=NOW_MS + 50_000,
        finished_ms=NOW_MS + 71_000,
        boxes=tuple(
            RolloutBox(box=box.box, wave=wave, state="committed", updated_ms=NOW_MS + 60_000)
            for wave, box in enumerate(boxes)
        ),
    )
    states: tuple[RolloutBoxState, ...] = ("trial", "waiting", "waiting")
    running = replace(
        done,
        rollout="77aa6a1e-2222-4a52-9d3c-0d6a8b9c1e11",
        model=NEW_MODEL,
        version="1.1.0",
        state="running",
        created_ms=NOW_MS + 120_000,
        finished_ms=None,
        boxes=tuple(
            RolloutBox(
                box=box.box, wave=min(wave, 1), state=states[wave], updated_ms=NOW_MS + 121_000 if wave == 0 else 0
            )
            for wave, box in enumerate(boxes)
        ),
    )
    for rollout in (done, running):
        rollout_store.put_rollout(context.database, rollout)


def fill(context: Context, folder: Path, *, results: int = 900, kept: int = 60) -> list[Box]:
    """Something on every page; returns the boxes by name."""
    boxes = [
        add_box(context, folder, "line-1", shadowed=True),
        add_box(context, folder, "line-2", drifting=True),
        add_box(context, folder, "packing-north", problem="connection refused at 127.0.0.1:7443."),
    ]
    add_results(context, boxes[0], results)
    add_results(context, boxes[1], results)
    add_alert(context, boxes[1], NOW_MS + results * 400 * 2 // 3 + 15_000)
    ids = add_samples(context, boxes[1], kept)
    samples.label_samples(context, {sample: str(number % 10) for number, sample in enumerate(ids[: kept * 2 // 3])})
    dataset = datasets.freeze_dataset(context, "Line 2, week 20")
    add_training(context, dataset.dataset)
    add_models(context, dataset.dataset, boxes[0])
    add_rollouts(context, boxes)
    return boxes
