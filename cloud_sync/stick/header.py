"""The first file of a stick: whose it is, how it was written, and whether a passphrase opens it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Digest
from edge_runtime.contracts.stick_errors import StickDamaged, StickTooNew

HEADER_KEY = "lineside-stick.json"
FORMAT: Literal[1] = 1
MAX_HEADER_BYTES = 2**14


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """scrypt (N 65536, r 8, p 2), then names and contents as :mod:`cloud_sync.objects.sealed` does them."""

    salt: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    proof: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    """By whoever had the passphrase, over the site's id and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a desktop of the site signs."""

    site: Digest
    name: Annotated[str, Meta(max_length=200)]
    """The site's, as people call it."""
    encryption: Encryption | None = None

    @property
    def signed(self) -> bytes:
        return wire.encode(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The file."""

    format: Literal[1]
    facts: Facts
    certificate: Annotated[str, Meta(max_length=4000)]
    """Of the desktop that wrote it last, PEM."""
    signature: Annotated[str, Meta(max_length=200)]
    """Of that desktop, over the facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    format: int


def proven(site: str, name: str) -> bytes:
    """What the proof of a passphrase is over."""
    return f"{site}\0{name}".encode()


def encode_header(facts: Facts, certificate: str, signature: str) -> bytes:
    return wire.encode(Header(format=FORMAT, facts=facts, certificate=certificate, signature=signature))


def decode_header(body: bytes) -> Header:
    """A header, from whoever wrote it.

    :raises StickTooNew: of a format that this version does not know.
    :raises StickDamaged: it is none.
    """
    try:
        found = wire.decode(body, _Format, what="stick's header").format
        if found > FORMAT:
            raise StickTooNew(f"The stick has format {found}; this version knows formats up to {FORMAT}.")
        return wire.decode(body, Header, what="stick's header")
    except InputInvalid as error:
        raise StickDamaged(f"The stick's first file, {HEADER_KEY}, cannot be read: {error.message}") from error
