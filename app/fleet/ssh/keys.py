"""Keys to sign in with: out of a file of any kind that people have, or with a running agent."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.plain_files import open_plain

if TYPE_CHECKING:
    import paramiko
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

AGENT_KEYS = 5
"""So many of an agent's are tried: a server counts each, and lets nobody in after some that it does not know."""
MOST_BYTES = 64 * 1024
CERTIFICATE = "-cert.pub"
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")
_KINDS = "Ed25519, ECDSA and RSA keys, as ssh-keygen writes them or in PEM (PKCS#8 too)"


def is_public(path: Path) -> bool:
    """Whether it is the public half of a key, which names one of a running agent's; a certificate has its own file."""
    return not path.name.endswith(CERTIFICATE) and _read(path).startswith(_PUBLIC)


def load_key(path: Path, passphrase: Callable[[], str | None]) -> Sequence[paramiko.PKey]:
    """The private key in a file, and before it the same with its certificate, where one lies beside it.

    :param path: of the key, or of its certificate ``…-cert.pub``.
    :param passphrase: gives it, or None; asked only where one is needed.
    :raises InputInvalid: why it cannot be used.
    """
    if path.name.endswith(CERTIFICATE):
        path = path.with_name(path.name.removesuffix(CERTIFICATE))
    private = _open(path, _read(path), passphrase)
    certificate = path.with_name(path.name + CERTIFICATE)
    plain = _as_paramiko(path, private)
    if not certificate.exists():
        return [plain]
    certified = _as_paramiko(path, private)
    try:
        certified.load_certificate(str(certificate))
    except Exception as error:
        raise InputInvalid(
            f"{certificate} is no certificate of the key beside it.", hint="Take it away, or have it issued anew."
        ) from error
    return [certified, plain]


def agent_keys(agent: paramiko.Agent, only: Path | None) -> tuple[Sequence[paramiko.PKey], int]:
    """The keys to try of a running agent, and how many it holds that are left out.

    :param only: a public key: that one alone.
    :raises InputInvalid: the agent does not hold it.
    """
    held = agent.get_keys()
    if only is None:
        return held[:AGENT_KEYS], len(held[AGENT_KEYS:])
    words = _read(only).decode(errors="replace").split()
    found = [key for key in held if key.get_base64() in words[1:2]]
    if not found:
        raise InputInvalid(
            f"{only} is a public key, and no running agent holds its private half.",
            hint="Add it with `ssh-add`, or give the file of the private key.",
        )
    return found, 0


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        # What a pipe brings can be read but once, and perhaps nobody is at its other end.
        raise InputInvalid(f"The key in {path} cannot be read: it is not a plain file.")
    try:
        with open_plain(Path(os.path.realpath(path))) as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise InputInvalid(f"The key in {path} cannot be read: {error.strerror or type(error).__name__}.") from error


def _open(path: Path, body: bytes, passphrase: Callable[[], str | None]) -> PrivateKeyTypes:
    if body.startswith(b"PuTTY-"):
        raise InputInvalid(
            f"The key in {path} is in PuTTY's own form.",
            hint="Convert it: `puttygen KEY.ppk -O private-openssh-new -o KEY`.",
        )
    try:
        return _load(path, body, None)
    except TypeError:
        # It has a passphrase.
        if (given := passphrase()) is not None:
            with suppress(ValueError):
                return _load(path, body, given.encode())
    except ValueError as error:
        raise _unknown(path) from error
    raise InputInvalid(
        f"The key in {path} needs its passphrase, or another one.",
        hint="Type it where it is asked for, or give `--key-passphrase-file`; a password is another thing, and goes to "
        "the machine.",
    )


def _load(path: Path, body: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    """:raises TypeError: a passphrase is needed.
    :raises ValueError: it is no key, or another passphrase opens it.
    :raises InputInvalid: a key that is not used here.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    ours = b"BEGIN OPENSSH PRIVATE KEY" in body
    load = serialization.load_ssh_private_key if ours else serialization.load_pem_private_key
    try:
        return load(body, passphrase)
    except UnsupportedAlgorithm as error:
        raise _unknown(path) from error


def _as_paramiko(path: Path, private: PrivateKeyTypes) -> paramiko.PKey:
    """Whatever form it had: paramiko reads the one of ssh-keygen in all kinds. It stays in memory."""
    import paramiko
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    kinds: list[tuple[type, type[paramiko.PKey]]] = [
        (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
        (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
        (rsa.RSAPrivateKey, paramiko.RSAKey),
    ]
    kind = next((kind for given, kind in kinds if isinstance(private, given)), None)
    if kind is None:
        raise _unknown(path)
    try:
        text = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return kind.from_private_key(io.StringIO(text.decode("ascii")))
    except (ValueError, paramiko.SSHException) as error:
        raise _unknown(path) from error


def _unknown(path: Path) -> InputInvalid:
    return InputInvalid(
        f"The key in {path} is no private key of a known kind.",
        hint=f"{_KINDS} can be used; one on a security key, or of another kind, only with a running agent: give the "
        "file of its public half.",
    )
