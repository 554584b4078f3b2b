"""Desktops and keys in the window: real keys, real files, and the plain words around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.context import Context
from app.gui.i18n import Translations
from app.gui.pages.key_dialogs import AdmitDesktop, ExportRoot, KeyDialog, ReplaceRoot, StrikeOff
from app.gui.pages.settings import SettingsPage
from app.gui.tasks import Tasks
from app.gui.theme import Theme
from app.gui.wizard import Wizard
from app.usecases import joining, trust
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
    submit(bench, dialog, "a wrong passphrase")
    assert "was not opened" in dialog.complaint
    assert bench.context.roots().version == 1
    submit(bench, dialog, PASSPHRASE)
    assert [row.name for row in page.keys.known.desktops if not row.here] == ["second"]
    joining.join(tmp_path / "second", tmp_path / "second.admission").close()
    second = next(row for row in page.keys.known.desktops if not row.here)
    strike = page.keys.ask_strike_off(second)
    assert isinstance(strike, StrikeOff)
    submit(bench, strike, PASSPHRASE)
    assert [row.here for row in page.keys.known.desktops] == [True]
    assert bench.context.roots().version == 3
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
    replace = page.keys.ask_replace()
    assert isinstance(replace, ReplaceRoot)
    replace.root_key.edit.setText(str(tmp_path / "safe.json"))
    replace.fresh.setText("another passphrase")
    submit(bench, replace, PASSPHRASE)
    assert "differ" in replace.complaint
    replace.again.setText("another passphrase")
    submit(bench, replace, PASSPHRASE)
    assert page.keys.known is not None
    assert page.keys.known.root == 2
    new_keys = page.keys.ask_new_keys()
    submit(bench, new_keys, PASSPHRASE)
    assert "not the one that signs" in new_keys.complaint
    new_keys.root_key.edit.setText(str(tmp_path / "safe.json"))
    submit(bench, new_keys, "another passphrase")
    assert page.keys.known.root == 3
    assert [row.fingerprint for row in page.keys.known.desktops] == [bench.context.identity.fingerprint]
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
    join.admission.edit.setText(str(tmp_path / "a"))
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
    qtbot.waitUntil(lambda: bool(made), timeout=20_000)
    with made.pop() as context:
        assert [row.name for row in trust.get_trust(context).desktops] == ["third"]
