"""Desktops and keys in the window: real keys, real files, and the plain words around them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.context import Context
from app.gui.dialogs import FormDialog
from app.gui.i18n import Translations
from app.gui.pages.key_dialogs import AdmitDesktop, ExportRoot, KeyDialog, ReplaceRoot, StrikeOff
from app.gui.pages.settings import SettingsPage
from app.gui.tasks import Tasks
from app.gui.theme import Theme
from app.gui.wizard import Wizard
from app.store import boxes as box_store
from app.usecases import boxes, joining, trust
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.enrolment import read_address
from tests.fakes.running_box import RunningBox
from tests.gui.conftest import Bench
from tests.gui.filling import PASSPHRASE
from tests.gui.test_window import assert_nothing_cut, inputs


def settings(bench: Bench) -> SettingsPage:
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    return page


def submit(bench: Bench, dialog: KeyDialog, passphrase: str) -> None:
    dialog.passphrase.setText(passphrase)
    dialog.primary.click()
    bench.settle()


def test_a_desktop_is_admitted_and_struck_off_again(bench: Bench, tmp_path: Path, errors: list[BaseException]) -> None:
    page = settings(bench)
    assert page.keys.known is not None
    assert [row.here for row in page.keys.known.desktops] == [True]
    request = joining.request_join(tmp_path / "second", tmp_path / "second.request", name="second")
    dialog = page.keys.ask_admit()
    assert isinstance(dialog, AdmitDesktop)
    dialog.primary.click()
    assert "request first" in dialog.complaint
    dialog.request.edit.setText(str(tmp_path / "second.request"))
    dialog.request.changed.emit()
    assert request.fingerprint in dialog.fingerprint.text()
    proposed = dialog.admission.path
    dialog.admission.edit.clear()
    submit(bench, dialog, PASSPHRASE)
    assert "where to write" in dialog.complaint
    dialog.admission.edit.setText(str(tmp_path))
    submit(bench, dialog, PASSPHRASE)
    assert "is a folder" in dialog.complaint
    dialog.admission.edit.setText(proposed)
    submit(bench, dialog, "a wrong passphrase")
    assert "was not opened" in dialog.complaint
    assert bench.context.roots().version == 1
    submit(bench, dialog, PASSPHRASE)
    assert [row.name for row in page.keys.known.desktops if not row.here] == ["second"]
    number = page.keys.known.site_number
    joining.join(tmp_path / "second", tmp_path / "second.admission", number=number).close()
    second = next(row for row in page.keys.known.desktops if not row.here)
    strike = page.keys.ask_strike_off(second)
    assert isinstance(strike, StrikeOff)
    submit(bench, strike, PASSPHRASE)
    assert [row.here for row in page.keys.known.desktops] == [True]
    assert bench.context.roots().version == 3
    assert errors == []


class Slow(FormDialog):
    """Works until it is told to end."""

    def __init__(self, tasks: Tasks, parent: QWidget, outcome: Callable[[], None]) -> None:
        super().__init__("Slow", "", "Work", parent)
        self._tasks, self._outcome = tasks, outcome
        self.may_end = threading.Event()
        self.done_with: list[bool] = []

    def submit(self) -> None:
        def work() -> bool:
            self.may_end.wait(60)
            self._outcome()
            return True

        self.attempt(self._tasks, work, self._done)

    def _done(self, result: bool) -> None:
        self.done_with.append(result)
        self.accept()


@pytest.mark.parametrize("how", ["button", "frame"])
def test_work_that_nothing_stops_has_no_cancel_and_who_closes_it_is_told_of_the_end(
    bench: Bench, qtbot: QtBot, errors: list[BaseException], how: str
) -> None:
    def refuse() -> None:
        raise InputInvalid("It cannot be so.")

    for outcome in (refuse, lambda: None):
        dialog = Slow(bench.session.tasks, bench.window, outcome)
        dialog.open()
        assert dialog.cancel.text() == "Cancel"
        dialog.primary.click()
        assert (dialog.cancel.text(), dialog.primary.isEnabled()) == ("Close", False)
        assert any("does not stop it" in one.text() for one in dialog.findChildren(QLabel) if one.isVisible())
        if how == "button":
            dialog.cancel.click()
        else:
            dialog.close()
        assert not dialog.isVisible()
        dialog.may_end.set()
        if outcome is refuse:
            qtbot.waitUntil(dialog.isVisible, timeout=60_000)
            assert (dialog.complaint[:17], dialog.cancel.text()) == ("It cannot be so. ", "Cancel")
            dialog.cancel.click()
        else:
            made = dialog.done_with
            qtbot.waitUntil(partial(made.__eq__, [True]), timeout=60_000)
    assert errors == []


def test_the_root_key_is_exported_and_replaced(bench: Bench, tmp_path: Path, errors: list[BaseException]) -> None:
    page = settings(bench)
    export = page.keys.ask_export()
    assert isinstance(export, ExportRoot)
    submit(bench, export, PASSPHRASE)
    assert "where to write" in export.complaint
    export.file.edit.setText(str(tmp_path / "safe.json"))
    submit(bench, export, PASSPHRASE)
    assert (tmp_path / "safe.json").stat().st_mode & 0o777 == 0o600
    fresh = page.keys.ask_replace()
    assert isinstance(fresh, ReplaceRoot)
    fresh.root_key.edit.setText(str(tmp_path / "safe.json"))
    fresh.fresh.setText("another passphrase")
    submit(bench, fresh, PASSPHRASE)
    assert "differ" in fresh.complaint
    fresh.again.setText("another passphrase")
    submit(bench, fresh, PASSPHRASE)
    assert page.keys.known is not None
    assert page.keys.known.root == 2
    assert page.keys.known.root_key_replaced
    new_keys = page.keys.ask_new_keys()
    assert new_keys.root_key.path == "", "one that signs nothing is not proposed"
    new_keys.root_key.edit.setText(str(bench.context.places.root_key))
    submit(bench, new_keys, PASSPHRASE)
    assert "not the one that signs" in new_keys.complaint
    new_keys.root_key.edit.setText(str(tmp_path / "safe.json"))
    submit(bench, new_keys, "another passphrase")
    assert page.keys.known.root == 3
    assert [row.fingerprint for row in page.keys.known.desktops] == [bench.context.identity.fingerprint]
    assert errors == []


def test_boxes_that_a_recovery_did_not_reach_are_told_and_introduced_later(
    qtbot: QtBot,
    light: Theme,
    english: Translations,
    tasks: Tasks,
    site: Context,
    tmp_path: Path,
    errors: list[BaseException],
) -> None:
    """A real box that is off while its site is recovered."""
    box = RunningBox(tmp_path, "press-4")
    box.start()
    try:
        enrolled = boxes.enrol_local(site, box.home)
        export = tmp_path / "safe.json"
        trust.export_root(site, export, root_key=site.places.root_key, passphrase=PASSPHRASE)
        box.stop()
        wizard = Wizard(tmp_path / "new", tasks)
        qtbot.addWidget(wizard)
        wizard.show()
        made: list[Context] = []
        wizard.created.connect(made.append)
        recover = wizard.ask_recover()
        recover.file.edit.setText(str(export))
        recover.passphrase.setText(PASSPHRASE)
        recover.primary.click()
        qtbot.waitUntil(lambda: recover.left is not None, timeout=60_000)
        assert recover.left is not None
        assert "press-4" in recover.left.text()
        assert not made
        assert_nothing_cut(recover)
        recover.primary.click()
        qtbot.waitUntil(lambda: bool(made))
        bench = Bench(qtbot, made.pop(), tasks)
        page = settings(bench)
        assert page.keys.known is not None
        assert page.keys.known.pending == ("press-4",)
        assert not page.keys.introduce.isHidden()
        introduce = page.keys.ask_introduce()
        introduce.root_key.edit.setText(str(export))
        submit(bench, introduce, PASSPHRASE)
        assert "press-4" in introduce.complaint
        box.start()
        box_store.set_status(bench.context.database, enrolled.box, address=read_address(box.home))
        submit(bench, introduce, PASSPHRASE)
        qtbot.waitUntil(lambda: page.keys.known is not None and not page.keys.known.pending, timeout=60_000)
        assert page.keys.introduce.isHidden()
        assert boxes.refresh(bench.context)[0].problem is None
        assert errors == []
        bench.session.close()
        bench.context.close()
    finally:
        box.stop()


def test_a_date_is_confirmed_in_the_window(bench: Bench, errors: list[BaseException]) -> None:
    page = settings(bench)
    known = page.keys.known
    assert known is not None
    assert page.keys.date.isHidden()
    page.keys.show_trust(replace(known, date_doubt="It is late."))
    assert not page.keys.date.isHidden()
    signed = bench.context.repository().signed_s
    dialog = page.keys.ask_date()
    dialog.primary.click()
    bench.settle()
    assert bench.context.repository().signed_s > signed
    assert page.keys.date.isHidden()
    assert errors == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_dialogs_of_keys_have_names_and_cut_nothing(bench: Bench, english: Translations, language: str) -> None:
    english.use("zh" if language == "zh" else "en")
    page = settings(bench)
    assert page.keys.known is not None
    for dialog in (
        page.keys.ask_admit(),
        page.keys.ask_export(),
        page.keys.ask_new_keys(),
        page.keys.ask_replace(),
        page.keys.ask_strike_off(page.keys.known.desktops[0]),
        page.keys.ask_introduce(),
        page.keys.ask_date(),
    ):
        bench.settle()
        assert_nothing_cut(dialog)
        assert all(one.accessibleName() for one in inputs(dialog))
        dialog.reject()


def test_a_new_desktop_joins_and_another_recovers_from_the_first_page(
    qtbot: QtBot, light: Theme, english: Translations, tasks: Tasks, site: Context, tmp_path: Path
) -> None:
    wizard = Wizard(tmp_path / "second", tasks)
    qtbot.addWidget(wizard)
    wizard.show()
    made: list[Context] = []
    wizard.created.connect(made.append)
    join = wizard.ask_join()
    join.name.setText("second")
    join.request.edit.setText(str(tmp_path / "r"))
    qtbot.mouseClick(join.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tasks.idle)
    request = trust.read_request(tmp_path / "r")
    assert request.fingerprint in join.fingerprint.text()
    trust.admit(site, request, tmp_path / "a", root_key=site.places.root_key, passphrase=PASSPHRASE)
    trust.export_root(site, tmp_path / "safe.json", root_key=site.places.root_key, passphrase=PASSPHRASE)
    join.admission.edit.setText(str(tmp_path / "safe.json"))
    join.primary.click()
    qtbot.waitUntil(lambda: tasks.idle)
    assert "not an admission" in join.complaint
    assert join.same.isHidden()
    join.admission.edit.setText(str(tmp_path / "a"))
    join.admission.changed.emit()
    assert trust.get_trust(site).site_number in join.site.text()
    join.primary.click()
    assert "Compare the number" in join.complaint
    assert not made
    join.same.setChecked(True)
    join.primary.click()
    qtbot.waitUntil(lambda: bool(made))
    made.pop().close()
    other = Wizard(tmp_path / "third", tasks)
    qtbot.addWidget(other)
    other.show()
    other.created.connect(made.append)
    recover = other.ask_recover()
    recover.file.edit.setText(str(tmp_path / "safe.json"))
    recover.passphrase.setText(PASSPHRASE)
    recover.name.setText("third")
    recover.primary.click()
    qtbot.waitUntil(lambda: bool(made), timeout=60_000)
    with made.pop() as context:
        assert [row.name for row in trust.get_trust(context).desktops] == ["third"]
