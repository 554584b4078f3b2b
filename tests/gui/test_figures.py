"""Figures in the settings: what waits, what is in the store, and how long each is kept."""

from __future__ import annotations

from pathlib import Path

from app.gui.pages.settings import SettingsPage
from app.store import metric_files, spool
from app.usecases import sync
from tests.fakes.figures import Line
from tests.gui.conftest import Bench
from tests.gui.filling import add_box


def test_what_waits_is_written_and_how_long_it_is_kept_is_chosen(
    bench: Bench, tmp_path: Path, errors: list[BaseException]
) -> None:
    context = bench.context
    box = add_box(context, tmp_path, "line-1").box
    line = Line(box=box, every_ms=1000)
    spool.collect(context.database, "results", line.results(120), 1, box)
    spool.collect(context.database, "rollups", line.minutes(last=True), 1, box)
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    assert not page.metrics.export_button.isEnabled(), "there is no store yet"

    sync.setup_store(context, f"folder:{tmp_path / 'store'}")
    bench.settle()
    page.metrics.export_button.click()
    bench.settle()
    assert {file.partition.kind for file in metric_files.written(context.database)} >= {"results", "minutes", "hours"}

    choice = page.metrics.choices["results"]
    assert choice.currentData() == context.settings.retention.results == 30
    choice.setCurrentIndex(choice.findData(90))
    assert context.settings.retention.results == 90
    kept = page.metrics.choices["bucket_results"]
    kept.setCurrentIndex(kept.count() - 1)
    assert context.settings.retention.bucket_results is None
    assert errors == []
