"""When files go, and what is said of those that wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.context import Context
from app.settings import Traffic, load_settings
from app.usecases import samples, sync
from app.usecases.traffic import change_traffic, hold
from edge_runtime.contracts.errors import ConfigInvalid
from tests.unit.app.rows import write_images


def at(time: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-04T{time}:00+00:00")


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        (None, ["00:00", "12:00"], []),
        ("22:00-06:00", ["22:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "21:59"]),
        ("12:00-13:00", ["12:00", "12:59"], ["11:59", "13:00", "00:00"]),
        ("08:00-08:00", ["08:00", "07:59", "20:00"], []),
    ],
)
def test_files_go_in_their_hours(hours: str | None, inside: list[str], outside: list[str]) -> None:
    rules = Traffic(hours=hours)
    assert {hold(rules, at(time)) for time in inside} == {None}
    assert {hold(rules, at(time)) for time in outside} <= {"hours"}
    assert hold(Traffic(hours=hours, metered=True), at("12:00")) == "metered"


@pytest.mark.parametrize(
    "wrong", [Traffic(hours="22-6"), Traffic(hours="24:00-06:00"), Traffic(bytes_per_s=0), Traffic(bytes_per_s=-5)]
)
def test_limits_that_cannot_be_are_refused(ctx: Context, wrong: Traffic) -> None:
    with pytest.raises(ConfigInvalid):
        change_traffic(ctx, wrong)
    assert ctx.settings.traffic == Traffic()
    assert load_settings(ctx.home).traffic == Traffic()


def waiting(ctx: Context) -> dict[str, str]:
    return {one.kind: one.reason for one in sync.sync_status(ctx).waiting}


def test_on_a_metered_link_the_journal_goes_and_files_wait(ctx: Context, tmp_path: Path) -> None:
    write_images(tmp_path / "images", {"dent": 3})
    samples.import_folder(ctx, tmp_path / "images")
    assert set(waiting(ctx).values()) == {"no-store"}
    sync.setup_store(ctx, str(tmp_path / "store"))
    assert waiting(ctx) == {"journal": "next-sync", "sample": "next-sync"}
    change_traffic(ctx, Traffic(metered=True))
    assert waiting(ctx) == {"journal": "next-sync", "sample": "metered"}
    report = sync.sync_now(ctx)
    assert (report.objects_sent, report.figures_sent, report.held) == (0, 0, "metered")
    assert report.changes_sent
    assert waiting(ctx) == {"sample": "metered"}
    assert sync.sync_status(ctx).problem is None
    assert not list((tmp_path / "store").glob("objects/**/*"))
    change_traffic(ctx, Traffic())
    report = sync.sync_now(ctx)
    assert (report.objects_sent, report.held) == (3, None)
    assert waiting(ctx) == {}


def test_outside_their_hours_files_wait(ctx: Context, tmp_path: Path) -> None:
    write_images(tmp_path / "images", {"dent": 3})
    samples.import_folder(ctx, tmp_path / "images")
    sync.setup_store(ctx, str(tmp_path / "store"))
    begin = datetime.now().astimezone() + timedelta(hours=6)
    change_traffic(ctx, Traffic(hours=f"{begin:%H:%M}-{begin + timedelta(hours=1):%H:%M}"))
    report = sync.sync_now(ctx)
    assert (report.objects_sent, report.held) == (0, "hours")
    assert waiting(ctx) == {"sample": "hours"}
