"""A site comes into being whole, and opens only as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.context import Context, default_home, open_context
from app.settings import Settings
from app.store import activity
from app.usecases import sites
from edge_runtime.contracts.errors import (
    AlreadyExists,
    ConfigInvalid,
    DatabaseDamaged,
    InputInvalid,
    SiteMissing,
)
from tests.unit.app.conftest import PASSPHRASE


def test_a_new_site_has_keys_a_repository_and_a_first_entry(home: Path) -> None:
    with open_context(home) as ctx:
        assert sites.get_site(ctx).name == "North plant"
        assert ctx.site.replica == ctx.identity.fingerprint == ctx.database.replica
        assert ctx.site.site == ctx.repository().site_id
        assert activity.page_activity(ctx.database).rows[0].what == "site.created"
        root_key = ctx.places.root_key.read_text()
    assert root_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    for private in (ctx.places.root_key, ctx.places.signing_key, ctx.identity.key_path, ctx.places.site):
        assert private.stat().st_mode & 0o077 == 0
    assert home.stat().st_mode & 0o077 == 0
    assert PASSPHRASE not in "".join(file.read_bytes().decode("latin-1") for file in home.rglob("*") if file.is_file())


def test_a_site_is_never_made_over_another(home: Path, tmp_path: Path) -> None:
    with pytest.raises(AlreadyExists):
        sites.create_site(home, "Other", PASSPHRASE)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputInvalid, match="not an empty folder"):
        sites.create_site(tmp_path / "full", "Other", PASSPHRASE)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "passphrase"),
    [
        ("", PASSPHRASE),
        ("a\nb", PASSPHRASE),
        ("x" * 101, PASSPHRASE),
        ("x", "short"),
        ("x", "eleven char"),
        ("x", "a" * 40),
        ("x", "password" * 3),
        ("x", "abba abba abb"),
    ],
)
def test_a_bad_name_or_passphrase_leaves_nothing_behind(tmp_path: Path, name: str, passphrase: str) -> None:
    with pytest.raises(InputInvalid):
        sites.create_site(tmp_path / "new", name, passphrase)
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_behind_does_not_stop_the_next_attempt(tmp_path: Path) -> None:
    draft = tmp_path / ".new.creating"
    (draft / "keys").mkdir(parents=True)
    (draft / "keys" / "signing.key").write_text("half")
    (tmp_path / "new").mkdir()
    with sites.create_site(tmp_path / "new", "North plant", PASSPHRASE) as ctx:
        assert ctx.home == tmp_path / "new"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_copy_of_the_root_key_that_a_killed_process_left_is_removed(home: Path) -> None:
    left = home / ".root-key.ab12cd34"
    left.mkdir()
    (left / "root.key").write_text("sealed with the person's own passphrase")
    open_context(home).close()
    assert not left.exists()


def test_a_home_without_a_site_says_so(tmp_path: Path) -> None:
    with pytest.raises(SiteMissing):
        open_context(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"site": 1}', b"\xff\xfe"])
def test_a_damaged_site_file_is_named(home: Path, content: bytes) -> None:
    (home / "site.json").write_bytes(content)
    with pytest.raises(DatabaseDamaged, match=r"site\.json"):
        open_context(home)


def test_a_site_without_its_key_does_not_open(home: Path) -> None:
    for key in (home / "keys").glob("*.key"):
        key.unlink()
    with pytest.raises(DatabaseDamaged, match="key"):
        open_context(home)


def test_a_site_without_its_database_is_never_opened_as_an_empty_one(home: Path) -> None:
    for part in home.glob("lineside.db*"):
        part.unlink()
    with pytest.raises(DatabaseDamaged, match="is gone or empty"):
        open_context(home)
    assert not list(home.glob("lineside.db*"))
    (home / "lineside.db").touch()
    with pytest.raises(DatabaseDamaged, match="is gone or empty"):
        open_context(home)
    assert (home / "lineside.db").stat().st_size == 0


def test_settings_are_kept(home: Path, ctx: Context) -> None:
    assert ctx.settings == Settings()
    chosen = Settings(language="zh", theme="dark", store="s3://plant/north", endpoint_url="http://10.0.0.2:9000")
    ctx.change_settings(chosen)
    with open_context(home) as again:
        assert again.settings == chosen
    body = json.loads((home / "settings.json").read_text())
    (home / "settings.json").write_text(json.dumps({**body, "sound": "off", "theme": "light"}))
    with open_context(home) as again:
        assert again.settings.theme == "light"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ('{"theme": "pink"}', "theme"),
        ('{"store": 5}', "store"),
        ('{"theme": ', "settings.json"),
        ('{"version": 99}', "newer"),
        ("[]", "object"),
    ],
)
def test_bad_settings_are_named_and_left_alone(home: Path, content: str, word: str) -> None:
    (home / "settings.json").write_text(content)
    with pytest.raises(ConfigInvalid, match=word):
        open_context(home)
    assert (home / "settings.json").read_text() == content


def test_a_setting_that_is_not_allowed_is_not_saved(ctx: Context) -> None:
    pink: Any = "pink"
    with pytest.raises(ConfigInvalid):
        ctx.change_settings(Settings(theme=pink))
    assert not (ctx.home / "settings.json").exists()
    assert ctx.settings == Settings()


def test_the_home_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LINESIDE_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("LINESIDE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_home().name == "site"


def test_plug_ins_are_found(ctx: Context) -> None:
    assert "classify-images" in ctx.recipes
    assert "local" in ctx.hosts


def test_without_an_object_store_the_error_says_how_to_get_one(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="no object store") as caught, ctx.open_store():
        pass
    assert "sync setup" in caught.value.hint
