"""The site's offline root key: encrypted in a file, opened only to say anew who may do what."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from cloud_sync.release.handover import MAX_HANDOVER_BYTES, is_admission, read_handover
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import DiskFull, InputInvalid, NotFound, PassphraseWrong, RootKeyWrong
from edge_runtime.identity import self_signed
from edge_runtime.update.durable import sync_folder, write_durably

_PEM_BEGIN = b"-----BEGIN"
_SLOW_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
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

        :raises InputInvalid: no passphrase.
        """
        if not passphrase:
            raise InputInvalid("The root key needs a passphrase.")
        form = serialization.PrivateFormat.OpenSSH
        encryption = form.encryption_builder().kdf_rounds(_ROUNDS).build(passphrase.encode())
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
                waiting.replace(path)
                sync_folder(path.parent)
            # A stick that is write-protected, or full, is used as it is.
            with suppress(DiskFull, OSError):
                _seal_anew(path, key, passphrase)
            return key
        problem = RootKeyWrong(f"The key in {file.name} is not the one that signs this site's roots now.")
    raise problem or RootKeyWrong(f"{path.name} holds no root key.")


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
    try:
        private = load(sealed, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PassphraseWrong(
            f"{name} was not opened: the passphrase is another one, or the file is damaged."
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise RootKeyWrong(f"{name} holds a key of another kind.")
    return RootKey(private)
