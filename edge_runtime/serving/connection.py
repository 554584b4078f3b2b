"""One client's connection: HTTP/1.1, large bodies received straight into the memory they are used from."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import numpy as np

from edge_runtime.serving.bodies import Buffer
from edge_runtime.serving.chunks import ChunkedBody
from edge_runtime.serving.head import END, MAX_HEAD_BYTES, Head, HttpRequest, read_head, too_long
from edge_runtime.serving.http import HttpResponse, problem, render

READ_BYTES = 16 * 1024
"""What is read at a time while nobody knows yet how much will come."""
SLOWEST_BYTES_S = 16 * 1024
"""A body, or an answer on its way out, that moves more slowly than this is given up."""
SHORT_BYTES_S = 2**20
"""The same while memory for them is short: then others wait for what the slow ones hold."""
STEPS = 64
"""A body's memory is counted as it fills up, in this many steps of the largest one: what is announced costs nothing."""
IDLE_S = 75.0
GONE_S = 1.0
"""How long a run goes on for a client that has ended its side: long enough for the answer to a quick model to reach
those who do so with their last word, and no longer, as most of them have gone for good."""
_EMPTY_LINE = b"\r\n"
_TOO_MUCH = problem(429, "Too many large answers wait for their clients to read them; ask again.")


class Host(Protocol):
    """What a connection needs of the listener it belongs to; everything on the loop's thread."""

    read_buffer: bytearray
    """Shared: what was read into it is taken out before anybody else reads."""
    max_body_bytes: int
    patience_s: float
    stopping: bool

    @property
    def is_short(self) -> bool:
        """Whether there is little memory left for bodies and answers."""

    def opened(self, connection: Connection) -> HttpResponse | None:
        """A new connection; the refusal where there are too many."""

    def closed(self, connection: Connection) -> None:
        """It is gone."""

    def reserve(self, size: int) -> bool:
        """Whether so much more of a body may be held in memory."""

    def reserve_answer(self, size: int) -> bool:
        """Whether an answer of this size, which is there already, may wait in memory for its client to take it."""

    def release(self, size: int) -> None:
        """What was reserved is not held any more."""

    def handle(self, request: HttpRequest, deliver: Callable[[HttpResponse], None]) -> HttpResponse | None:
        """The answer, or None where ``deliver`` brings it later."""


class Connection(asyncio.BufferedProtocol):
    """Requests are answered in the order in which they came, one at a time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[HttpRequest | HttpResponse] = deque()
        self._answering: HttpRequest | None = None
        self._begun = b""
        """A head that has not come to its end."""
        self._head: Head | None = None
        """Of the request whose body is arriving, in one of these two."""
        self._room: memoryview | None = None
        self._chunks: ChunkedBody | None = None
        self._received = 0
        """Bytes in the room."""
        self._held = 0
        """Bytes that are reserved for the body that is arriving."""
        self._owed = 0
        """Bytes that are reserved for a large answer until the client has taken all of it."""
        self._owes_continue = False
        self._reading_paused = False
        self._leaving = False
        """Nothing that still comes is of interest."""
        self._ended_at: float | None = None
        """When the client ended its side."""
        self._served = False
        self._since = time.monotonic()
        """Begin of the request that is arriving, or of the silence before it."""
        self._stalled: tuple[float, int] | None = None
        """Since when the client does not take its answers, and how many bytes of them stood there then."""

    # -- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # The last byte that waits holds the whole answer, so we are told when it is gone.
        self._transport.set_write_buffer_limits(0)
        if refusal := self._host.opened(self):
            # Not worth any more of what there is too little of.
            self._leaving = True
            self._write(render(refusal, keep_alive=False)[0])
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leaving = True
        self._transport = None
        for each in self._waiting:
            if isinstance(each, HttpRequest):
                self._host.release(each.held)
        self._waiting.clear()
        if self._answering is not None and self._answering.run is not None:
            self._answering.run.leave()
        self._forget_body()
        self._settle()
        self._host.closed(self)

    def eof_received(self) -> bool:
        """Nothing more will come; what was asked is answered still, if that does not take long."""
        self._ended_at = time.monotonic()
        if self._arriving and not self._leaving:
            self._refuse(problem(400, "The request ended before all of it had come.", close=True))
        else:
            last = self._waiting[-1] if self._waiting else self._answering
            if isinstance(last, HttpRequest):
                last.keep_alive = False
        return self._answering is not None or bool(self._waiting)

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._stalled = (time.monotonic(), self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._stalled = None
        self._settle()
        self._advance()

    def get_buffer(self, sizehint: int) -> bytearray | memoryview:
        if self._room is not None:
            return self._room[self._received :]
        return self._host.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._leaving:
            return
        early = self._answering is not None
        if self._room is None:
            self._take(bytes(memoryview(self._host.read_buffer)[:nbytes]))
        else:
            self._received += nbytes
            if self._hold_room(self._room) and self._received == len(self._room):
                self._complete(self._room)
        self._advance()
        if self._waiting or (early and self._answering is not None):
            # The next request comes before this one is answered: the rest of it can wait in the socket.
            self._pause_reading()

    # -- from bytes to requests

    def _take(self, data: bytes) -> None:
        """Cut requests out of what came."""
        while data and not self._leaving:
            if self._chunks is None:
                data = self._take_head(data)
                continue
            used = self._chunks.feed(data)
            if isinstance(used, HttpResponse):
                self._refuse(used)
            elif not self._hold(len(self._chunks.body)):
                return
            elif self._chunks.complete:
                data = data[used:]
                self._complete(memoryview(self._chunks.body))
            else:
                return

    def _take_head(self, data: bytes) -> bytes:
        """What stands behind the head, and behind as much of its body as there is."""
        if self._begun:
            data = self._begun + data
        else:
            self._since = time.monotonic()
            if data.startswith(_EMPTY_LINE):
                return data[len(_EMPTY_LINE) :]
        end = data.find(END)
        if end < 0:
            self._begun = data
            if not data[0:1].isalpha():
                self._refuse(problem(400, "This is no HTTP.", close=True))
            elif len(data) > MAX_HEAD_BYTES:
                self._refuse(too_long())
            return b""
        self._begun = b""
        end += len(END)
        head = read_head(data[:end], self._host.max_body_bytes)
        if isinstance(head, HttpResponse):
            self._refuse(head)
            return b""
        self._head = head
        if head.chunked:
            self._chunks = ChunkedBody(self._host.max_body_bytes)
            rest = data[end:]
        elif len(data) - end >= head.length:
            self._complete(data[end : end + head.length])
            return data[end + head.length :]
        else:
            self._make_room(head, data[end:])
            rest = b""
        if head.wants_continue and len(data) == end:
            self._owes_continue = True
            self._say_continue()
        return rest

    def _make_room(self, head: Head, begin: bytes) -> None:
        """The head is here, the body is not or not all of it."""
        # Laid so that the first binary tensor stands where numbers are read fastest; blocks begin at a multiple of 16.
        ahead = -(head.json_length or 0) % 16
        self._room = np.empty(head.length + 16, np.uint8)[ahead : ahead + head.length].data
        self._room[: len(begin)] = begin
        self._received = len(begin)
        self._hold_room(self._room)

    def _hold_room(self, room: memoryview) -> bool:
        """Reserve memory for what has come of a body, and a step ahead; as :meth:`_hold`."""
        if self._received < self._held or self._held == len(room):
            return True
        return self._hold(min(self._received + self._host.max_body_bytes // STEPS, len(room)))

    def _hold(self, size: int) -> bool:
        """Reserve memory for so much of a body; False, and the request refused, where there is none."""
        if size > self._held:
            if not self._host.reserve(size - self._held):
                self._refuse(problem(429, "Too many large bodies are under way; send this one again.", close=True))
                return False
            self._held = size
        return True

    def _complete(self, body: Buffer) -> None:
        head = cast("Head", self._head)
        self._waiting.append(HttpRequest(head, time.perf_counter_ns(), body, self._held, head.keep_alive))
        self._head = self._room = self._chunks = None
        self._held = 0
        self._owes_continue = False

    def _forget_body(self) -> None:
        """What has come of this request is of no use."""
        self._host.release(self._held)
        self._held = 0
        self._head = self._room = self._chunks = None
        self._begun = b""

    def _say_continue(self) -> None:
        """Who wants to be asked for the body is asked, once it is his turn."""
        if self._owes_continue and self._head is not None and self._answering is None and not self._waiting:
            self._owes_continue = False
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, response: HttpResponse) -> None:
        """Answer what came before, then this, and listen no more."""
        self._leaving = True
        self._forget_body()
        self._waiting.append(response)
        self._advance()

    # -- from requests to answers

    def _advance(self) -> None:
        """Answer what waits, as far as that can be done now."""
        while self._waiting and self._answering is None and self._stalled is None:
            if self._transport is None or self._transport.is_closing():
                return
            item = self._waiting.popleft()
            if isinstance(item, HttpResponse):
                self._respond(item, keep_alive=False)
                return
            self._answering = item
            response = self._host.handle(item, self._deliver)
            if response is not None:
                self._answer(item, response)
        if self._reading_paused and self._answering is None and not self._waiting:
            self._since = time.monotonic()
            self._resume_reading()
        if self._owes_continue:
            self._say_continue()

    def _deliver(self, response: HttpResponse) -> None:
        """An answer that took a while."""
        if (request := self._answering) is None:
            return
        if self._transport is None:
            self._host.release(request.held)
            return
        self._answer(request, response)
        self._advance()

    def _answer(self, request: HttpRequest, response: HttpResponse) -> None:
        self._answering = None
        self._served = True
        if request.held:
            self._host.release(request.held)
        keep_alive = request.keep_alive and not response.close and not self._host.stopping
        self._respond(response, keep_alive=keep_alive, asked=request.head)

    def _respond(self, response: HttpResponse, *, keep_alive: bool, asked: Head | None = None) -> None:
        if asked is None:
            pieces = render(response, keep_alive=keep_alive)
        else:
            bodiless = asked.method == b"HEAD"
            pieces = render(response, keep_alive=keep_alive, says_so=asked.is_old, bodiless=bodiless)
        if len(pieces) == 1:
            self._write(pieces[0])
        else:
            self._write_large(pieces, render(_TOO_MUCH, keep_alive=keep_alive)[0])
        if not self._arriving:
            self._since = time.monotonic()
        if keep_alive or self._transport is None:
            return
        if not self._leaving or self._ended_at is not None:
            self._leaving = True
            self._transport.close()
            return
        # Who is refused may be in the middle of sending, and reads the answer only if all of that is taken from him.
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        self._resume_reading()

    def _write(self, piece: Buffer) -> None:
        if self._transport is not None:
            self._transport.write(piece)

    def _write_large(self, pieces: list[Buffer], instead: Buffer) -> None:
        """What the system does not take at once stays in memory, and is counted there until the client has taken it;
        where there is none, the client gets something else."""
        if self._transport is None:
            return
        size = sum(map(len, pieces))
        if not self._host.reserve_answer(size):
            self._write(instead)
            return
        self._owed = size
        self._transport.writelines(pieces)
        if self._stalled is None:
            self._settle()

    def _settle(self) -> None:
        """The client has taken its answer, or never will."""
        self._host.release(self._owed)
        self._owed = 0

    def _pause_reading(self) -> None:
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    # -- what the clock tells

    @property
    def _arriving(self) -> bool:
        """Whether a request has begun to come and is not here yet."""
        return self._head is not None or self._begun != b""

    @property
    def idle(self) -> bool:
        """Whether nothing is asked, half-asked or unanswered."""
        return not (self._arriving or self._waiting or self._answering)

    def look_at_clock(self, now: float) -> None:
        """Give up on a client that does not keep moving. Called every now and then."""
        transport, patience = self._transport, self._host.patience_s
        if transport is None:
            return
        pace = SHORT_BYTES_S if self._host.is_short else SLOWEST_BYTES_S
        if self._stalled is not None:
            begin, size = self._stalled
            taken = max(0, size - transport.get_write_buffer_size())
            if now - begin > patience + taken / pace:
                transport.abort()
            return
        if self._answering is not None:
            run = self._answering.run
            if run is not None and self._ended_at is not None and now - self._ended_at > GONE_S:
                run.end("its client has ended the connection")
            return
        silence = now - self._since
        if self._leaving:
            if silence > patience:
                transport.abort()
        elif self._arriving:
            moved = self._chunks.raw if self._chunks is not None else self._received if self._room is not None else 0
            if silence > patience + moved / pace:
                self._refuse(problem(408, "The request did not arrive in time.", close=True))
        elif silence > (IDLE_S if self._served else patience):
            transport.close()

    def silent_for(self, now: float) -> tuple[bool, float] | None:
        """Whether it ever asked anything, and for how many seconds it has not; None while something is under way."""
        if not self.idle or self._stalled is not None or self._leaving:
            return None
        return self._served, now - self._since

    def make_room(self) -> None:
        """Another one wants the place of this one, which is silent."""
        self._leaving = True
        if self._transport is not None:
            self._transport.close()

    def close_if_idle(self) -> None:
        """The listener ends: only who still waits for an answer stays."""
        if self.idle and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
