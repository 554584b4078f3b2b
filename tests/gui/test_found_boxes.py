"""Looking for boxes in the window: what is found, what to do about it, and why one is missing."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QLabel

from app.fleet.reason_words import WORDS
from app.gui.pages.found_boxes import FoundBoxes
from app.gui.reason_texts import TEXTS
from app.gui.widgets import Button, OneLine
from app.usecases.finding import Found, ScanReport
from edge_runtime.contracts.finding import FoundBox, Reason
from tests.gui.conftest import Bench

A, B, C = "a" * 64, "b" * 64, "c" * 64


def texts_of(found: FoundBoxes) -> list[str]:
    return [one.text() for one in found.findChildren(QLabel) if one.text() and one.isVisibleTo(found)]


@pytest.fixture
def found(bench: Bench) -> FoundBoxes:
    widget = FoundBoxes(bench.session)
    bench.settle()
    return widget


def test_reasons_are_worded_as_on_the_command_line() -> None:
    assert TEXTS == WORDS


def test_what_is_found_and_what_is_offered(found: FoundBoxes) -> None:
    taken: list[str] = []
    codes: list[str] = []
    found.taken.connect(taken.append)
    found.code_offered.connect(codes.append)
    report = ScanReport(
        found=(
            Found(seen=FoundBox(box=A, name="line-1", addresses=("10.0.0.2:7443",), proved=True), known_as="line-1"),
            Found(seen=FoundBox(box=B, name="line-2", addresses=("[fe80::2%3]:7443",), proved=True, pair=7444)),
            Found(seen=FoundBox(box=C, name="line-3", addresses=("10.0.0.4:7443",), announced=True, enrolled=True)),
        ),
        reasons=(Reason(kind="interface-down", subject="eth1"),),
    )
    found._seen(report)
    words = texts_of(found)
    assert "line-1  ·  10.0.0.2:7443" in words
    assert "Enrolled on this desktop." in words
    assert "Only announced: its key does not answer there. Trusts another desktop. " in " ".join(words)
    assert "The interface eth1 is down." in words
    offers = [one for one in found.findChildren(Button) if one.isVisibleTo(found) and one is not found.look_again]
    assert [one.accessibleName() for one in offers] == ["Enter its code: line-2", "Take address: line-3"]
    for one in offers:
        one.click()
    assert (codes, taken) == (["[fe80::2%3]:7444"], ["10.0.0.4:7443"])


def test_what_is_not_known_and_who_else_announces_it(found: FoundBoxes) -> None:
    names = ("line-1", "EV\x1b[31mIL", *(f"other {number}" for number in range(9)))
    one = FoundBox(box=A, name="line-1", announced_as=names, addresses=("10.0.0.2:7443",), proved=True, pair=7444)
    other = FoundBox(box=B, name="line-2", addresses=("10.0.0.3:7443",), proved=True)
    found._seen(ScanReport(found=(Found(seen=one), Found(seen=other))))
    words = texts_of(found)
    assert (
        "Announced under other names, too: EV [31mIL, other 0, other 1. Not enrolled yet: it takes its one-time code."
        in words
    )
    assert "Not on this desktop's list. Whether it belongs to another site is not known." in words


def test_a_name_however_long_does_not_widen_the_list(found: FoundBoxes) -> None:
    one = Found(seen=FoundBox(box=A, name="W" * 200, addresses=("10.0.0.2:7443",), proved=True))
    found._seen(ScanReport(found=(one,)))
    found.resize(420, 600)
    found.show()
    assert found.minimumSizeHint().width() < 420
    (line,) = found.findChildren(OneLine)
    assert line.text().startswith("WW")
    assert line.text().endswith("10.0.0.2:7443")
    assert len(line.toolTip()) > 200
    found.hide()


def test_a_name_that_looks_like_markup_is_shown_as_it_is_written(found: FoundBoxes) -> None:
    name = "<b>box</b><img src='http://10.0.0.66/seen'>" + "W" * 150
    found._seen(ScanReport(found=(Found(seen=FoundBox(box=A, name=name, addresses=("10.0.0.2:7443",), proved=True)),)))
    found.resize(420, 600)
    found.show()
    (line,) = found.findChildren(OneLine)
    assert line.text().startswith("<b>")
    shown = QTextDocument()
    shown.setHtml(line.toolTip())
    assert shown.toPlainText() == f"{name}  ·  10.0.0.2:7443"
    found.hide()


def test_a_long_list_is_cut_and_says_so(found: FoundBoxes) -> None:
    many = tuple(
        Found(seen=FoundBox(box=f"{number:064x}", name=f"line-{number}", addresses=("10.0.0.2:7443",), proved=True))
        for number in range(50)
    )
    found._seen(ScanReport(found=many))
    assert "10 more: name the address of the one that you want." in texts_of(found)


def test_the_network_is_really_looked_at(found: FoundBoxes, bench: Bench) -> None:
    found.where.setText("127.0.0.1:1, 127.0.0.1/32")
    found.look()
    assert not found.look_again.isEnabled()
    bench.settle()
    assert found.look_again.isEnabled()
    assert "The machine at 127.0.0.1:1 answers, but no box listens on that port." in texts_of(found)


def test_a_wrong_subnet_is_told_in_place(found: FoundBoxes, bench: Bench, errors: list[BaseException]) -> None:
    found.where.setText("10.0.0.0/8")
    found.look()
    bench.settle()
    assert "at most 4096 are tried" in " ".join(texts_of(found))
    assert "Name a smaller part of it, or the box's own address." in " ".join(texts_of(found))
    assert errors == []
