"""The files that people carry between desktops: a request to join, an admission, and the root key for the safe.

All are JSON text and hostile until checked. None of them is secret except for the key in the last one, which is
encrypted with its passphrase.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509 import load_pem_x509_certificate
from securesystemslib.signer import SSlibKey

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Count, Digest, Name
from edge_runtime.identity import fingerprint_of

MAX_HANDOVER_BYTES = 64 * 2**20
MAX_REQUEST_BYTES = 64 * 1024
_PROOF = b"lineside: this desktop asks to join\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What a new desktop writes for the holder of the root key."""

    format: Literal["lineside-join-1"] = "lineside-join-1"
    name: Name
    certificate: str
    """PEM, of the key with which it talks to boxes."""
    signing_key: Digest
    """The public key with which it signs releases: 32 bytes in hex."""
    proofs: tuple[str, str]
    """That it holds both keys: signatures of the two over all of the above, in hex."""

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.certificate)

    @property
    def key(self) -> SSlibKey:
        """The signing key as TUF knows it."""
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.signing_key)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBox:
    """A box that the desktop knew when the file was written."""

    box: Digest
    name: Name
    address: Name
    certificate: str
    enrolled_ms: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Everything public about a site that another desktop needs; with the encrypted root key, the file for the safe."""

    format: Literal["lineside-site-1"] = "lineside-site-1"
    site: Digest
    name: Name
    created_ms: Count
    roots: tuple[str, ...]
    """Root metadata as it was signed, the first one first."""
    releases: dict[str, str] = field(default_factory=dict)
    """Targets, snapshot and timestamp as they were signed, by file name."""
    boxes: tuple[KnownBox, ...] = ()
    root_key: str | None = None
    """Encrypted PEM."""


def make_request(name: str, certificate: str, identity: Ed25519PrivateKey, signing: Ed25519PrivateKey) -> JoinRequest:
    public = signing.public_key().public_bytes_raw().hex()
    said = _said(name, certificate, public)
    proofs = (identity.sign(said).hex(), signing.sign(said).hex())
    return JoinRequest(name=name, certificate=certificate, signing_key=public, proofs=proofs)


def read_request(content: bytes, *, what: str) -> JoinRequest:
    """:raises InputInvalid: it is no request, or whoever made it does not hold both keys."""
    if len(content) > MAX_REQUEST_BYTES:
        raise InputInvalid(f"The {what} is far too long to be a request.")
    request = wire.decode(content, JoinRequest, what=what)
    request.fingerprint  # noqa: B018 - checks the certificate
    said = _said(request.name, request.certificate, request.signing_key)
    identity = load_pem_x509_certificate(request.certificate.encode()).public_key()
    signing = Ed25519PublicKey.from_public_bytes(bytes.fromhex(request.signing_key))
    try:
        for key, proof in zip((identity, signing), request.proofs, strict=True):
            if not isinstance(key, Ed25519PublicKey):
                raise InputInvalid(f"The {what} is not of a desktop.")
            key.verify(bytes.fromhex(proof), said)
    except (ValueError, InvalidSignature) as error:
        raise InputInvalid(
            f"The {what} was changed on its way, or made by somebody who does not hold its keys.",
            hint="Make it again on the new desktop: `lineside site request-join FILE`.",
        ) from error
    return request


def read_handover(content: bytes, *, what: str) -> Handover:
    """The file as it stands; its roots are not followed yet.

    :raises InputInvalid: it is none.
    """
    if len(content) > MAX_HANDOVER_BYTES:
        raise InputInvalid(f"The {what} is far too long to be what it should be.")
    return wire.decode(content, Handover, what=what)


def _said(name: str, certificate: str, signing_key: str) -> bytes:
    return _PROOF + b"\0".join(part.encode() for part in (name, certificate, signing_key))
