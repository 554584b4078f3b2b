"""The site's offline root key: encrypted in a file, opened only to say anew who may do what."""

from __future__ import annotations

import base64
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from cloud_sync.release.handover import MAX_HANDOVER_BYTES, is_admission, read_handover
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    DiskFull,
    InputInvalid,
    KeyFileUnwritable,
    LinesideError,
    NotFound,
    PassphraseWrong,
    RootKeyWrong,
)
from edge_runtime.identity import self_signed
from edge_runtime.update.durable import sync_folder, write_durably

_PEM_BEGIN = b"-----BEGIN"
_SLOW_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_SLOW_END = b"-----END OPENSSH PRIVATE KEY-----"
_SLOW_MAGIC = b"openssh-key-v1\0"
_NEXT = ".next"
_ROUNDS = 64
"""Of bcrypt: half a second for every guess at the passphrase. PKCS#8 as cryptography writes it has 2,048 of PBKDF2, a
millisecond, and takes no other number."""


@dataclass(frozen=True, slots=True)
class RootKey:
    """The key itself, for as long as it takes to sign one root."""

    private: Ed25519PrivateKey

    @property
    def signer(self) -> CryptoSigner:
        return CryptoSigner(self.private)

    @property
    def keyid(self) -> str:
        """TUF's id of it."""
        return str(self.signer.public_key.keyid)

    def certificate(self) -> str:
        """A self-signed certificate in PEM form, for the root to list."""
        return self_signed(self.private, "lineside root key")

    def sealed(self, passphrase: str) -> bytes:
        """Encrypted in OpenSSH's format, PEM: to try a passphrase takes long.

        :param passphrase: what counts is its composed form (NFC), whichever form the keyboard gave.
        :raises InputInvalid: no passphrase.
        """
        if not passphrase:
            raise InputInvalid("The root key needs a passphrase.")
        form = serialization.PrivateFormat.OpenSSH
        composed = unicodedata.normalize("NFC", passphrase)
        encryption = form.encryption_builder().kdf_rounds(_ROUNDS).build(composed.encode())
        return self.private.private_bytes(serialization.Encoding.PEM, form, encryption)

    def sealed_for_tls(self, secret: str) -> bytes:
        """Encrypted PKCS#8, PEM, which TLS can read; only for a secret that nobody could guess."""
        encryption = serialization.BestAvailableEncryption(secret.encode())
        return self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def new_root_key() -> RootKey:
    return RootKey(Ed25519PrivateKey.generate())


def next_file(path: Path) -> Path:
    """Where the next root key waits until a root lists it."""
    return path.with_name(path.name + _NEXT)


def unlock(path: Path, passphrase: str, *, keyids: list[str]) -> RootKey:
    """The root key in ``path``: a key file, or what ``export-root`` wrote.

    A rotation that was cut short after its root was signed is brought to its end here, and a key that is sealed as
    it was before passphrases took long to try is sealed anew, where the file can be written.

    :param keyids: of the root role, as the newest root lists them.
    :raises NotFound: no such file.
    :raises KeyFileUnwritable: a rotation cannot be brought to its end there.
    :raises PassphraseWrong: the passphrase does not open it.
    :raises RootKeyWrong: it is no root key, or that of another site, or one that was replaced.
    """
    problem: PassphraseWrong | RootKeyWrong | None = None
    waiting = next_file(path)
    for file in (path, waiting):
        if file is waiting and not file.exists():
            continue
        try:
            key = open_key(sealed_key(file), passphrase, file.name)
        except (PassphraseWrong, RootKeyWrong) as error:
            problem = problem or error
            continue
        if key.keyid in keyids:
            if file is waiting:
                _put_in_place(waiting, path)
            # A stick that is write-protected, or full, is used as it is.
            with suppress(DiskFull, OSError):
                _seal_anew(path, key, passphrase)
            return key
        problem = RootKeyWrong(f"The key in {file.name} is not the one that signs this site's roots now.")
    if waiting.exists():
        _tell_cut_short(path, waiting, keyids, problem)
    raise problem or RootKeyWrong(f"{path.name} holds no root key.")


def _put_in_place(waiting: Path, path: Path) -> None:
    try:
        waiting.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise KeyFileUnwritable(
            f"The new root key waits in {waiting.name}, and cannot take the place of the old one: {error.strerror}."
        ) from error


def _tell_cut_short(path: Path, waiting: Path, keyids: list[str], problem: LinesideError | None) -> None:
    """:raises PassphraseWrong: a rotation was cut short, and which of the two passphrases is the one that opens."""
    if stated_keyid(waiting) in keyids:
        raise PassphraseWrong(
            f"The root key in {path.name} was replaced, and that was cut short: the new key lies in {waiting.name}, "
            "and only the passphrase that was typed for the new key opens it.",
            hint="Type the new passphrase: the new key then takes its place by itself.",
        ) from problem
    if isinstance(problem, PassphraseWrong) or stated_keyid(path) in keyids:
        raise PassphraseWrong(
            f"A replacement of the root key in {path.name} was cut short before it counted: the passphrase of before "
            "is the one that opens it.",
            hint="Type the old passphrase, then replace the root key again.",
        ) from problem


def stated_keyid(path: Path) -> str | None:
    """TUF's id of the key in a file, without its passphrase: what the file says of itself, proved by nothing. None
    where it does not say, as keys that are sealed as they were before passphrases took long to try.
    """
    try:
        sealed = sealed_key(path).strip()
        body = base64.b64decode(sealed.removeprefix(_SLOW_BEGIN).removesuffix(_SLOW_END))
        if not body.startswith(_SLOW_MAGIC):
            return None
        # Cipher, derivation, its options; then how many keys there are, and the public one.
        rest = body.removeprefix(_SLOW_MAGIC)
        for _ in range(3):
            _, rest = _field(rest)
        public, _ = _field(rest[4:])
        key = serialization.load_ssh_public_key(b"ssh-ed25519 " + base64.b64encode(public))
    except (NotFound, RootKeyWrong, ValueError, UnsupportedAlgorithm):
        return None
    return str(SSlibKey.from_crypto(key).keyid) if isinstance(key, Ed25519PublicKey) else None


def _field(body: bytes) -> tuple[bytes, bytes]:
    """A field of OpenSSH's format, four bytes of length before it, and what follows."""
    size = int.from_bytes(body[:4])
    return body[4 : 4 + size], body[4 + size :]


def _seal_anew(path: Path, key: RootKey, passphrase: str) -> None:
    content = path.read_bytes()
    if not sealed_key(path).lstrip().startswith(_SLOW_BEGIN):
        sealed = key.sealed(passphrase)
        if not content.lstrip().startswith(_PEM_BEGIN):
            handover = read_handover(content, what=path.name)
            sealed = wire.encode(replace(handover, root_key=sealed.decode("ascii")))
        write_durably(path, [sealed], mode=0o600)


def sealed_key(path: Path) -> bytes:
    """The encrypted key in a file of either kind.

    :raises NotFound, RootKeyWrong: there is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_HANDOVER_BYTES + 1)
    except OSError as error:
        raise NotFound(f"The root key cannot be read from {path}: {error.strerror}.") from error
    if content.lstrip().startswith(_PEM_BEGIN):
        return content
    if is_admission(content):
        raise RootKeyWrong(f"{path.name} holds no root key: it is an admission.")
    try:
        key = read_handover(content, what=path.name).root_key
    except InputInvalid as error:
        raise RootKeyWrong(f"{path.name} holds no root key: {error.message}") from error
    if key is None:
        raise RootKeyWrong(f"{path.name} holds no root key: it is an admission.")
    return key.encode()


def open_key(sealed: bytes, passphrase: str, name: str) -> RootKey:
    """Decrypt a key.

    :raises PassphraseWrong, RootKeyWrong: it cannot be opened; why.
    """
    slow = sealed.lstrip().startswith(_SLOW_BEGIN)
    if not slow and b"ENCRYPTED PRIVATE KEY" not in sealed:
        raise RootKeyWrong(f"{name} holds no encrypted key.")
    if not passphrase:
        raise PassphraseWrong(f"{name} was not opened: there is no passphrase.")
    load = serialization.load_ssh_private_key if slow else serialization.load_pem_private_key
    for form in _forms(passphrase):
        try:
            private = load(sealed, form.encode())
            break
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    else:
        raise PassphraseWrong(f"{name} was not opened: the passphrase is another one, or the file is damaged.")
    if not isinstance(private, Ed25519PrivateKey):
        raise RootKeyWrong(f"{name} holds a key of another kind.")
    return RootKey(private)


def _forms(passphrase: str) -> list[str]:
    """Composed, as keys are sealed; then as it was typed and decomposed, as one may have been sealed before."""
    composed, decomposed = (unicodedata.normalize(form, passphrase) for form in ("NFC", "NFD"))
    return list(dict.fromkeys((composed, passphrase, decomposed)))
