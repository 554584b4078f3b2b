"""The bytes of a pairing: a kind, a length, a body. A length is looked at before a byte of the body is taken."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Count, Digest, Name
from edge_runtime.identity import MAX_CERTIFICATE_BYTES
from edge_runtime.update.roots import MAX_ROOT_BYTES

HEADER_BYTES = 5
_HEADER = struct.Struct("!BI")
GREETING = b"lineside pair 1"
"""What a desktop says first. Another version of the exchange is another greeting."""


class Kind(IntEnum):
    """The first byte of a message."""

    HELLO = 1
    KEY = 2
    SEALED = 3
    REFUSED = 4


MOST_BYTES = {
    Kind.HELLO: 1024,
    Kind.KEY: 33,
    # The root metadata in base64, altogether no more than one root may have; a certificate, the seal.
    Kind.SEALED: MAX_ROOT_BYTES * 4 // 3 + 2 * MAX_CERTIFICATE_BYTES,
    Kind.REFUSED: 256,
}
"""Of a body."""


class Rubbish(Exception):
    """The other side does not follow the exchange. It is answered with silence."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of either side."""

    kind: Kind
    body: bytes

    def encode(self) -> bytes:
        """As it goes over the wire."""
        return _HEADER.pack(self.kind, len(self.body)) + self.body

    def expect(self, kind: Kind) -> bytes:
        """The body of the kind that is due.

        :raises Rubbish: another kind.
        """
        if self.kind is not kind:
            raise Rubbish(f"a message of kind {self.kind} came where {kind} was due")
        return self.body


def read_header(header: bytes, *due: Kind) -> tuple[Kind, int]:
    """Kind and length of the body that follows these :data:`HEADER_BYTES`.

    :param due: the kinds that may come now: who has proved nothing yet is not let say much.
    :raises Rubbish: another kind, or longer than its kind may be.
    """
    number, length = _HEADER.unpack(header)
    kind = next((kind for kind in due if kind == number), None)
    if kind is None:
        raise Rubbish(f"a message of kind {number} is not due now")
    if length > MOST_BYTES[kind]:
        raise Rubbish(f"a message of kind {kind} with {length} bytes")
    return kind, length


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxHello:
    """What a box says of itself to whoever greets it; proved only by what follows."""

    box: Digest
    name: Name
    tries_left: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopFacts:
    """What a box must know of a desktop to trust it."""

    certificate: str
    """PEM."""
    root: bytes
    """The site's root metadata."""
    before: tuple[bytes, ...] = ()
    """Those that lead to it, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFacts:
    """What a desktop must know of a box to call it."""

    certificate: str
    """PEM."""
    name: Name
    port: Count
    """Of its management listener."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How it ended."""

    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a box goes no further."""

    reason: Literal["wrong-code", "busy", "paused", "disk"]
    tries_left: Count = 0
    """After ``wrong-code``; 0: there is a new code now."""
    wait_s: Count = 0
    """After ``paused``."""

    def message(self) -> Message:
        return Message(Kind.REFUSED, wire.encode(self))


def read_refusal(message: Message) -> Refusal:
    """:raises Rubbish: it is none."""
    try:
        return wire.decode(message.expect(Kind.REFUSED), Refusal, what="refusal")
    except InputInvalid as error:
        raise Rubbish(error.message) from error
