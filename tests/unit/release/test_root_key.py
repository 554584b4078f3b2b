"""The root key's file: opened with its passphrase only, and whole whenever the power goes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from cloud_sync.release.root_key import RootKey, new_root_key, next_file, open_key, unlock
from edge_runtime.contracts.errors import InputInvalid, LinesideError, NotFound, PassphraseWrong, RootKeyWrong

OLD, NEW = "the old passphrase", "the new passphrase"


@pytest.fixture(scope="module")
def keys() -> tuple[RootKey, RootKey]:
    return new_root_key(), new_root_key()


def test_only_the_passphrase_opens_it(tmp_path: Path, keys: tuple[RootKey, RootKey]) -> None:
    key, other = keys
    file = tmp_path / "root.key.pem"
    sealed = key.sealed(OLD)
    file.write_bytes(sealed)
    assert unlock(file, OLD, keyids=[other.keyid, key.keyid]).keyid == key.keyid
    for passphrase in ("", NEW, OLD.upper(), "\N{SNOWMAN}" * 1000):
        with pytest.raises(PassphraseWrong):
            unlock(file, passphrase, keyids=[key.keyid])
    with pytest.raises(RootKeyWrong):
        unlock(file, OLD, keyids=[other.keyid])
    with pytest.raises(NotFound):
        unlock(tmp_path / "gone", OLD, keyids=[key.keyid])
    with pytest.raises(InputInvalid):
        key.sealed("")
    for body in (b"", b"junk", b"{}", b"[" * 100_000, sealed[:40], sealed.replace(b"ENCRYPTED ", b"")):
        file.write_bytes(body)
        with pytest.raises(LinesideError):
            unlock(file, OLD, keyids=[key.keyid])
    for at in range(30, len(sealed) - 30, 16):
        damaged = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        file.write_bytes(damaged)
        # The cipher alone does not notice: it may open another key, which signs nothing here.
        with suppress(PassphraseWrong, RootKeyWrong):
            assert unlock(file, OLD, keyids=[key.keyid]).keyid == key.keyid


@pytest.mark.parametrize("signed", [False, True], ids=["before the root was signed", "after it"])
def test_a_rotation_that_was_cut_short(tmp_path: Path, keys: tuple[RootKey, RootKey], signed: bool) -> None:
    old, new = keys
    file = tmp_path / "root.key.pem"
    file.write_bytes(old.sealed(OLD))
    next_file(file).write_bytes(new.sealed(NEW))
    if not signed:
        assert unlock(file, OLD, keyids=[old.keyid]).keyid == old.keyid
        with pytest.raises((PassphraseWrong, RootKeyWrong)):
            unlock(file, NEW, keyids=[old.keyid])
        assert next_file(file).exists(), "the next rotation writes over it"
        return
    with pytest.raises((PassphraseWrong, RootKeyWrong)):
        unlock(file, OLD, keyids=[new.keyid])
    assert unlock(file, NEW, keyids=[new.keyid]).keyid == new.keyid
    assert not next_file(file).exists()
    assert open_key(file.read_bytes(), NEW, "key").keyid == new.keyid
