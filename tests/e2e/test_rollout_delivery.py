"""A rollout over two real boxes: the desktop sends a release to the first, and of the next one only what changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store.records import Model
from app.usecases import boxes, deliveries, rollout_runner, rollouts
from tests.fakes import weights
from tests.fakes.deliveries import audits
from tests.fakes.prepared_site import in_library
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until

QUICK_TRIAL = "\n[update]\ntrial_seconds = 0.2\n"


@pytest.fixture
def site(first_desktop: Path, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "desktop"))) as ctx:
        yield ctx


@pytest.fixture
def presses(tmp_path: Path, site: Context) -> Iterator[list[str]]:
    made = [RunningBox(tmp_path, name) for name in ("press-1", "press-2")]
    try:
        for box in made:
            config = box.home / "edge.toml"
            config.write_text(config.read_text() + QUICK_TRIAL)
            box.start()
            boxes.enrol_local(site, box.home)
        yield ["press-1", "press-2"]
    finally:
        for box in made:
            box.stop()


def released(ctx: Context, folder: Path, version: str, more: weights.Weights) -> Model:
    return in_library(ctx, folder, version, weights.heavy_model(more))


def way(ctx: Context, name: str, model: Model) -> str:
    box = boxes.get_box(ctx, name)
    with boxes.connect(ctx, box) as client:
        return deliveries.needed_for_model(ctx, box, client, model, client.status()).way


def roll_out(ctx: Context, model: Model, name: str) -> None:
    started = rollouts.start_rollout(ctx, model.model, waves=[[name]])
    assert rollout_runner.follow_rollout(ctx, started.rollout).state == "done"


def test_only_the_first_box_gets_it_from_the_desktop_and_then_only_what_changed(
    site: Context, presses: list[str], tmp_path: Path
) -> None:
    first, second = presses
    before = weights.int8_weights(2**19)
    one = released(site, tmp_path, "1.0.0", before)
    two = released(site, tmp_path, "1.0.1", weights.scattered(before))
    assert [way(site, name, one) for name in presses] == ["whole", "whole"]
    roll_out(site, one, first)
    assert [way(site, name, one) for name in presses] == ["there", "neighbour"]
    assert [way(site, name, two) for name in presses] == ["patch", "whole"]
    roll_out(site, one, second)
    roll_out(site, two, first)
    assert [way(site, name, two) for name in presses] == ["there", "neighbour"]
    roll_out(site, two, second)
    assert [way(site, name, one) for name in presses] == ["there", "there"], "in the other slot"
    with boxes.connect(site, boxes.get_box(site, second)) as client:
        wait_until(lambda: len(audits(client, "object.fetched")) == 2, 10, "both releases from the neighbour")
    assert len(list(site.places.patches.iterdir())) == 1
