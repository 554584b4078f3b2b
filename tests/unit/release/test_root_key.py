"""The root key's file: opened with its passphrase only, and whole whenever the power goes."""

from __future__ import annotations

import base64
import unicodedata
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from cloud_sync.release.handover import Handover, read_handover
from cloud_sync.release.root_key import RootKey, new_root_key, next_file, open_key, stated_keyid, unlock
from edge_runtime.contracts import wire
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
    for body in (b"", b"junk", b"{}", b"[" * 100_000, sealed[:40], sealed.replace(b"OPENSSH ", b"")):
        file.write_bytes(body)
        with pytest.raises(LinesideError):
            unlock(file, OLD, keyids=[key.keyid])
    for at in range(30, len(sealed) - 30, 48):
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
        with pytest.raises(PassphraseWrong, match="the passphrase of before"):
            unlock(file, NEW, keyids=[old.keyid])
        assert next_file(file).exists(), "the next rotation writes over it"
        return
    with pytest.raises(PassphraseWrong, match="the passphrase that was typed for the new key"):
        unlock(file, OLD, keyids=[new.keyid])
    assert unlock(file, NEW, keyids=[new.keyid]).keyid == new.keyid
    assert not next_file(file).exists()
    assert open_key(file.read_bytes(), NEW, "key").keyid == new.keyid


def sealed_of_before(key: RootKey, passphrase: str) -> bytes:
    encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def rounds_of(sealed: bytes) -> int:
    """Of bcrypt, as OpenSSH's format has them: its cipher, its key's derivation, and the options of that."""
    body = base64.b64decode(b"".join(sealed.splitlines()[1:-1])).removeprefix(b"openssh-key-v1\0")
    fields = []
    for _ in range(3):
        size = int.from_bytes(body[:4])
        fields.append(body[4 : 4 + size])
        body = body[4 + size :]
    assert fields[1] == b"bcrypt"
    return int.from_bytes(fields[2][-4:])


def test_a_passphrase_takes_long_to_try(keys: tuple[RootKey, RootKey]) -> None:
    # 16 is what ssh-keygen has for keys that are used every day.
    assert rounds_of(keys[0].sealed(OLD)) >= 64


@pytest.mark.parametrize("exported", [False, True], ids=["a key's file", "an export"])
def test_a_key_of_before_opens_and_is_sealed_anew(
    tmp_path: Path, keys: tuple[RootKey, RootKey], exported: bool
) -> None:
    key, file = keys[0], tmp_path / "root.key.pem"
    content = sealed_of_before(key, OLD)
    site = Handover(site="a" * 64, name="Plant", created_ms=1, roots=("root",), root_key=content.decode())
    file.write_bytes(wire.encode(site) if exported else content)
    with pytest.raises(PassphraseWrong):
        unlock(file, NEW, keyids=[key.keyid])
    with pytest.raises(RootKeyWrong):
        unlock(file, OLD, keyids=[keys[1].keyid])
    assert content[40:80] in file.read_bytes(), "whoever cannot use it changes nothing"
    assert unlock(file, OLD, keyids=[key.keyid]).keyid == key.keyid
    now = file.read_bytes()
    if exported:
        written = read_handover(now, what="export")
        assert replace(written, root_key=site.root_key) == site
        now = (written.root_key or "").encode()
    assert rounds_of(now) >= 64
    assert unlock(file, OLD, keyids=[key.keyid]).keyid == key.keyid
    assert file.stat().st_mode & 0o077 == 0


def test_what_tls_reads_opens_with_no_passphrase_that_a_person_has(keys: tuple[RootKey, RootKey]) -> None:
    sealed = keys[0].sealed_for_tls("a secret that no file has")
    with pytest.raises(PassphraseWrong):
        open_key(sealed, OLD, "leftover")


TYPED = "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{HANGUL SYLLABLE HAN} horse"
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, TYPED) for form in ("NFC", "NFD"))


@pytest.mark.parametrize("at_home", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
def test_a_passphrase_opens_however_the_keyboard_composes_it(keys: tuple[RootKey, RootKey], at_home: str) -> None:
    assert COMPOSED != DECOMPOSED
    sealed = keys[0].sealed(at_home)
    for passphrase in (COMPOSED, DECOMPOSED):
        assert open_key(sealed, passphrase, "key").keyid == keys[0].keyid
    with pytest.raises(PassphraseWrong):
        open_key(sealed, COMPOSED.replace("\N{LATIN SMALL LETTER E WITH ACUTE}", "e"), "key")


@pytest.mark.parametrize("at_home", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
def test_a_key_that_was_sealed_as_it_was_typed_still_opens(keys: tuple[RootKey, RootKey], at_home: str) -> None:
    sealed = sealed_of_before(keys[0], at_home)
    for passphrase in (COMPOSED, DECOMPOSED):
        assert open_key(sealed, passphrase, "key").keyid == keys[0].keyid


def test_a_file_says_whose_key_it_holds_without_its_passphrase(tmp_path: Path, keys: tuple[RootKey, RootKey]) -> None:
    file, (key, _other) = tmp_path / "root.key.pem", keys
    sealed = key.sealed(OLD)
    file.write_bytes(sealed)
    assert stated_keyid(file) == key.keyid
    site = Handover(site="a" * 64, name="Plant", created_ms=1, roots=("root",), root_key=sealed.decode())
    file.write_bytes(wire.encode(site))
    assert stated_keyid(file) == key.keyid
    file.write_bytes(sealed_of_before(key, OLD))
    assert stated_keyid(file) is None
    assert stated_keyid(tmp_path / "gone") is None
    for at in range(len(sealed)):
        file.write_bytes(sealed[:at])
        assert stated_keyid(file) in (None, key.keyid)
