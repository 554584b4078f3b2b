"""A wrong clock, a copied box, a broken chain: the window tells of them, and mends what can be after a question."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QWidget

from app.context import Context
from app.gui import formats
from app.gui.box_words import kind_state
from app.gui.pages.activity import ActivityPage
from app.gui.pages.box_clones import CloneDialog, NewIdentity
from app.gui.pages.boxes import BoxesPage
from app.gui.widgets import Button
from app.store import boxes as box_store
from app.store import sightings, spool
from app.store.records import Box, Heard, Sighting
from app.usecases import boxes, clones
from app.usecases.clone_rules import Clone
from app.usecases.clones import Begun
from edge_runtime.contracts.audit_chain import ChainHead, seal
from edge_runtime.contracts.errors import BoxUnreachable
from edge_runtime.contracts.renewal import NewIdentity as Prepared
from edge_runtime.contracts.rows import AuditRow
from tests.fakes.clones import Machine, make_machine
from tests.gui.conftest import Bench
from tests.gui.filling import add_box, digest


def boxes_page(bench: Bench) -> BoxesPage:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    return page


def words_in(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget))


def seen(bench: Bench, box: Box, *, skew_ms: float, address: str = "127.0.0.1:1", boot: str = "b1") -> None:
    database = bench.context.database
    known = box_store.get_box(database, box.box)
    assert known.status is not None
    heard = Heard(address=address, asked=sightings.count_sightings(database), skew_ms=skew_ms, skew_error_ms=2.0)
    if address == known.address:
        box_store.set_status(database, box.box, status=known.status, seen_ms=1, heard=heard)
    else:
        sightings.note_elsewhere(database, replace(known.status, boot=boot), heard)


def add_audits(bench: Bench, box: Box, count: int) -> None:
    rows: list[AuditRow] = []
    for entry in range(1, count + 1):
        row = AuditRow(
            box=box.box, boot="sealed", seq=entry, at_ms=entry, kind="clock.set", who="box", message=f"{entry}."
        )
        rows.append(seal(row, entry=entry, previous=rows[-1].chain if rows else digest("beginning")))
    end = ChainHead(beginning=digest("beginning"), entry=count, digest=rows[-1].chain)
    spool.collect(bench.context.database, "audits", rows, count, box.box, chain=end)


@pytest.fixture
def box(bench: Bench, tmp_path: Path) -> Box:
    return add_box(bench.context, tmp_path, "line-1")


def test_a_wrong_clock_is_told_of_and_set_only_after_a_question(bench: Bench, box: Box) -> None:
    page = boxes_page(bench)
    seen(bench, box, skew_ms=-3_000.0)
    bench.go("boxes")
    bench.settle()
    panel = page.detail.clock
    assert "Its clock is right: 3 s behind this one." in words_in(panel)
    assert not panel.set_clock.isVisible()
    assert panel.ask_to_set() is None
    seen(bench, box, skew_ms=12.4)
    bench.settle()
    assert "Its clock is right: 12 ms ahead of this one." in words_in(panel)
    seen(bench, box, skew_ms=-3 * 3_600_000.0)
    bench.settle()
    assert panel.isVisible()
    assert "Its clock is 3 h 00 min behind this desktop's." in words_in(panel)
    assert "Set the clock of line-1…" in [command.title for command in page.commands()]
    dialog = panel.ask_to_set()
    assert dialog is not None
    assert "line-1: 3 h 00 min behind this desktop's clock" in words_in(dialog)
    assert dialog.cancel.isDefault()
    dialog.reject()
    seen(bench, box, skew_ms=1.8e12)
    bench.settle()
    assert "20,833 days ahead of" in words_in(panel)


def test_a_clock_that_the_system_does_not_let_be_set_is_told_of(bench: Bench, box: Box) -> None:
    known = box_store.get_box(bench.context.database, box.box).status
    assert known is not None
    box_store.set_status(bench.context.database, box.box, status=replace(known, sets_clock=False), seen_ms=1)
    seen(bench, box, skew_ms=-3 * 3_600_000.0)
    bench.go("boxes")
    bench.settle()
    panel = boxes_page(bench).detail.clock
    assert "set it at the box, as root" in words_in(panel)
    assert not panel.set_clock.isVisible()
    assert panel.ask_to_set() is None
    assert not any("Set the clock" in command.title for command in boxes_page(bench).commands())


def test_boxes_that_are_off_by_the_same_accuse_the_desktop(bench: Bench, box: Box, tmp_path: Path) -> None:
    other = add_box(bench.context, tmp_path / "other", "line-2")
    seen(bench, box, skew_ms=-3 * 3_600_000.0)
    seen(bench, other, skew_ms=0.0)
    bench.go("boxes")
    bench.settle()
    panel = boxes_page(bench).detail.clock
    boxes_page(bench).pick(box.box)
    bench.settle()
    assert "this desktop's clock is wrong" not in words_in(panel)
    seen(bench, other, skew_ms=-3 * 3_600_000.0 + 800)
    bench.settle()
    assert "rather this desktop's clock is wrong" in words_in(panel)
    dialog = panel.ask_to_set()
    assert dialog is not None
    assert "rather this desktop's clock is wrong" in words_in(dialog)
    dialog.reject()


def test_no_moment_is_too_wrong_to_be_shown() -> None:
    for at_ms in (2**62, -(2**62), 10**30):
        assert formats.clock(at_ms) == f"{at_ms} ms"
    assert formats.clock(-1_000_000_000_000).startswith("1938-04-2")


def test_two_machines_with_one_key_are_told_of(bench: Bench, box: Box) -> None:
    page = boxes_page(bench)
    bench.go("boxes")
    seen(bench, box, skew_ms=0)
    seen(bench, box, skew_ms=0, address="127.0.0.2:7443", boot="b2")
    bench.settle()
    assert not page.notice.isVisible()
    seen(bench, box, skew_ms=0)
    bench.settle()
    assert page.notice.isVisible()
    assert "two machines answer with one key" in words_in(page.notice)


def side(box: str, address: str, **marks: str) -> Sighting:
    given = {"boot": "b1", "machine": "", "host_key": "", "kernel_boot": "", **marks}
    return Sighting(
        box=box, address=address, first_asked=0, first_heard=1, last_asked=0, last_heard=1, last_ms=1, **given
    )


def test_they_stand_side_by_side(bench: Bench, box: Box) -> None:
    dialog = CloneDialog(bench.session, bench.window)
    bench.settle()
    assert "No box has been copied" in words_in(dialog)
    one = Clone(
        marks=("key",), proved=True, sides=(side(box.box, "10.0.0.2:7443"), side(box.box, "10.0.0.9:7443", boot="b2"))
    )
    two = Clone(
        marks=("machine", "host-key"),
        proved=False,
        sides=(
            side(box.box, "10.0.0.2:7443", machine=digest("m"), host_key="SHA256:abc"),
            side(digest("other"), "10.0.0.3:7443", machine=digest("m"), host_key="SHA256:abc"),
        ),
    )
    dialog.show_clones((one, two), [box])
    words = words_in(dialog)
    assert "One key on 2 machines" in words
    assert "One machine-id or SSH host key under 2 keys" in words
    assert "systemd-machine-id-setup" in words
    assert "10.0.0.9:7443" in words
    offers = [button for button in dialog.findChildren(Button) if "new identity" in button.text()]
    assert len(offers) == 2, "a new key is of no use where each has its own"
    asked = dialog.ask_to_renew(one.sides[1], "line-1")
    assert asked.name.text() == "line-1-2"
    asked.name.setText(" ")
    asked.submit()
    assert asked.complaint
    asked.reject()
    dialog.reject()


@pytest.fixture
def pair(bench: Bench, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    one = make_machine(tmp_path / "one", "press-1")
    one.start()
    boxes.enrol_local(bench.context, one.home)
    one.stop()
    two = one.copy(tmp_path / "two")
    one.start()
    two.start()
    boxes.enrol_local(bench.context, one.home)
    try:
        yield one, two
    finally:
        one.kill()
        two.kill()


def test_the_copy_is_given_a_new_identity_from_the_window(
    bench: Bench, pair: tuple[Machine, Machine], errors: list[BaseException]
) -> None:
    one, two = pair
    page = boxes_page(bench)
    context = bench.context
    sightings.note_key(context.database, boxes.get_box(context, "press-1").box, (one.address, two.address))
    dialog = page.notice.open_comparison()
    bench.settle()
    offers = {button.accessibleName(): button for button in dialog.findChildren(Button)}
    (offer,) = [name for name in offers if name.endswith(two.address)]
    offers[offer].click()
    (asked,) = dialog.findChildren(NewIdentity)
    asked.primary.click()
    bench.settle()
    assert {known.name for known in boxes.list_boxes(context)} == {"press-1", "press-1-2"}
    assert clones.known_clones(context) == ()
    assert "No box has been copied" in words_in(dialog)
    assert errors == []
    dialog.accept()


def test_a_renewal_of_which_the_last_word_was_lost_is_ended_in_the_window(
    bench: Bench, pair: tuple[Machine, Machine], errors: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has its new identity by then: nothing looks like a clone any more."""
    _one, two = pair
    page, context = boxes_page(bench), bench.context
    box = boxes.get_box(context, "press-1").box
    with monkeypatch.context() as patched:
        patched.setattr(clones, "_has_taken", lambda *_where: (_ for _ in ()).throw(BoxUnreachable("cut off")))
        with pytest.raises(BoxUnreachable):
            clones.renew(context, box, two.address, new_name="press-2")
    (begun,) = clones.begun_renewals(context)
    assert (begun.box, begun.address, begun.name) == (box, two.address, "press-2")
    bench.go("boxes")
    page.notice.reload()
    bench.settle()
    assert "last word was not heard" in words_in(page.notice)
    dialog = page.notice.open_comparison()
    bench.settle()
    (offer,) = [button for button in dialog.findChildren(Button) if button.text() == "Go on"]
    offer.click()
    bench.settle()
    assert {known.name for known in boxes.list_boxes(context)} == {"press-1", "press-2"}
    assert clones.begun_renewals(context) == ()
    assert "No box has been copied" in words_in(dialog)
    assert dialog.complaint == ""
    assert errors == []
    dialog.accept()


def test_while_a_renewal_is_ended_nothing_else_is_begun_and_the_dialog_can_be_closed(
    bench: Bench, box: Box, errors: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, begun, over = "10.0.0.9:7443", list[str](), threading.Event()
    new = Prepared(box=digest("new"), name="copy", certificate="")
    half = [Begun(request="0" * 32, box=box.box, address=address, name="copy", new=new)]

    def renew(_ctx: Context, _name: str, where: str, *, new_name: str | None) -> Box:
        begun.append(where)
        assert over.wait(60)
        half.clear()
        return box

    monkeypatch.setattr(clones, "renew", renew)
    monkeypatch.setattr(clones, "begun_renewals", lambda _ctx: tuple(half))
    page = boxes_page(bench)
    bench.go("boxes")
    page.notice.reload()
    bench.settle()
    dialog = page.notice.open_comparison()
    bench.settle()
    assert not dialog.cancel.isVisible()
    (offer,) = [button for button in dialog.findChildren(Button) if button.text() == "Go on"]
    try:
        offer.click()
        bench.qtbot.waitUntil(lambda: bool(begun), timeout=60_000)
        assert not offer.isEnabled()
        assert not dialog.ask_again.isEnabled()
        offer.click()
        dialog.ask_again.click()
        dialog.go_on(half[0])
        assert (dialog.cancel.isVisible(), dialog.cancel.text()) == (True, "Close")
        dialog.cancel.click()
        assert not dialog.isVisible()
        assert page.notice.open_comparison() is dialog
        assert dialog.isVisible()
        assert not offer.isEnabled()
    finally:
        over.set()
    bench.settle()
    assert begun == [address]
    assert "No box has been copied" in words_in(dialog)
    assert (dialog.cancel.isVisible(), dialog.ask_again.isEnabled()) == (False, True)
    assert errors == []
    dialog.accept()


def test_one_that_did_not_get_there_is_forgotten_in_the_window(
    bench: Bench, box: Box, errors: list[BaseException]
) -> None:
    address, context = "10.0.0.9:7443", bench.context
    begun = Begun(request="0" * 32, box=box.box, address=address, name="copy")
    clones._write_begun(clones._begun_path(context, box, address), begun)
    page = boxes_page(bench)
    bench.go("boxes")
    page.notice.reload()
    bench.settle()
    assert "did not get there" in words_in(page.notice)
    dialog = page.notice.open_comparison()
    bench.settle()
    (offer,) = [button for button in dialog.findChildren(Button) if button.text() == "Forget that"]
    offer.click()
    bench.settle()
    assert clones.begun_renewals(context) == ()
    assert "No box has been copied" in words_in(dialog)
    assert errors == []
    dialog.accept()


def test_the_chains_of_boxes_are_verified_on_both_pages(bench: Bench, box: Box, errors: list[BaseException]) -> None:
    add_audits(bench, box, 5)
    page = bench.window.pages["activity"]
    assert isinstance(page, ActivityPage)
    bench.go("activity")
    page.verify.click()
    bench.settle()
    assert "line-1" in words_in(page.boxes)
    assert "As it came" in words_in(page.boxes)
    assert page.verdict.accessibleName() == "Not witnessed"
    with closing(sqlite3.connect(bench.context.database.path)) as database, database:
        database.execute("DELETE FROM audits WHERE entry = 2")
    page.verify.click()
    bench.settle()
    assert page.verdict.accessibleName() == "Broken"
    assert "Entry 2 was removed." in words_in(page.boxes)
    assert errors == [], "the desktop's own chain is whole"

    bench.go("boxes")
    boxes_page(bench).look_back("audits")
    bench.settle()
    bar = boxes_page(bench).history.chain
    assert not bar.verdict.isVisible()
    bar.verify.click()
    bench.settle()
    assert bar.verdict.accessibleName() == "Broken"
    assert "Entry 2 was removed." in bar.words.text()


def test_the_new_audits_have_words() -> None:
    assert kind_state("clock.set").word == "Clock set"
    assert kind_state("identity.renewed").word == "New identity"
