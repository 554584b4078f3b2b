"""Secrets stay where only their owner reads them."""

from __future__ import annotations

import logging
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringError

from app.secrets import FileVault, KeyringVault, Secrets, default_vault
from cloud_sync.objects import Credentials
from edge_runtime.contracts.errors import ConfigInvalid

CREDENTIALS = Credentials(access_key_id="AKIAEXAMPLE0000000", secret_access_key="sEcReT/+word", session_token=None)


class MemoryKeyring(KeyringBackend):
    """A keyring as good as the system's."""

    priority = 5

    # Without the parent's, which has no types and looks for properties in the environment.
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class LockedKeyring(MemoryKeyring):
    """One that is there but does not answer."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringError("locked")


@pytest.fixture
def private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "lineside" / "secrets.json"


@pytest.fixture(autouse=True)
def keyring_restored() -> object:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def test_a_file_keeps_them_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secrets.json"
    secrets, other = Secrets("a", FileVault(path)), Secrets("b", FileVault(path))
    assert secrets.get("x") is None
    secrets.put("x", "1")
    other.put("x", "2")
    assert (secrets.get("x"), other.get("x")) == ("1", "2")
    assert path.stat().st_mode & 0o777 == 0o600
    secrets.delete("x")
    secrets.delete("x")
    assert (secrets.get("x"), other.get("x")) == (None, "2")
    assert str(path) in secrets.place


def test_credentials_come_back_and_show_up_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = Secrets("a", FileVault(tmp_path / "secrets.json"))
    secrets.save_store_credentials("s3://plant/north", CREDENTIALS)
    assert secrets.store_credentials("s3://plant/north") == CREDENTIALS
    assert secrets.store_credentials("s3://plant/south") is None
    assert CREDENTIALS.secret_access_key not in repr(secrets) + caplog.text


def test_a_damaged_file_is_named_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text('{"a/x": "sEcReT", oops')
    with pytest.raises(ConfigInvalid, match=r"secrets\.json") as caught:
        Secrets("a", FileVault(path)).get("x")
    assert "sEcReT" not in str(caught.value) + caught.value.hint


def test_a_real_keyring_is_used(private_file: Path) -> None:
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    vault = default_vault()
    assert isinstance(vault, KeyringVault)
    secrets = Secrets("a", vault)
    secrets.put("x", "1")
    assert backend.kept == {("lineside", "a/x"): "1"}
    assert secrets.get("x") == "1"
    secrets.delete("x")
    secrets.delete("x")
    assert backend.kept == {}
    assert not private_file.exists()


@pytest.mark.parametrize("backend", [fail.Keyring, LockedKeyring])
def test_without_one_a_private_file_outside_the_site_is_used(private_file: Path, backend: type[KeyringBackend]) -> None:
    keyring.set_keyring(backend())
    secrets = Secrets("a")
    secrets.put("x", "1")
    assert private_file.stat().st_mode & 0o777 == 0o600
    assert str(private_file) in secrets.place
