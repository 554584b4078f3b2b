"""From a folder of pictures to a signed model, through the use-cases, with real training in a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.demo.lines import load_digits, write_training_folder
from app.usecases import bursts, datasets, models, samples, sync
from app.usecases.bursts import BurstRequest
from app.usecases.progress import CancelToken, ProgressEvent
from edge_runtime.contracts.errors import AlreadyExists, Cancelled, GateRefused, InputInvalid, NotFound
from tests.waiting import wait_until

FRAMES = 240


@pytest.fixture
def site(tmp_path: Path, first_desktop: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "desktop"))) as ctx:
        # Two digits that nobody takes for one another: what is tested here must not hang on a frame at the fence.
        digits = [digit for digit in load_digits() if digit.label in "01"]
        write_training_folder(tmp_path / "pictures", digits, FRAMES, seed=3)
        samples.import_folder(ctx, tmp_path / "pictures")
        yield ctx
        bursts.stop_all(ctx)


QUICK = BurstRequest(dataset="first", minutes=5, params={"epochs": 3})


def test_training_needs_no_object_store_and_a_later_one_gets_everything(site: Context, tmp_path: Path) -> None:
    dataset = datasets.freeze_dataset(site, "first")
    quote = bursts.quote_burst(site, QUICK)
    assert (quote.worst_case_usd, quote.samples) == (0.0, FRAMES)

    started = bursts.start_burst(site, replace(QUICK, params={"epochs": 10}))
    finished = bursts.follow_burst(site, started.burst)
    assert finished.state == "FINISHING"
    model = models.import_result(site, finished.burst, name="counter")
    assert models.import_result(site, finished.burst, name="counter") == model
    assert model.gate is not None
    assert model.gate.samples == dataset.held_out
    assert bursts.get_burst(site, started.burst).state == "CLOSED"
    assert bursts.burst_curve(site, started.burst)
    assert bursts.burst_log(site, started.burst)
    with pytest.raises(GateRefused, match="No box has tried"):
        models.release_model(site, model.model)

    sync.setup_store(site, str(tmp_path / "bucket"))
    sync.sync_now(site)
    standing = sync.sync_status(site)
    assert (standing.pending_changes, standing.pending_objects) == (0, 0)
    assert standing.objects >= FRAMES

    second = bursts.start_burst(site, replace(QUICK, base_model=model.version))
    assert second.base_model == model.model
    lines = bursts.burst_log(site, bursts.follow_burst(site, second.burst).burst)
    assert any("checkpoint" in line or "Starting from" in line or "base" in line for line in lines), lines


def test_a_model_that_has_learned_nothing_is_refused_and_cannot_be_released(site: Context) -> None:
    datasets.freeze_dataset(site, "first")
    params = {"epochs": 1, "learning_rate": 1e-9}
    burst = bursts.follow_burst(site, bursts.start_burst(site, replace(QUICK, params=params)).burst)
    model = models.import_result(site, burst.burst, name="counter")
    assert model.state == "refused"
    assert model.gate is not None
    assert "most frequent label" in model.gate.reasons[0]
    with pytest.raises(GateRefused, match="did not pass its gate"):
        models.release_model(site, model.model)
    with pytest.raises(AlreadyExists):
        models.import_result(site, burst.burst, name="another")
    with pytest.raises(InputInvalid):
        models.import_result(site, burst.burst, name="../counter")


def test_a_burst_waits_for_a_store_that_is_away_and_goes_on_when_it_is_back(site: Context, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    sync.setup_store(site, str(stick / "bucket"))
    datasets.freeze_dataset(site, "first")
    stick.rename(tmp_path / "pocket")
    waiting = bursts.start_burst(site, QUICK)
    assert waiting.state == "QUEUED_OFFLINE"
    assert waiting.message
    assert bursts.advance_bursts(site)[0].state == "QUEUED_OFFLINE"
    (tmp_path / "pocket").rename(stick)

    def on_its_way() -> bool:
        return bursts.advance_bursts(site)[0].state in ("BOOTING", "RUNNING")

    wait_until(on_its_way, 60, "the burst to start")
    assert bursts.cancel_burst(site, waiting.burst).state in ("CANCELLING", "CANCELLED")
    wait_until(lambda: not bursts.advance_bursts(site), 30, "the agent to be gone")
    assert bursts.get_burst(site, waiting.burst).state == "CANCELLED"


def test_watching_can_be_stopped_without_stopping_the_burst(site: Context) -> None:
    datasets.freeze_dataset(site, "first")
    started = bursts.start_burst(site, replace(QUICK, params={"epochs": 500}))
    cancel = CancelToken()

    def stop_at_once(_event: ProgressEvent) -> None:
        cancel.cancel()

    with pytest.raises(Cancelled):
        bursts.follow_burst(site, started.burst, progress=stop_at_once, cancel=cancel)
    assert bursts.advance_bursts(site)[0].state in ("BOOTING", "RUNNING")
    bursts.stop_all(site)
    assert bursts.get_burst(site, started.burst).state in ("CANCELLING", "CANCELLED")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (replace(QUICK, dataset="no-such"), NotFound),
        (replace(QUICK, host="moon"), NotFound),
        (replace(QUICK, recipe="alchemy"), NotFound),
        (replace(QUICK, minutes=0), InputInvalid),
        (replace(QUICK, minutes=float("nan")), InputInvalid),
        (replace(QUICK, minutes=1e9), InputInvalid),
        (replace(QUICK, cap_usd=-1.0), InputInvalid),
        (replace(QUICK, params={"epochs": 0}), InputInvalid),
        (replace(QUICK, params={"magic": True}), InputInvalid),
        (replace(QUICK, base_model="9.9.9"), NotFound),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_anything_starts(
    site: Context, wrong: BurstRequest, error: type[Exception]
) -> None:
    datasets.freeze_dataset(site, "first")
    with pytest.raises(error):
        bursts.start_burst(site, wrong)
    assert bursts.list_bursts(site) == []
