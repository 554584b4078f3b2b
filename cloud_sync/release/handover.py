"""The files that people carry between desktops: a request to join, an admission, and the root key for the safe.

All are JSON text and hostile until checked. None of them is secret except for the key in the last one, which is
encrypted with its passphrase.

A request carries the proof of its own keys, and people compare the desktop's fingerprint. An admission is signed with
the root key, and people compare the site's number: from it follow the first root, from that one all others, from the
newest one the key that signed, and so everything that the file says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509 import load_pem_x509_certificate
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Key, Signature, Signer, SSlibKey

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, TrustRefused
from edge_runtime.contracts.rows import Count, Digest, Name
from edge_runtime.identity import fingerprint_of

MAX_HANDOVER_BYTES = 64 * 2**20
MAX_REQUEST_BYTES = 64 * 1024
_PROOF = b"lineside: this desktop asks to join\0"
_ADMITS = b"lineside: this is the site that you join\0"


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

    @property
    def number(self) -> str:
        return site_number(self.site)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the holder of the root key writes for a new desktop."""

    format: Literal["lineside-admission-1"] = "lineside-admission-1"
    handover: str
    """A :class:`Handover` as JSON text, to the letter as it was signed."""
    keyid: Digest
    """TUF id of the root key."""
    proof: str
    """Its signature, in hex."""


def site_number(site: str) -> str:
    """What people compare to know that two desktops speak of one site: 30 digits that follow from the first root, as
    hard to meet by trying as a key of a hundred bits.
    """
    digits = f"{int(site, 16) % 10**30:030}"
    return " ".join(digits[at : at + 5] for at in range(0, len(digits), 5))


def make_admission(handover: Handover, signer: Signer) -> Admission:
    """:param signer: the root key."""
    body = wire.encode(handover)
    signature = signer.sign(_ADMITS + body)
    return Admission(handover=body.decode(), keyid=signature.keyid, proof=signature.signature)


def check_admission(admission: Admission, keys: Sequence[Key]) -> None:
    """:param keys: of the root role, as the newest root in it lists them.
    :raises TrustRefused: none of them signed it, or it was changed since.
    """
    signature = Signature(admission.keyid, admission.proof)
    for key in keys:
        try:
            key.verify_signature(signature, _ADMITS + admission.handover.encode())
        except (UnverifiedSignatureError, VerificationError, ValueError):
            continue
        return
    raise TrustRefused(
        "This admission was changed on its way, or was not made with the root key of its site.",
        hint="Have it written again, and carry it on another stick.",
    )


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

    :raises InputInvalid: it is none, or a box's certificate in it is another's.
    """
    if len(content) > MAX_HANDOVER_BYTES:
        raise InputInvalid(f"The {what} is far too long to be what it should be.")
    handover = wire.decode(content, Handover, what=what)
    for box in handover.boxes:
        if fingerprint_of(box.certificate) != box.box:
            raise InputInvalid(f"The {what} was changed: the certificate of {box.name} is another box's.")
    return handover


def read_admission(content: bytes, *, what: str) -> tuple[Admission, Handover]:
    """The file as it stands; nothing in it is proved before :func:`check_admission`.

    :raises InputInvalid: it is none.
    """
    if len(content) > MAX_HANDOVER_BYTES:
        raise InputInvalid(f"The {what} is far too long to be what it should be.")
    admission = wire.decode(content, Admission, what=what)
    return admission, read_handover(admission.handover.encode(), what=what)


def is_admission(content: bytes) -> bool:
    """Whether it says so of itself."""
    return _is(Admission, content)


def is_export(content: bytes) -> bool:
    """Whether it says of itself that it is the file for the safe."""
    return _is(Handover, content)


def _is(kind: type[Admission] | type[Handover], content: bytes) -> bool:
    if len(content) > MAX_HANDOVER_BYTES:
        return False
    try:
        wire.decode(content, kind)
    except InputInvalid:
        return False
    return True


def _said(name: str, certificate: str, signing_key: str) -> bytes:
    return _PROOF + b"\0".join(part.encode() for part in (name, certificate, signing_key))
