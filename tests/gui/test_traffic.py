"""Limits of transfers in the settings, and what waits there and why."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from app.gui.pages.settings import SettingsPage
from app.settings import Traffic, load_settings
from app.store.journal import note_movement
from app.store.records import Movement
from app.usecases import samples, sync
from cloud_sync.objects.policy import access_policy
from tests.gui.conftest import Bench
from tests.unit.app.rows import write_images


def said(page: SettingsPage, caption: str) -> str:
    """The value of a fact of the object store."""
    return next((one.text() for one in page.store.findChildren(QLabel) if one.accessibleName() == caption), "")


def test_limits_are_chosen_and_what_waits_is_told_with_its_reason(
    bench: Bench, tmp_path: Path, errors: list[BaseException]
) -> None:
    context = bench.context
    write_images(tmp_path / "images", {"dent": 3})
    samples.import_folder(context, tmp_path / "images")
    sync.setup_store(context, f"folder:{tmp_path / 'store'}")
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    page.traffic.metered.setChecked(True)
    page.traffic.rate.setCurrentIndex(page.traffic.rate.findData(1_000_000))
    page.traffic.hours.setCurrentIndex(page.traffic.hours.findData("22:00-06:00"))
    chosen = Traffic(bytes_per_s=1_000_000, hours="22:00-06:00", metered=True)
    assert context.settings.traffic == load_settings(context.home).traffic == chosen
    page.store.sync()
    bench.settle()
    assert "samples: 3" in said(page, "Waiting")
    assert "the link is metered" in said(page, "Waiting")
    page.traffic.metered.setChecked(False)
    page.traffic.rate.setCurrentIndex(0)
    page.traffic.hours.setCurrentIndex(0)
    assert context.settings.traffic == Traffic()
    now = Movement(done=2_000_000, bytes=10_000_000, bytes_per_s=1e6, at_ms=context.database.now_ms())
    note_movement(context.database, now)
    page.reload()
    bench.settle()
    assert "2.0 MB of 10.0 MB" in said(page, "On the way")
    assert "8 s left" in said(page, "On the way")
    note_movement(context.database, None)
    page.store.sync()
    bench.settle()
    assert said(page, "Waiting") == "nothing"
    assert errors == []


def test_the_access_policy_is_copied_for_a_bucket_alone(bench: Bench) -> None:
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    clipboard = QGuiApplication.clipboard()
    clipboard.setText("before")
    for address, complaint in (
        ("", "Only a bucket"),
        ("/mnt/nas", "Only a bucket"),
        ("s3://b*d/x", "name of a bucket"),
    ):
        page.store.address.setText(address)
        page.store.policy.click()
        assert complaint in page.store.said[-1]
        assert clipboard.text() == "before"
    page.store.address.setText("s3://plant/north")
    page.store.policy.click()
    assert "Copied" in page.store.said[-1]
    assert json.loads(clipboard.text()) == access_policy("s3://plant/north")
    assert "Copy the access policy" in [command.title for command in page.commands()]


def test_what_waits_for_one_reason_says_it_once(bench: Bench, tmp_path: Path) -> None:
    write_images(tmp_path / "images", {"dent": 3})
    samples.import_folder(bench.context, tmp_path / "images")
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    bench.settle()
    waiting = said(page, "Waiting")
    assert "changes and alerts: " in waiting
    assert "samples: 3" in waiting
    assert waiting.count("there is no store yet") == 1
