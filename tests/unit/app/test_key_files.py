"""The files that people carry: known to be writable before anything is signed, and never in the place of another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.usecases import activity, joining, sites, trust
from cloud_sync.release.handover import JoinRequest
from cloud_sync.release.root_key import next_file
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, KeyFileUnwritable, LinesideError

PASSPHRASE = "correct horse"
Where = Callable[[Path], Path]


@pytest.fixture
def office(first_desktop: Path, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "office"))) as ctx:
        yield ctx


@pytest.fixture
def request_(tmp_path: Path) -> JoinRequest:
    return joining.request_join(tmp_path / "second", tmp_path / "r", name="second")


def a_folder(folder: Path) -> Path:
    (folder / "taken").mkdir()
    return folder / "taken"


def in_a_file(folder: Path) -> Path:
    """No folder can be made there, whoever asks."""
    (folder / "file").write_text("")
    return folder / "file" / "admission"


def too_long(folder: Path) -> Path:
    return folder / ("x" * 255)


def nothing(_folder: Path) -> Path:
    return Path()


unwritable = pytest.mark.parametrize("where", [a_folder, in_a_file, too_long, nothing])


@unwritable
def test_where_the_admission_cannot_be_written_nothing_is_signed(
    office: Context, request_: JoinRequest, tmp_path: Path, where: Where
) -> None:
    with pytest.raises(KeyFileUnwritable):
        trust.admit(office, request_, where(tmp_path), root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert office.roots().version == 1
    assert [row.what for row in activity.page_activity(office).rows] == ["site.created"]
    assert not list(tmp_path.glob(".*"))


@unwritable
def test_where_the_request_or_the_export_cannot_be_written_it_is_said(
    office: Context, tmp_path: Path, where: Where
) -> None:
    file = where(tmp_path)
    with pytest.raises(KeyFileUnwritable):
        joining.request_join(tmp_path / "third", file)
    with pytest.raises(KeyFileUnwritable):
        trust.export_root(office, file, root_key=office.places.root_key, passphrase=PASSPHRASE)


@pytest.mark.parametrize("name", ["x" * 300, "lap\x1b[31mtop", "two\nlines", " "])
def test_a_name_that_no_desktop_may_have_leaves_nothing_behind(office: Context, tmp_path: Path, name: str) -> None:
    safe = trust.export_root(office, tmp_path / "safe", root_key=office.places.root_key, passphrase=PASSPHRASE)
    with pytest.raises(InputInvalid, match="printable"):
        joining.recover(tmp_path / "new", safe, passphrase=PASSPHRASE, name=name)
    with pytest.raises(InputInvalid, match="printable"):
        joining.request_join(tmp_path / "new", tmp_path / "r", name=name)
    assert not (tmp_path / "new").exists()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileUnwritable):
        joining.request_join(tmp_path / "file" / "home", tmp_path / "r")


def test_a_root_key_beside_which_nothing_can_be_written_is_not_replaced(office: Context) -> None:
    key = office.places.root_key
    before = key.read_bytes()
    next_file(key).mkdir()
    with pytest.raises(LinesideError) as refused:
        trust.rotate_root(office, root_key=key, passphrase=PASSPHRASE, new_passphrase="another passphrase")
    assert refused.value.code == "trust.unwritable"
    assert office.roots().version == 1
    assert key.read_bytes() == before


def test_no_other_file_is_written_over(office: Context, request_: JoinRequest, tmp_path: Path) -> None:
    key: dict[str, Any] = {"root_key": office.places.root_key, "passphrase": PASSPHRASE}
    safe = trust.export_root(office, tmp_path / "safe.json", **key)
    trust.admit(office, request_, tmp_path / "a", **key)
    other = joining.request_join(tmp_path / "third", tmp_path / "r3", name="third")
    with sites.create_site(tmp_path / "foreign", "Other", PASSPHRASE) as foreign:
        trust.admit(foreign, request_, tmp_path / "f", root_key=foreign.places.root_key, passphrase=PASSPHRASE)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").write_text("")
    version = office.roots().version
    kept = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for file in (
        safe,
        tmp_path / "r",
        tmp_path / "f",
        tmp_path / "notes.txt",
        tmp_path / "empty",
        office.places.root_key,
    ):
        with pytest.raises(AlreadyExists):
            trust.admit(office, other, file, **key)
    for file in (safe, tmp_path / "a", tmp_path / "r", tmp_path / "notes.txt"):
        with pytest.raises(AlreadyExists):
            joining.request_join(tmp_path / "third", file, name="third")
    for file in (tmp_path / "a", tmp_path / "r", tmp_path / "notes.txt"):
        with pytest.raises(AlreadyExists):
            trust.export_root(office, file, **key)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == kept
    assert office.roots().version == version
    # What was written before, and by the same, is written anew.
    trust.admit(office, other, tmp_path / "a", **key)
    joining.request_join(tmp_path / "third", tmp_path / "r3", name="third, again")
    trust.export_root(office, safe, **key)


def test_on_the_command_line_too(
    office: Context, request_: JoinRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text(PASSPHRASE)

    def code(*words: object) -> str:
        capsys.readouterr()
        assert main(["site", *map(str, words), "--home", str(office.home), "--json"]) == 1
        said = capsys.readouterr()
        answer: str = json.loads(said.out or said.err)["error"]["code"]
        return answer

    opened = ("--passphrase-file", tmp_path / "secret")
    assert code("admit", "", *opened) == "item.not-found"
    assert code("admit", tmp_path / "r", "--out", tmp_path, *opened) == "trust.unwritable"
    assert code("admit", tmp_path / "r", "--out", tmp_path / "secret", *opened) == "item.exists"
    assert code("export-root", tmp_path, *opened) == "trust.unwritable"
    assert office.roots().version == 1


def test_a_root_key_that_was_replaced_is_not_called_the_root_key(
    office: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = office.places.root_key
    assert not trust.get_trust(office).root_key_replaced
    safe = trust.export_root(office, tmp_path / "safe.json", root_key=key, passphrase=PASSPHRASE)
    trust.rotate_root(office, root_key=safe, passphrase=PASSPHRASE, new_passphrase="another passphrase")
    known = trust.get_trust(office)
    assert (known.root_key, known.root_key_replaced) == (str(key), True)
    assert main(["site", "desktops", "--home", str(office.home)]) == 0
    assert "lies a root key that was replaced" in capsys.readouterr().out
    # The one that counts, cut short before it took the place of the old one.
    next_file(key).write_bytes(safe.read_bytes())
    assert not trust.get_trust(office).root_key_replaced
    next_file(key).unlink()
    key.unlink()
    assert not trust.get_trust(office).root_key_replaced
