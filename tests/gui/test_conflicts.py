"""Conflicts between desktops on the page Activity: shown with both values, decided with one button."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.context import Context, open_context
from app.gui.pages.activity import ActivityPage
from app.gui.pages.settings import SettingsPage
from app.store.rekey import rekey
from app.usecases import conflicts, samples, sync
from app.usecases.exchange import exchange
from cloud_sync.objects.folder import FolderStore
from tests.gui.conftest import Bench
from tests.waiting import wait_for_later_moment


def _page(bench: Bench) -> ActivityPage:
    bench.go("activity")
    page = bench.window.pages["activity"]
    assert isinstance(page, ActivityPage)
    return page


def _apart(here: Context, folder: Path) -> str:
    """Another desktop gave a sample another label than this one, and both have met: the sample."""
    shutil.copytree(here.home, folder / "there")
    store, prefix = FolderStore(folder / "store"), f"sites/{here.site.site}"
    sample = samples.page_samples(here).rows[0].sample
    with open_context(folder / "there") as there:
        rekey(there.database, "asked")
        for context in (here, there, here):
            exchange(context.database, store, prefix)
        samples.label_samples(here, {sample: "mine"})
        wait_for_later_moment()
        samples.label_samples(there, {sample: "theirs"})
        for context in (here, there, here):
            exchange(context.database, store, prefix)
    return sample


def test_a_conflict_is_shown_with_both_values_and_taken(full_bench: Bench, tmp_path: Path) -> None:
    page = _page(full_bench)
    assert not page.conflicts.isVisible()
    sample = _apart(full_bench.context, tmp_path)
    full_bench.settle()
    assert page.conflicts.isVisible()
    (one,) = conflicts.list_conflicts(full_bench.context)
    assert (one.stands, one.other) == ("theirs", "mine")
    stands, other = (page.conflicts.values[one.conflict, take] for take in (False, True))
    assert (stands.text(), other.text()) == ("theirs", "mine")
    assert stands.fontInfo().pixelSize() == other.fontInfo().pixelSize()
    assert stands.palette().windowText() == other.palette().windowText()
    assert abs(stands.width() - other.width()) <= 1
    assert stands.mapTo(page, stands.rect().topLeft()).y() == other.mapTo(page, other.rect().topLeft()).y()
    button = page.conflicts.buttons[one.conflict, True]
    assert sample[:12] in button.accessibleName()
    button.click()
    full_bench.settle()
    assert samples.get_sample(full_bench.context, sample).label == "mine"
    assert not page.conflicts.isVisible()


def test_what_stands_can_be_kept(full_bench: Bench, tmp_path: Path) -> None:
    sample = _apart(full_bench.context, tmp_path)
    page = _page(full_bench)
    (one,) = conflicts.list_conflicts(full_bench.context)
    page.conflicts.buttons[one.conflict, False].click()
    full_bench.settle()
    assert samples.get_sample(full_bench.context, sample).label == "theirs"
    assert conflicts.list_conflicts(full_bench.context) == []
    assert not page.conflicts.isVisible()


def test_a_store_that_is_away_queues_the_sync_and_says_so(full_bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    sync.setup_store(full_bench.context, str(tmp_path / "mount" / "store"))
    shutil.rmtree(tmp_path / "mount")
    full_bench.go("settings")
    page = full_bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    page.store.sync_button.click()
    full_bench.settle()
    assert sync.sync_status(full_bench.context).queued
