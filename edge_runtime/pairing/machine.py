"""The two sides of a pairing, without sockets, disks and clocks; :mod:`edge_runtime.pairing` says what and why.

Each method takes the message that came and returns the next one, in the order in which they stand; anything else is
:class:`Rubbish`. After an exception a side is of no more use.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, LinesideError
from edge_runtime.contracts.told import told_by_box
from edge_runtime.identity import fingerprint_of
from edge_runtime.pairing.messages import (
    GREETING,
    MOST_BYTES,
    BoxFacts,
    BoxHello,
    DesktopFacts,
    Kind,
    Message,
    Rubbish,
    Verdict,
)

T = TypeVar("T")
_DESKTOP = b"lineside pair 1 desktop"
_BOX = b"lineside pair 1 box "


class CodeDiffers(Exception):
    """The other side has another code, or somebody in between changed what was said."""


class _Seal:
    """One direction: a key of its own, and nonces that count."""

    def __init__(self, secret: bytes, transcript: bytes, sender: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=transcript, info=b"lineside pair 1 from " + sender)
        self._cipher = ChaCha20Poly1305(key.derive(secret))
        self._transcript = transcript
        self._count = 0

    def close(self, body: bytes) -> Message:
        return Message(Kind.SEALED, self._cipher.encrypt(self._nonce(), body, self._transcript))

    def open(self, message: Message) -> bytes:
        """:raises CodeDiffers: it was not closed with this key."""
        try:
            return self._cipher.decrypt(self._nonce(), message.expect(Kind.SEALED), self._transcript)
        except InvalidTag as error:
            raise CodeDiffers from error

    def _nonce(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(12, "big")


class _Side:
    """What both have in common: the order of steps, the transcript, the two seals."""

    def __init__(self) -> None:
        self._step = 0
        self._transcript = hashlib.sha256()
        self._from_desktop: _Seal
        self._from_box: _Seal

    def _begin(self, step: int) -> None:
        if self._step != step - 1:
            raise Rubbish(f"step {step} after step {self._step}")
        # Not done yet: what fails in it cannot be tried again.
        self._step = -1

    def _note(self, *messages: Message) -> None:
        for message in messages:
            self._transcript.update(message.encode())

    def _agree(self, secret: bytes) -> None:
        transcript = self._transcript.digest()
        self._from_desktop = _Seal(secret, transcript, b"desktop")
        self._from_box = _Seal(secret, transcript, b"box")


class BoxSide(_Side):
    """A box in one exchange."""

    def __init__(self, hello: BoxHello, facts: BoxFacts) -> None:
        super().__init__()
        self._hello, self._facts = hello, facts
        self._desktop: DesktopFacts

    def greet(self, greeting: Message) -> Message:
        """Message 2 for message 1."""
        self._begin(1)
        if greeting.expect(Kind.HELLO) != GREETING:
            raise Rubbish("no greeting of a desktop")
        hello = Message(Kind.HELLO, wire.encode(self._hello))
        self._note(greeting, hello)
        self._step = 1
        return hello

    def agree(self, key: Message, code: str) -> Message:
        """Message 4 for message 3. Count the try for good before it is sent."""
        self._begin(2)
        spake = SPAKE2_B(code.encode(), idA=_DESKTOP, idB=_BOX + self._hello.box.encode())
        answer = Message(Kind.KEY, spake.start())
        secret = _finish(spake, key)
        self._note(key, answer)
        self._agree(secret)
        self._step = 2
        return answer

    def prove(self, proof: Message) -> Message:
        """Message 6 for message 5.

        :raises CodeDiffers: the desktop has another code.
        """
        self._begin(3)
        self._desktop = _read(self._from_desktop.open(proof), DesktopFacts)
        _fingerprint(self._desktop.certificate)
        self._step = 3
        return self._from_box.close(wire.encode(self._facts))

    def accept(self, kept: Message) -> DesktopFacts:
        """Whom to trust, after message 7."""
        self._begin(4)
        if self._from_desktop.open(kept):
            raise Rubbish("more than was to be said")
        self._step = 4
        return self._desktop

    def end(self, error: LinesideError | None) -> Message:
        """Message 8, once the desktop is trusted, or why it is not."""
        self._begin(5)
        return self._from_box.close(wire.encode(Verdict(error=error.to_dict() if error else None)))


class DesktopSide(_Side):
    """A desktop in one exchange.

    :param code: as :func:`edge_runtime.pairing.code.read_code` gives it.
    """

    def __init__(self, code: str, facts: DesktopFacts) -> None:
        super().__init__()
        self._code, self._facts = code, facts
        self._hello: BoxHello
        self._key: Message
        self._spake: Any = None

    @staticmethod
    def greeting() -> Message:
        """Message 1, which needs no code."""
        return Message(Kind.HELLO, GREETING)

    @staticmethod
    def read_hello(hello: Message) -> BoxHello:
        """What message 2 says; so far anybody may have said it.

        :raises Rubbish: not a box's greeting.
        """
        return _read(hello.expect(Kind.HELLO), BoxHello)

    def start(self, hello: Message) -> Message:
        """Message 3 for message 2."""
        self._begin(1)
        self._hello = self.read_hello(hello)
        self._spake = SPAKE2_A(self._code.encode(), idA=_DESKTOP, idB=_BOX + self._hello.box.encode())
        self._key = Message(Kind.KEY, self._spake.start())
        self._note(self.greeting(), hello, self._key)
        self._step = 1
        return self._key

    def prove(self, key: Message) -> Message:
        """Message 5 for message 4."""
        self._begin(2)
        secret = _finish(self._spake, key)
        self._note(key)
        self._agree(secret)
        self._step = 2
        return self._from_desktop.close(wire.encode(self._facts))

    def learn(self, proof: Message) -> BoxFacts:
        """Who the box is, after message 6. Keep it for good before message 7 is sent.

        :raises CodeDiffers: it does not come from the box that has the code.
        """
        self._begin(3)
        facts = _read(self._from_box.open(proof), BoxFacts)
        if _fingerprint(facts.certificate) != self._hello.box or not 1 <= facts.port <= 65535:
            raise Rubbish("the box's certificate is not the one that it greeted with")
        self._step = 3
        return facts

    def kept(self) -> Message:
        """Message 7."""
        self._begin(4)
        self._step = 4
        return self._from_desktop.close(b"")

    def end(self, verdict: Message) -> LinesideError | None:
        """Why the box does not trust this desktop after all, after message 8; None: it does."""
        self._begin(5)
        error = _read(self._from_box.open(verdict), Verdict).error
        return told_by_box(error, self._hello.name) if error else None


def _finish(spake: Any, key: Message) -> bytes:
    body = key.expect(Kind.KEY)
    if len(body) != MOST_BYTES[Kind.KEY]:
        raise Rubbish("no message of SPAKE2")
    try:
        secret: bytes = spake.finish(body)
    except (SPAKEError, NotOnCurve, ValueError) as error:
        # A point that is none, or of a small group; our own message sent back.
        raise Rubbish("no message of SPAKE2") from error
    return secret


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return wire.decode(body, kind)
    except InputInvalid as error:
        raise Rubbish(error.message) from error


def _fingerprint(certificate: str) -> str:
    try:
        return fingerprint_of(certificate)
    except InputInvalid as error:
        raise Rubbish(error.message) from error
