"""Who a box or a desktop is: an Ed25519 key made on it, and mutual TLS with nothing but such keys.

There is no authority above: each side's self-signed certificate is the other's only trust anchor. The
certificates never expire, so that no clock and no calendar can lock a box out.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_runtime.contracts.errors import BoxWrongKey, InputInvalid, NotFound
from edge_runtime.contracts.text import one_line
from edge_runtime.update.durable import write_durably

KEY_NAME = "identity.key"
CERTIFICATE_NAME = "identity.crt"
CURRENT_NAME = "current"
"""Names the folder, inside an identity's own, of the one that has taken its place; see :mod:`edge_runtime.renewal`."""
MAX_CERTIFICATE_BYTES = 16 * 1024
LONGEST_NAME = 64
"""Characters of a certificate's common name, as its standard has it; who shows more is cut short."""
_NAME_BYTES = 32
_NEVER_TOO_EARLY = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_NEVER_TOO_LATE = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """A key and its self-signed certificate on disk."""

    fingerprint: str
    """sha256 in hex of the DER SubjectPublicKeyInfo: the id of this box or desktop."""
    key_path: Path
    """PEM, readable by its owner only."""
    certificate_path: Path
    """PEM."""
    passphrase: str | None = field(default=None, repr=False)
    """Of the key's file, where it is encrypted."""

    @property
    def certificate_pem(self) -> str:
        return self.certificate_path.read_text("ascii")


def identity_folder(folder: Path) -> Path:
    """Where the identity in force lies: in ``folder`` itself, or in the part of it that took its place.

    :raises InputInvalid: what says so is damaged.
    """
    try:
        with (folder / CURRENT_NAME).open("r", encoding="ascii", errors="replace") as file:
            name = file.read(_NAME_BYTES + 1)
    except FileNotFoundError:
        return folder
    if not re.fullmatch(r"[0-9a-f]{32}", name):
        raise InputInvalid(f"{folder / CURRENT_NAME} does not name an identity.")
    return folder / name


def create_identity(folder: Path, common_name: str) -> Identity:
    """Make a key and its certificate in ``folder``, or load them where they are already there.

    A power cut between the two files is mended by the next call: the certificate follows from the key.
    """
    if identity_folder(folder) != folder:
        # It was renewed, and a third one must never take its place.
        return load_identity(folder)
    key_path, certificate_path = folder / KEY_NAME, folder / CERTIFICATE_NAME
    if not key_path.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_durably(key_path, [pem], mode=0o600)
    if not certificate_path.exists():
        certificate = self_signed(_load_key(key_path), common_name)
        write_durably(certificate_path, [certificate.encode("ascii")])
    return load_identity(folder)


def load_identity(folder: Path) -> Identity:
    """The identity that :func:`create_identity` made in ``folder``.

    :raises NotFound: there is none.
    :raises InputInvalid: a file there is damaged, or the two do not belong together.
    """
    folder = identity_folder(folder)
    key_path, certificate_path = folder / KEY_NAME, folder / CERTIFICATE_NAME
    if not key_path.exists() or not certificate_path.exists():
        raise NotFound(f"There is no identity in {folder}.")
    certificate = _parse(certificate_path.read_text("ascii", errors="replace"))
    if certificate.public_key() != _load_key(key_path).public_key():
        raise InputInvalid(f"The key and the certificate in {folder} do not belong together.")
    return Identity(_fingerprint(certificate), key_path, certificate_path)


def fingerprint_of(certificate_pem: str) -> str:
    """The id of whoever owns this certificate.

    :raises InputInvalid: not one self-signed Ed25519 certificate.
    """
    return _fingerprint(_parse(certificate_pem))


@dataclass(frozen=True, slots=True)
class Presented:
    """What the other side of a handshake showed of itself."""

    fingerprint: str
    name: str
    """The certificate's common name: what its owner called itself, no proof of anything."""
    certificate_pem: str


def read_presented(der: bytes) -> Presented:
    """The owner of a certificate as TLS shows it.

    :raises InputInvalid: not one self-signed Ed25519 certificate.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise InputInvalid("The certificate is far too long to be one.")
    pem = ssl.DER_cert_to_PEM_cert(der)
    certificate = _parse(pem)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Presented(_fingerprint(certificate), one_line(str(names[0].value))[:LONGEST_NAME] if names else "", pem)


def certificate_der(certificate_pem: str) -> bytes:
    """The certificate's DER bytes, as TLS shows them after a handshake; errors as :func:`fingerprint_of`."""
    return _parse(certificate_pem).public_bytes(serialization.Encoding.DER)


def server_context(identity: Identity, trusted_pems: Sequence[str]) -> ssl.SSLContext:
    """TLS 1.3 only; a client must show one of ``trusted_pems``.

    There are no session tickets: every connection proves its key anew. Compare the peer's DER with
    :func:`certificate_der` afterwards; more certificates may be added later with ``load_verify_locations``.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity, trusted_pems)
    context.num_tickets = 0
    return context


def client_context(identity: Identity, peer_pem: str) -> ssl.SSLContext:
    """TLS 1.3 only; the server must show ``peer_pem``. Names and addresses prove nothing, so none is checked.

    Call :func:`require_peer` after the handshake.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity, [peer_pem])


def require_peer(connection: ssl.SSLSocket | ssl.SSLObject, peer_pem: str) -> None:
    """After the handshake: the peer showed exactly the pinned certificate.

    :raises BoxWrongKey: it showed another one.
    """
    if connection.getpeercert(binary_form=True) != certificate_der(peer_pem):
        raise BoxWrongKey("It showed another certificate than the one that was pinned.")


def signature_of(identity: Identity, message: bytes) -> str:
    """The signature of an identity's key, which must not be encrypted, in hex."""
    return _load_key(identity.key_path).sign(message).hex()


def is_signed_by(der: bytes, message: bytes, signature: str) -> bool:
    """Whether the owner of a certificate, given as DER, signed this.

    :raises InputInvalid: not one self-signed Ed25519 certificate.
    """
    key = _parse(ssl.DER_cert_to_PEM_cert(der)).public_key()
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(bytes.fromhex(signature), message)
            return True
    except (ValueError, InvalidSignature):
        return False
    return False


def _context(protocol: int, identity: Identity, trusted_pems: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # A self-signed leaf is its own anchor; nothing that it signed is trusted (it is no CA).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # A function: a missing passphrase is an error then, and not a question on the terminal.
    context.load_cert_chain(identity.certificate_path, identity.key_path, lambda: identity.passphrase or "")
    for pem in trusted_pems:
        context.load_verify_locations(cadata=certificate_der(pem))
    return context


def self_signed(key: Ed25519PrivateKey, common_name: str) -> str:
    """The certificate of a key in PEM form: it says nothing but the key, and never expires."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name.strip()[:LONGEST_NAME] or "lineside")])
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NEVER_TOO_EARLY)
        .not_valid_after(_NEVER_TOO_LATE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(key, None)
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _load_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputInvalid(f"{path.name} is not a private key that can be read.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputInvalid(f"{path.name} is not an Ed25519 key.")
    return key


def _parse(certificate_pem: str) -> x509.Certificate:
    if len(certificate_pem) > MAX_CERTIFICATE_BYTES:
        raise InputInvalid("The certificate is far too long to be one.")
    try:
        certificates = x509.load_pem_x509_certificates(certificate_pem.encode())
        public_key = certificates[0].public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise InputInvalid("This is not a certificate in PEM form.") from error
    if len(certificates) != 1 or not isinstance(public_key, Ed25519PublicKey):
        raise InputInvalid("Exactly one Ed25519 certificate is needed here.")
    try:
        certificates[0].verify_directly_issued_by(certificates[0])
    except (ValueError, TypeError, InvalidSignature) as error:
        raise InputInvalid("The certificate is not signed by its own key.") from error
    return certificates[0]


def _fingerprint(certificate: x509.Certificate) -> str:
    public = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public).hexdigest()
