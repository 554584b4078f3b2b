"""Export to a stick and import from one, by the buttons of the settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.context import open_context
from app.gui.pages.settings import SettingsPage
from app.store.rekey import rekey
from app.usecases import samples
from app.usecases.stick.importing import import_from
from edge_runtime.contracts.stick_errors import StickPassphrase
from tests.gui.conftest import Bench
from tests.unit.app.rows import write_images


@pytest.fixture
def page(bench: Bench) -> SettingsPage:
    bench.go("settings")
    found = bench.window.pages["settings"]
    assert isinstance(found, SettingsPage)
    return found


def test_a_site_goes_out_and_comes_back(
    bench: Bench, page: SettingsPage, tmp_path: Path, errors: list[BaseException]
) -> None:
    context, stick = bench.context, tmp_path / "stick"
    stick.mkdir()
    other = Path(shutil.copytree(context.home, tmp_path / "other"))
    write_images(tmp_path / "images", {"dent": 3})
    samples.import_folder(context, tmp_path / "images")
    dialog = page.stick.ask_export()
    dialog.submit()
    assert dialog.complaint == "Choose a folder first."
    dialog.folder.edit.setText(str(stick))
    dialog.passphrase.setText("a long one")
    dialog.submit()
    bench.settle()
    assert dialog.complaint == "The two passphrases differ."
    dialog.again.setText("a long one")
    dialog.submit()
    bench.settle()
    assert "Written and read back: 3 files" in page.stick.words.text()
    with open_context(other) as second:
        rekey(second.database, "asked")
        with pytest.raises(StickPassphrase):
            import_from(second, stick)
        assert import_from(second, stick, passphrase="a long one").files == 3
    back = page.stick.ask_import()
    back.folder.edit.setText(str(stick))
    back.submit()
    bench.settle()
    assert back.complaint == "This stick is encrypted: type its passphrase."
    back.passphrase.setText("a wrong one")
    back.submit()
    bench.settle()
    assert [type(error) for error in errors] == [StickPassphrase]
    errors.clear()
    page.stick.import_(stick, "a long one")
    assert not page.stick.import_button.isEnabled()
    bench.settle()
    assert "Imported from" in page.stick.words.text()
    assert page.stick.import_button.isEnabled()
    assert errors == []


def test_a_stick_that_is_not_encrypted_takes_no_passphrase(bench: Bench, page: SettingsPage, tmp_path: Path) -> None:
    page.stick.export(tmp_path, None, samples=False)
    bench.settle()
    dialog = page.stick.ask_export()
    dialog.folder.edit.setText(str(tmp_path))
    dialog.passphrase.setText("p")
    dialog.submit()
    bench.settle()
    assert "not encrypted" in dialog.complaint
    dialog.reject()
    titles = [command.title for command in page.commands()]
    assert {"Export to a stick…", "Import from a stick…"} <= set(titles)
