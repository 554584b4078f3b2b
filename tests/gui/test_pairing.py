"""Adding a box with its one-time code, with a real box behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.gui.pages.boxes import BoxesPage
from app.gui.widgets import Button
from app.usecases import boxes
from app.usecases.finding import Found
from edge_runtime.contracts.finding import FoundBox
from tests.fakes.imaged_box import imaged_box
from tests.gui.conftest import Bench


def page_of(bench: Bench) -> BoxesPage:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    return page


def test_a_box_is_added_with_its_code(bench: Bench, tmp_path: Path, errors: list[BaseException]) -> None:
    page = page_of(bench)
    with imaged_box(tmp_path) as box:
        dialog = page.add_box()
        bench.settle()
        host, port = box.address.split(":")
        seen = FoundBox(box=box.facts.box, name="line-9", addresses=(f"{host}:7443",), announced=True, pair=int(port))
        entry = dialog.found._entry(Found(seen=seen))
        (button,) = entry.findChildren(Button)
        assert button.text() == "Enter its code"
        button.click()
        assert dialog.way.value == "code"
        assert dialog.pairing_address.text() == box.address
        assert dialog.code.isVisible()
        assert not dialog.folder.isVisible()

        dialog.submit()
        assert "Type the code" in dialog.complaint
        for typed, complaint in (("no code", "8 letters"), (box.wrong_code(), "2 tries are left")):
            dialog.code.setText(typed)
            dialog.primary.click()
            bench.settle()
            assert complaint in dialog.complaint
            assert dialog.primary.isEnabled()
        assert boxes.list_boxes(bench.context) == []

        dialog.code.setText(box.code.lower())
        dialog.primary.click()
        bench.settle()
        (added,) = boxes.list_boxes(bench.context)
        assert (added.box, added.name, added.problem) == (box.facts.box, "line-9", None)
        assert page.model.rowCount() == 1
        assert errors == []


@pytest.mark.parametrize("way", ["folder", "code"])
def test_each_way_shows_its_own_fields(bench: Bench, way: str) -> None:
    dialog = page_of(bench).add_box()
    dialog.offer("192.0.2.7:7444") if way == "code" else dialog._take("192.0.2.7:7443")
    bench.settle()
    assert dialog.code.isVisible() == dialog.pairing_address.isVisible() == (way == "code")
    assert dialog.folder.isVisible() == dialog.address.isVisible() == (way == "folder")
    dialog.reject()


def test_a_code_without_an_address_asks_for_it(bench: Bench) -> None:
    dialog = page_of(bench).add_box()
    dialog.offer("")
    dialog.code.setText("7K3M-X9PD")
    dialog.submit()
    assert "where the box is" in dialog.complaint
    dialog.reject()
