"""The desktop's side of a pairing: the sockets around :class:`edge_runtime.pairing.machine.DesktopSide`."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from app.fleet.client import split_address
from edge_runtime.config import DEFAULT_PAIRING_PORT, join_address
from edge_runtime.contracts.errors import (
    BoxRefused,
    BoxUnreachable,
    InputInvalid,
    LinesideError,
    PairingCodeWrong,
    PairingInterrupted,
    PairingNotOffered,
    PairingPaused,
)
from edge_runtime.contracts.text import counted, one_line
from edge_runtime.pairing.machine import CodeDiffers, DesktopSide
from edge_runtime.pairing.messages import (
    HEADER_BYTES,
    BoxFacts,
    BoxHello,
    DesktopFacts,
    Kind,
    Message,
    Rubbish,
    read_header,
    read_refusal,
)

CONNECT_S = 5.0
HELLO_S = 5.0
EXCHANGE_S = 40.0
"""A slow box takes a while to check the root metadata, and another exchange may come before this one."""


@dataclass(frozen=True, slots=True)
class PairingAddress:
    """Where a box takes its code."""

    host: str
    port: int

    def __str__(self) -> str:
        return join_address(self.host, self.port)


def read_address(text: str) -> PairingAddress:
    """``host`` or ``host:port``; an IPv6 host in brackets where a port follows.

    :raises InputInvalid: neither.
    """
    text = text.strip()
    bracketed = text.startswith("[") and text.endswith("]")
    without_port = bracketed or ("[" not in text and text.count(":") != 1)
    try:
        whole = join_address(text[1:-1] if bracketed else text, DEFAULT_PAIRING_PORT) if without_port else text
        return PairingAddress(*split_address(whole))
    except InputInvalid as error:
        raise InputInvalid(f"{text!r} is not an address like 192.0.2.7 or 192.0.2.7:{DEFAULT_PAIRING_PORT}.") from error


def ask_who(address: PairingAddress) -> BoxHello:
    """What the box there says of itself; nothing is tried and nothing is proved.

    :raises PairingNotOffered: nothing there takes a code.
    :raises BoxUnreachable: the machine does not answer.
    """
    with _Line(address, HELLO_S) as line:
        return line.greet()[1]


def pair(
    address: PairingAddress,
    code: str,
    desktop: DesktopFacts,
    *,
    shown: BoxHello,
    check: Callable[[str, BoxFacts], None],
    keep: Callable[[str, BoxFacts], None],
) -> None:
    """One exchange, which takes one of the code's tries.

    :param code: as :func:`edge_runtime.pairing.code.read_code` gives it.
    :param shown: the greeting for which the code was typed. A box that now greets as another one gets no try: nobody
        said that the desktop should pair with it.
    :param check: may refuse the box by its id, once it has proved who it is; it then trusts nobody.
    :param keep: writes down who the box is; from its return on the box may trust this desktop.
    :raises PairingCodeWrong, PairingPaused, PairingNotOffered, BoxUnreachable, BoxRefused: the box trusts nobody.
    :raises PairingInterrupted: it was cut off; after ``keep`` only a call to the box tells whether it was trusted.
    """
    with _Line(address, EXCHANGE_S) as line:
        side = DesktopSide(code, desktop)
        hello, said = line.greet()
        if (said.box, said.name) != (shown.box, shown.name):
            raise PairingInterrupted(
                f"Another box greets at {address} than a moment ago: {said.name} ({said.box[:12]}) instead of "
                f"{shown.name} ({shown.box[:12]}).",
                hint="Somebody may stand between this desktop and the box: try another network or cable.",
            )
        try:
            key = line.ask(side.start(hello), Kind.KEY)
            facts = side.learn(line.ask(side.prove(key), Kind.SEALED))
            check(said.box, facts)
            keep(said.box, facts)
            error = side.end(line.ask(side.kept(), Kind.SEALED))
        except CodeDiffers as error_:
            # The box took our proof, and could not prove itself: somebody stands in between.
            raise PairingInterrupted(
                f"What answered at {address} is not the box that has this code.",
                hint="Somebody may stand between this desktop and the box: try another network or cable.",
            ) from error_
        except (Rubbish, OSError, EOFError) as error_:
            raise PairingInterrupted(f"The exchange with {address} ended early: {_why(error_)}.") from error_
    if error is not None:
        raise error


class _Line:
    """A connection with one deadline for all of it."""

    def __init__(self, address: PairingAddress, seconds: float) -> None:
        self._address = address
        self._deadline = time.monotonic() + seconds
        try:
            self._socket = socket.create_connection((address.host, address.port), timeout=CONNECT_S)
        except ConnectionRefusedError as error:
            raise PairingNotOffered(f"Nothing listens at {address}.") from error
        except (OSError, UnicodeError) as error:
            raise BoxUnreachable(f"No connection to {address}: {_why(error)}.") from error

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.close()

    def greet(self) -> tuple[Message, BoxHello]:
        """The box's greeting, as it came and as it reads."""
        try:
            self._say(DesktopSide.greeting())
            hello = self._hear(Kind.HELLO)
            return hello, DesktopSide.read_hello(hello)
        except (Rubbish, OSError, EOFError) as error:
            raise PairingNotOffered(f"What listens at {self._address} takes no code: {_why(error)}.") from error

    def ask(self, message: Message, due: Kind) -> Message:
        """Say this and hear the answer; a refusal is raised as an error."""
        self._say(message)
        answer = self._hear(due, Kind.REFUSED)
        if answer.kind is Kind.REFUSED:
            raise _explain(self._address, answer)
        return answer

    def _say(self, message: Message) -> None:
        self._socket.settimeout(self._left())
        self._socket.sendall(message.encode())

    def _hear(self, *due: Kind) -> Message:
        kind, length = read_header(self._take(HEADER_BYTES), *due)
        return Message(kind, self._take(length))

    def _take(self, count: int) -> bytes:
        body = bytearray()
        while len(body) < count:
            self._socket.settimeout(self._left())
            piece = self._socket.recv(count - len(body))
            if not piece:
                raise EOFError("it hung up")
            body += piece
        return bytes(body)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _explain(address: PairingAddress, message: Message) -> LinesideError:
    refusal = read_refusal(message)
    match refusal.reason:
        case "wrong-code":
            left = counted(refusal.tries_left, "try is left", "tries are left")
            if refusal.tries_left:
                return PairingCodeWrong(f"The box at {address} has another code; {left}.")
            return PairingCodeWrong(
                f"The box at {address} has another code, and that was the last try: it has made a new code.",
                hint="Read the new code on the box: `lineside-edge code` shows it there. A printed one is void.",
            )
        case "paused":
            return PairingPaused(f"The box at {address} takes no code for another {refusal.wait_s} s.")
        case "busy":
            return BoxRefused(f"The box at {address} is pairing with somebody else.", hint="Try again in a moment.")
        case "disk":
            return BoxRefused(
                f"The box at {address} cannot write the try down, so it takes none.",
                hint="Its disk is full or read-only: mend that first.",
            )


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return one_line(str(error)) or type(error).__name__
