"""Signatures of this desktop's key, the one with which it talks to boxes, over what people carry about."""

from __future__ import annotations

from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509 import load_pem_x509_certificate

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.identity import Identity, fingerprint_of

What = Literal["visit entry", "visit pack", "visit report", "stick"]
"""A signature over one of these is worth nothing for another."""


def sign(identity: Identity, what: What, body: bytes) -> str:
    """Ed25519 over ``body``, in hex."""
    from cloud_sync.release.sign import load_signing_key

    return load_signing_key(identity.key_path).sign(_said(what, body)).hex()


def is_signed(certificate_pem: str, what: What, body: bytes, signature: str) -> bool:
    """Whether the owner of this certificate signed exactly ``body`` as ``what``."""
    try:
        fingerprint_of(certificate_pem)
        key = load_pem_x509_certificate(certificate_pem.encode()).public_key()
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(bytes.fromhex(signature), _said(what, body))
    except (InputInvalid, InvalidSignature, ValueError):
        return False
    return True


def _said(what: What, body: bytes) -> bytes:
    return f"lineside {what}\0".encode() + body
