"""The configuration of a box in the window: shown, edited with errors beside the button, and gone back to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QWidget

from app.gui.pages.boxes import BoxesPage
from app.usecases import box_config, boxes
from tests.fakes.running_box import RunningBox
from tests.gui.conftest import Bench


def words_in(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget))


def until(bench: Bench, holds: Callable[[], object]) -> None:
    bench.qtbot.waitUntil(lambda: bool(holds()), timeout=60_000)


@pytest.fixture
def box(bench: Bench, tmp_path: Path) -> Iterator[RunningBox]:
    box = RunningBox(tmp_path, "press-1", more="# rtsp://admin:hunter2@10.0.0.7/\n")
    box.start()
    try:
        boxes.enrol_local(bench.context, box.home)
        boxes.refresh(bench.context)
        yield box
    finally:
        box.kill()


def pick(bench: Bench) -> BoxesPage:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    bench.go("boxes")
    bench.settle()
    return page


def test_a_configuration_is_edited_tried_and_gone_back_to(bench: Bench, box: RunningBox) -> None:
    panel = pick(bench).detail.configuration
    assert "Version 1 counts." in words_in(panel)
    dialog = panel.ask_to_edit()
    assert dialog is not None
    until(bench, dialog.text.toPlainText)
    shown = dialog.text.toPlainText()
    assert "rtsp://…@10.0.0.7/" in shown
    assert "hunter2" not in shown

    # A mistake is named by its line, which is marked, and nothing was changed.
    dialog.text.setPlainText(shown + "keep_most = 1\n")
    dialog.primary.click()
    until(bench, lambda: dialog.complaint)
    assert "keep_most: there is no such field" in dialog.complaint
    assert dialog.text.textCursor().selectedText() == "keep_most = 1"
    assert dialog.isVisible()

    dialog.text.setPlainText(shown + "keep_random = 0.5\n")
    dialog.primary.click()
    until(bench, lambda: "Version 2 counts." in words_in(panel))
    stands = (box.home / "edge.toml").read_text()
    assert stands.endswith("# rtsp://admin:hunter2@10.0.0.7/\nkeep_random = 0.5\n")

    versions = panel.ask_to_return()
    assert versions is not None
    until(bench, lambda: versions.text.toPlainText())
    assert not versions.primary.isEnabled(), "it is in force already"
    versions.version.setCurrentIndex(1)
    until(bench, lambda: versions.text.toPlainText() == shown)
    assert "found on the box" in words_in(versions)
    versions.primary.click()
    until(bench, lambda: "Version 3 counts." in words_in(panel))
    assert "keep_random = 0.5" not in (box.home / "edge.toml").read_text()
    told = box_config.read_config(bench.context, "press-1").versions[-1]
    assert (told.origin, told.of) == ("returned-to", 1)


def test_an_edit_on_the_box_in_between_is_not_overwritten(bench: Bench, box: RunningBox) -> None:
    panel = pick(bench).detail.configuration
    dialog = panel.ask_to_edit()
    assert dialog is not None
    until(bench, dialog.text.toPlainText)
    edge_toml = box.home / "edge.toml"
    by_hand = edge_toml.read_text() + "# mind the gap\n"
    edge_toml.write_text(by_hand)
    dialog.text.appendPlainText("keep_random = 0.5\n")
    dialog.primary.click()
    until(bench, lambda: dialog.complaint)
    assert "is not the one that was changed" in dialog.complaint
    assert edge_toml.read_text() == by_hand
    dialog.reject()


def test_a_box_that_does_not_answer_says_so_and_can_be_asked_again(bench: Bench, box: RunningBox) -> None:
    page = pick(bench)
    box.kill()
    for dialog in (page.detail.configuration.ask_to_edit(), page.detail.configuration.ask_to_return()):
        assert dialog is not None
        until(bench, lambda: dialog.complaint)  # noqa: B023 - asked in this round
        dialog.complain("")
        dialog.primary.click()
        until(bench, lambda: dialog.complaint)  # noqa: B023 - asked in this round
        dialog.reject()
