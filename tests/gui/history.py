"""What a box told over hours: minutes, disagreements, audits and losses."""

from __future__ import annotations

import numpy as np

from app.context import Context
from app.store import spool
from app.store.records import Box
from edge_runtime.contracts.rows import AuditRow, LossRow, RollupRow, ShadowRow
from tests.gui.filling import NOW_MS, OLD_MODEL, SHADOW_MODEL, digest


def add_history(context: Context, box: Box) -> None:
    """Something of every stream, and more than a page of disagreements."""
    add_minutes(context, box, 180, shadow=SHADOW_MODEL)
    add_disagreements(context, box, 130)
    add_audits(context, box)
    add_losses(context, box)


def add_minutes(context: Context, box: Box, count: int, *, shadow: str | None = None) -> None:
    """Minutes of two pipelines, with a gap in the middle; the shadow model sees the second half."""
    rng = np.random.default_rng(2)
    rows = []
    for number in range(count):
        late = number >= count // 2
        for at, (pipeline, rate) in enumerate((("camera", 1500), ("scanner", 240))):
            frames = int(rng.normal(rate, rate / 30))
            watched = frames if shadow and late and pipeline == "camera" else 0
            rows.append(
                RollupRow(
                    box=box.box,
                    boot="b1",
                    seq=2 * number + at,
                    at_ms=NOW_MS + (number + (20 if late else 0)) * 60_000,
                    span_ms=60_000,
                    pipeline=pipeline,
                    model=OLD_MODEL,
                    frames=frames,
                    errors=int(rng.poisson(6)) if number % 17 == 3 else 0,
                    kept=int(rng.poisson(3)),
                    confidence_mean=float(np.clip(rng.normal(0.94, 0.02), 0, 1)),
                    latency_us_p50=int(rng.normal(1300, 60)),
                    latency_us_p99=int(rng.normal(3600, 500)),
                    labels={"ok": frames - 40, "scratch": 28, "dent": 12},
                    shadow=shadow if watched else None,
                    shadow_frames=watched,
                    shadow_agreed=int(watched * rng.normal(0.975, 0.008)),
                    shadow_latency_us_p50=1900 if watched else 0,
                )
            )
    spool.collect(context.database, "rollups", rows, len(rows), box.box)


def add_disagreements(context: Context, box: Box, count: int) -> None:
    """Frames on which a shadow model said otherwise."""
    rows = [
        ShadowRow(
            box=box.box,
            boot="b1",
            seq=number,
            at_ms=NOW_MS + number * 7000,
            pipeline="camera",
            frame=f"frame-{number * 41:06d}.jpg",
            sample=digest(f"{box.name} differs {number}"),
            model=OLD_MODEL,
            shadow=SHADOW_MODEL,
            label="ok",
            shadow_label="scratch" if number % 3 else "dent",
            confidence=0.61,
            shadow_confidence=0.58 + number % 30 / 100,
            latency_us=1300,
            shadow_latency_us=1900,
        )
        for number in range(count)
    ]
    spool.collect(context.database, "shadows", rows, count, box.box)


def add_audits(context: Context, box: Box) -> None:
    """What was done to a box, by whom."""
    here = context.identity.fingerprint
    told = (
        ("box.started", "box", "lineside-edge 0.1.0"),
        ("config.changed", here, f"edge.toml with the sha256 {digest('edge.toml')} is in force."),
        ("update.asked", here, "digit-counter/1.0.0.bundle"),
        ("update.committed", "box", f"digit-counter 1.0.0 ({OLD_MODEL[:12]})"),
        ("shadow.chosen", digest("another desktop"), "digit-counter/1.0.5.bundle"),
    )
    rows = [
        AuditRow(
            box=box.box, boot="b1", seq=number, at_ms=NOW_MS + number * 90_000, kind=kind, who=who, message=message
        )
        for number, (kind, who, message) in enumerate(told)
    ]
    spool.collect(context.database, "audits", rows, len(rows), box.box)


def add_losses(context: Context, box: Box) -> None:
    """What a box had to let go."""
    told = (("results", 48_211, 9_642_200, "limit.age"), ("frames", 12, 0, "line.behind"))
    rows = [
        LossRow(
            box=box.box,
            boot="b1",
            seq=number,
            at_ms=NOW_MS + number * 3_600_000,
            stream=stream,
            count=count,
            bytes=size,
            first_ms=NOW_MS - 7_200_000,
            last_ms=NOW_MS - 3_600_000,
            reason=reason,
        )
        for number, (stream, count, size, reason) in enumerate(told)
    ]
    spool.collect(context.database, "losses", rows, len(rows), box.box)
