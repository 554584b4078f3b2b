"""What a rehearsal says of a box."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from app.store.records import BundleDecision, Choice, Model
from app.usecases.rehearsal import refusals
from edge_runtime.contracts.status import BoxStatus, ProbeReport, SlotStatus, SpoolStatus
from edge_runtime.update.verify import BUILD_TIME_S
from tests.unit.app.rows import digest

NOW_S = BUILD_TIME_S + 86_400
LIFETIME = datetime.timedelta(days=365)
BUNDLE = digest("bundle")
MODEL = Model(
    model=BUNDLE,
    sha256=digest("file"),
    size=1000,
    name="parts",
    version="1.0.0",
    release=10,
    state="released",
    created_ms=1,
    burst=None,
    dataset=None,
)
GOOD = BoxStatus(
    box=digest("box"),
    name="press-1",
    version="0.1.0",
    boot="b",
    at_ms=NOW_S * 1000,
    uptime_s=1.0,
    serial=1,
    floors={"parts": 10},
    signed_s=NOW_S,
    spool=SpoolStatus(disk_free_bytes=5000),
)
PROBE = ProbeReport(
    bundle=digest("old"),
    passed=True,
    golden_total=1,
    golden_agreed=1,
    confidence_delta_p95=0.0,
    latency_ms_p50=1.0,
    latency_ms_p95=1.0,
    load_ms=1.0,
    memory_bytes=1,
    runtime="1.9.2",
)


def decided(choice: Choice) -> BundleDecision:
    return BundleDecision(
        box="*",
        bundle=BUNDLE,
        choice=choice,
        reason="melts lenses",
        who="x",
        decided_ms=1,
    )


def kinds(
    status: BoxStatus | None = GOOD,
    model: Model = MODEL,
    decision: BundleDecision | None = None,
    blacklisted: BundleDecision | None = None,
    peak: int = 2000,
    runtime: str | None = "1.20.0",
) -> list[str]:
    found = refusals(
        model,
        status,
        decision,
        blacklisted=blacklisted,
        peak_bytes=peak,
        signed_s=NOW_S,
        lifetime=LIFETIME,
        runtime=runtime,
    )
    assert all(one.words.endswith((".", "first.")) for one in found)
    return [one.kind for one in found]


def test_a_box_that_would_take_it() -> None:
    assert kinds() == []
    assert kinds(None) == [], "of a box that was never heard nothing is known"
    assert kinds(replace(GOOD, refused={BUNDLE: "slow"}), decision=decided("offer-again")) == []
    assert kinds(replace(GOOD, slots=(SlotStatus(slot="a", state="TRIAL", bundle=BUNDLE),))) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (replace(GOOD, floors={"parts": 11}), "floor"),
        (replace(GOOD, refused={BUNDLE: "slow"}), "rolled-back"),
        (
            replace(GOOD, slots=(SlotStatus(slot="a", state="TRIAL", bundle=digest("other"), name="x", version="2"),)),
            "on-trial",
        ),
        (replace(GOOD, slots=(SlotStatus(slot="a", state="COMMITTED", bundle=digest("old"), probe=PROBE),)), "runtime"),
        (replace(GOOD, spool=SpoolStatus(disk_free_bytes=1999)), "disk"),
        (replace(GOOD, at_ms=(NOW_S + 366 * 86_400) * 1000), "clock"),
    ],
)
def test_what_would_refuse_it(status: BoxStatus, kind: str) -> None:
    assert kinds(status) == [kind]


def test_what_people_decided_would_refuse_it() -> None:
    assert kinds(decision=decided("hold")) == ["hold"]
    assert kinds(blacklisted=decided("blacklist")) == ["blacklist"]
    assert kinds(model=replace(MODEL, state="gated")) == ["not-released"]


def test_a_clock_that_stood_still_is_no_reason() -> None:
    """The box takes the newest signature's time for its own where its clock is behind."""
    assert kinds(replace(GOOD, at_ms=0)) == []
