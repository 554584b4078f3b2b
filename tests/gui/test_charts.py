"""What the charts compute before they draw."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from app.gui.charts import Chart, Mark, changes, rolling_mean, without_crowding
from app.gui.theme import Theme


def test_rolling_mean_is_shorter_at_the_beginning() -> None:
    assert rolling_mean([1.0, 3.0, 5.0, 7.0], window=2) == [1.0, 2.0, 4.0, 6.0]
    assert rolling_mean([]) == []


def test_changes_of_the_model() -> None:
    assert changes(["a", "a", "b", "b", "a"]) == [2, 4]


def test_words_of_close_marks_do_not_lie_on_each_other() -> None:
    marks = [Mark(50.0, "1.1.0", "ok"), Mark(10.0, "drift", "warn"), Mark(12.0, "drift", "warn")]
    assert [(mark.x, mark.text) for mark in without_crowding(marks, 100.0)] == [
        (10.0, "drift"),
        (12.0, ""),
        (50.0, "1.1.0"),
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chart_draws_lines_dots_and_marks(qtbot: QtBot, light: Theme, theme: str) -> None:
    light.choose("dark" if theme == "dark" else "light")
    chart = Chart("Loss by step")
    qtbot.addWidget(chart)
    chart.show()
    empty = chart.grab().toImage()
    line, dots = chart.add_line("accent"), chart.add_dots("muted")
    chart.set_line(line, [0, 1, 2], [2.0, 1.0, 0.5])
    chart.set_dots(dots, [0, 1, 2], [1.0, 1.5, 0.7])
    chart.set_marks([Mark(1.0, "1.1.0", "ok")])
    assert chart.grab().toImage() != empty
    chart.set_marks([])
    chart.set_line(line, [], [])
