"""Paged tables over a real database."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from app.context import Context
from app.gui.tables import PAGE, Column, DataTable, PagedModel
from app.gui.tasks import Tasks
from app.store.records import Activity, Page
from app.store.writer import Writer
from app.usecases import activity

ROWS = 10_500


def _write(context: Context, count: int) -> None:
    def work(writer: Writer) -> None:
        for number in range(count):
            writer.activity("test.row", "", f"Row {number}.")

    context.database.write(work)


def _model(context: Context, tasks: Tasks) -> PagedModel[Activity]:
    return PagedModel(
        (
            Column[Activity](title="No.", text=lambda one: str(one.seq), number=True, width=80),
            Column[Activity](title="Message", text=lambda one: one.message, stretch=True),
            Column[Activity](title="Who", text=lambda one: one.who, width=400, spare=1),
        ),
        lambda cursor, limit: activity.page_activity(context, cursor, limit),
        lambda one: str(one.seq),
        tasks,
    )


def test_model_keeps_qts_rules(qtbot: QtBot, site: Context, tasks: Tasks, qtmodeltester: ModelTester) -> None:
    _write(site, PAGE + 20)
    model = _model(site, tasks)
    qtmodeltester.check(model)
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle and model.rowCount() == PAGE + 21)
    _write(site, 3)
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle and model.rowCount() == PAGE + 24)


def test_pages_of_a_long_table(qtbot: QtBot, site: Context, tasks: Tasks) -> None:
    _write(site, ROWS)
    model = _model(site, tasks)
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle)
    assert model.rowCount() == PAGE
    model.fetchMore(QModelIndex())
    qtbot.waitUntil(lambda: tasks.idle)
    assert model.rowCount() == 2 * PAGE
    seqs = [row.seq for row in model.rows]
    assert seqs == sorted(seqs, reverse=True)
    while model.canFetchMore():
        model.fetchMore(QModelIndex())
        qtbot.waitUntil(lambda: tasks.idle)
    assert model.rowCount() == ROWS + 1
    assert model.rows[-1].seq == 1


def test_reload_keeps_the_picked_row_and_fetches_only_what_is_in_sight(
    qtbot: QtBot, site: Context, tasks: Tasks
) -> None:
    _write(site, 1_000)
    model = _model(site, tasks)
    table = DataTable(model, "Rows")
    qtbot.addWidget(table)
    table.resize(700, 400)
    table.show()
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle and model.rowCount() == PAGE)
    for _ in range(5):
        model.fetchMore(QModelIndex())
        qtbot.waitUntil(lambda: tasks.idle)
    assert model.rowCount() == 6 * PAGE
    table.selectRow(3)
    picked = table.record
    resets: list[bool] = []
    model.modelReset.connect(lambda: resets.append(True))
    _write(site, 2)
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle and model.rows[0].message == "Row 1.")
    assert table.record == picked
    assert table.currentIndex().row() == 5
    assert not resets
    assert model.rowCount() <= 3 * PAGE


def test_rows_that_leave_and_change(qtbot: QtBot, tasks: Tasks) -> None:
    rows = [("a", 1), ("b", 1), ("c", 1), ("d", 1)]
    model: PagedModel[tuple[str, int]] = PagedModel(
        (Column[tuple[str, int]](title="Key", text=lambda row: row[0]),),
        lambda _cursor, _limit: Page(rows=tuple(rows)),
        lambda row: row[0],
        tasks,
    )
    changed: list[tuple[int, int]] = []
    resets: list[bool] = []
    model.dataChanged.connect(lambda first, last: changed.append((first.row(), last.row())))
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle)
    model.modelReset.connect(lambda: resets.append(True))
    rows[:] = [("x", 1), ("a", 1), ("y", 1), ("c", 2), ("d", 1), ("z", 1)]
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle)
    assert list(model.rows) == rows
    assert changed == [(3, 3)]
    assert not resets
    rows.reverse()
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle)
    assert list(model.rows) == rows
    assert resets


def test_narrow_table_hides_spare_columns(qtbot: QtBot, site: Context, tasks: Tasks) -> None:
    table = DataTable(_model(site, tasks), "Rows")
    qtbot.addWidget(table)
    table.resize(420, 300)
    table.show()
    assert table.isColumnHidden(2)
    table.resize(900, 300)
    assert not table.isColumnHidden(2)


def test_failing_question_is_shown_and_asked_again(qtbot: QtBot, tasks: Tasks, errors: list[BaseException]) -> None:
    answers: list[Page[str]] = []

    def fetch(_cursor: str | None, _limit: int) -> Page[str]:
        if not answers:
            raise OSError("not yet")
        return answers[0]

    model: PagedModel[str] = PagedModel((Column[str](title="Key", text=str),), fetch, lambda row: row, tasks)
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle)
    assert [type(error) for error in errors] == [OSError]
    answers.append(Page(rows=("one",)))
    model.reload()
    qtbot.waitUntil(lambda: tasks.idle)
    assert list(model.rows) == ["one"]
