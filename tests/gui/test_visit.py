"""A visit in the window: the plan, the pack, the record, the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from app.gui.pages.boxes import BoxesPage
from app.gui.pages.visit import VisitView
from app.gui.pages.visit_dialogs import VisitDialog
from app.usecases import boxes
from app.usecases.visits import recording
from app.usecases.visits.packfile import read_pack
from app.usecases.visits.verification import verify_report
from tests.gui.conftest import Bench


def boxes_page(bench: Bench) -> BoxesPage:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    return page


def words_in(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget))


@pytest.fixture
def view(full_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VisitView:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    full_bench.go("boxes")
    page = boxes_page(full_bench)
    page.visit_button.click()
    full_bench.settle()
    assert page.visit.isVisible()
    assert page.header.isHidden()
    return page.visit


def test_the_plan_names_every_box_and_what_it_lacks(full_bench: Bench, view: VisitView) -> None:
    words = words_in(view)
    plan = recording.plan_visit(full_bench.context)
    assert any(box.needs for box in plan.boxes)
    for box in plan.boxes:
        assert f"{box.name} · last seen" in words
    page = boxes_page(full_bench)
    view.back.click()
    assert page.header.isVisible()
    assert "Plan a visit" in [command.title for command in page.commands()]


def test_a_visit_from_the_plan_to_the_checked_report(full_bench: Bench, view: VisitView, tmp_path: Path) -> None:
    context = full_bench.context
    dialog = view.ask_to_pack()
    dialog.submit()
    assert dialog.complaint
    dialog.folder.edit.setText(str(tmp_path / "stick"))
    dialog.submit()
    full_bench.settle()
    assert read_pack(tmp_path / "stick").listed.site == context.site.site
    assert "Packed into" in words_in(view)

    taken = view.ask_to_open()
    taken.folder.edit.setText(str(tmp_path / "stick"))
    taken.submit()
    full_bench.settle()
    assert "Taken over from" in words_in(view)

    begin = view.ask_to_begin()
    begin.title.setText("Spring service")
    begin.pack.edit.setText(str(tmp_path / "stick"))
    begin.boxes.item(begin.boxes.count() - 1).setCheckState(Qt.CheckState.Unchecked)
    begin.submit()
    full_bench.settle()
    assert recording.open_visit(context) is not None
    assert not view.begin.isVisible()
    assert view.end.isVisible()

    assert view.plan is not None
    known = recording.get_visit(context, recording.open_visit(context) or "")
    assert len(known.begun.before) == len(view.plan.boxes) - 1, "the box that was not ticked is not in it"

    note = view.ask_for_note()
    note.submit()
    assert note.complaint
    note.text.setPlainText("Cleaned the lens.")
    note.box.setCurrentIndex(note.box.findData(boxes.list_boxes(context)[0].box))
    note.submit()
    full_bench.settle()
    view.receipts.click()
    full_bench.settle()
    view.end.click()
    full_bench.settle()
    (row,) = recording.list_visits(context)
    assert row.ended_ms is not None
    assert view.begin.isVisible()
    assert "Spring service" in words_in(view)

    view.readings[row.visit].click()
    full_bench.settle()
    (told,) = view.findChildren(VisitDialog)
    assert "Cleaned the lens." in words_in(told)
    told.submit()

    view.reports[row.visit].click()
    report = view.ask_for_report(row)
    report.file.edit.setText(str(tmp_path / "report.txt"))
    report.submit()
    assert report.complaint
    report.file.edit.setText(str(tmp_path / "report.html"))
    report.submit()
    full_bench.settle()
    assert verify_report(tmp_path / "report.html", context).visit == row.visit
    assert view.open_report.isVisible()
    assert view.report == tmp_path / "report.html"

    check = view.ask_to_check()
    check.file.edit.setText(str(tmp_path / "report.html"))
    check.submit()
    full_bench.settle()
    assert not view.open_report.isVisible()
    assert "Nothing was changed in the report of Spring service" in words_in(view)


def test_a_bent_report_and_a_missing_pack_reach_the_dialog(
    full_bench: Bench, view: VisitView, tmp_path: Path, errors: list[BaseException]
) -> None:
    (tmp_path / "report.html").write_text("no report")
    view._check(tmp_path / "report.html")
    view._open(tmp_path / "nothing")
    full_bench.settle()
    assert {getattr(error, "code", "") for error in errors} == {"report.tampered", "item.not-found"}


def test_a_site_without_boxes_says_so(bench: Bench) -> None:
    page = boxes_page(bench)
    page.plan_visit()
    bench.settle()
    assert page.visit.isVisible()
    assert "No box is enrolled yet." in words_in(page.visit)
    assert not page.visit.begin.isEnabled()
    page.show_list()
    assert page.is_empty
