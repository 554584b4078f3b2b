"""Drills and the support bundle in the window: asked for by name, told of as they ended."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QWidget

from app.gui.pages.boxes import BoxesPage
from app.gui.pages.settings import SettingsPage
from app.store.records import Box
from app.usecases import drills
from app.usecases.drills import Asked, DrillProof
from edge_runtime.contracts import wire
from edge_runtime.contracts.drill import Counted, DrillReport
from tests.gui.conftest import Bench
from tests.gui.filling import add_box


def words_in(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget))


@pytest.fixture
def box(bench: Bench, tmp_path: Path) -> Box:
    return add_box(bench.context, tmp_path, "line-1")


def pick(bench: Bench) -> BoxesPage:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    bench.go("boxes")
    bench.settle()
    return page


def enter_drill(bench: Bench, box: Box) -> None:
    """As if one had been held."""
    asked = Asked(drill="1" * 32, kind="kill", seconds=10)
    report = DrillReport(
        drill=asked.drill,
        kind="kill",
        box=box.box,
        who="c" * 64,
        seconds=10,
        begun_ms=1,
        phase="done",
        outcome="recovered",
        before=Counted(frames=40, seconds=2.0),
        after=Counted(frames=41, seconds=2.0),
        longest_gap_ms=2345.6,
        bundle="d" * 64,
        slot="a",
        bundle_after="d" * 64,
        slot_after="a",
        verified=True,
        restarted=True,
        ended_ms=2,
    )
    signed = wire.encode(report).decode()
    proof = DrillProof(box=box.box, name=box.name, report=report, signed=signed, signature="e" * 128, away_s=2.9)
    database = bench.context.database
    database.write(lambda w: w.activity(drills.ASKED, box.box, "Asked.", facts=wire.encode(asked)))
    database.write(lambda w: w.activity(drills.DRILLED, box.box, "Held.", facts=wire.encode(proof)))


def test_a_drill_is_asked_for_by_name_and_says_what_will_happen(
    bench: Bench, box: Box, errors: list[BaseException]
) -> None:
    panel = pick(bench).detail.drills
    assert "No drill was held" in words_in(panel)
    dialog = panel.ask()
    assert dialog is not None
    assert "line-1" in words_in(dialog)
    assert dialog.cancel.isDefault()
    assert not dialog.primary.isDefault()
    told = set()
    for at in range(dialog.kind.count()):
        dialog.kind.setCurrentIndex(at)
        told.add(dialog.what.text())
    assert len(told) == 4
    assert "are not touched" in words_in(dialog)
    dialog.primary.click()
    bench.settle()
    # Nobody answers at its address.
    assert [getattr(error, "code", "") for error in errors] == ["box.unreachable"]
    errors.clear()


def test_what_a_drill_showed_is_told(bench: Bench, box: Box, errors: list[BaseException]) -> None:
    page = pick(bench)
    enter_drill(bench, box)
    bench.settle()
    words = words_in(page.detail.drills)
    assert "Frames before, during and after: 40, 0, 41" in words
    assert "2,346 ms" in words
    assert "Did not answer for 2.9 s" in words
    assert "Rows lost: 0" in words
    assert errors == []


def test_a_support_bundle_is_made(bench: Bench, box: Box, tmp_path: Path, errors: list[BaseException]) -> None:
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    page.session.tasks.report(RuntimeError("password=hunter2-hunter2 was refused"))
    errors.clear()
    bench.go("settings")
    bench.settle()
    dialog = page.support.ask()
    dialog.file.edit.setText("")
    dialog.primary.click()
    assert dialog.complaint
    dialog.file.edit.setText(str(tmp_path / "help.zip"))
    dialog.hide_names.setChecked(True)
    dialog.primary.click()
    bench.settle()
    with zipfile.ZipFile(tmp_path / "help.zip") as archive:
        assert "desktop/settings.json" in archive.namelist()
        told = archive.read("desktop/error.txt").decode()
        assert "hunter2" not in told
        assert "RuntimeError" in told
        assert "line-1" not in archive.read("boxes/001/known.json").decode()
    assert "Look through it" in words_in(page.support)
    assert errors == []
