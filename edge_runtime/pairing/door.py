"""The box's listener for pairing: open for as long as the box trusts no desktop, and shut for good afterwards.

Whoever comes is hostile. There are few connections, each with little time; the oldest silent one makes room for a new
one. One at a time gets as far as a try, and only with a well-formed message, so that silence holds nobody up.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from edge_runtime.contracts.errors import LinesideError
from edge_runtime.pairing.code_file import CodeFile
from edge_runtime.pairing.machine import BoxSide, CodeDiffers
from edge_runtime.pairing.messages import (
    HEADER_BYTES,
    BoxFacts,
    BoxHello,
    DesktopFacts,
    Kind,
    Message,
    Refusal,
    Rubbish,
    read_header,
)
from edge_runtime.sockets import peer_host

MAX_WAITING = 8
"""Connections that have not begun a try."""
SILENCE_S = 3.0
"""How long a connection may take for one message, before a try."""
WAIT_S = 10.0
"""For the exchange before this one."""
TRY_S = 6.0
"""For everything that a desktop says during a try."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
_log = logging.getLogger(__name__)


class Pace:
    """No code is taken for a while after one was used up: the more of them, the longer.

    It spares the disk, and leaves a person time to read the new one.
    """

    def __init__(self) -> None:
        self._used_up = 0
        self._until = 0.0

    def used_up(self, now: float) -> None:
        self._until = now + min(FIRST_PAUSE_S * 2**self._used_up, LONGEST_PAUSE_S)
        # Far beyond the longest pause already.
        self._used_up = min(self._used_up + 1, 16)

    def wait_s(self, now: float) -> int:
        """Whole seconds that are left."""
        return max(int(-(-(self._until - now) // 1)), 0)


class PairingServer:
    """The listener in a thread of its own, from its making until :meth:`ask_to_stop`.

    :param listener: bound and listening; the server closes it.
    :param trust: makes the box trust a desktop; raises LinesideError where it must not, or cannot.
    :param used_up: told when a code's last try failed and another one stands.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        box: str,
        facts: BoxFacts,
        codes: CodeFile,
        trust: Callable[[DesktopFacts], None],
        used_up: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._box, self._facts, self._codes = box, facts, codes
        self._trust, self._used_up = trust, used_up
        self.port: int = listener.getsockname()[1]
        self._pace = Pace()
        self._waiting: dict[asyncio.Task[None], None] = {}
        # Made here, so that it can be asked to stop from the first moment on.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._stopping = asyncio.Event()
        self._one_try = asyncio.Lock()
        self._thread = threading.Thread(target=self._run, name="pairing-listener", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ask_to_stop(self) -> None:
        """Take nobody any more, and let a try that has begun come to its end; :meth:`close` waits for it."""
        # The loop is closed where a desktop was paired meanwhile.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopping.set)

    def close(self, timeout_s: float) -> None:
        """Wait for the end after :meth:`ask_to_stop`, no longer than ``timeout_s``."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._runner.run(self._serve())
        finally:
            self._runner.close()
            self._listener.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listener, backlog=MAX_WAITING)
        await self._stopping.wait()
        server.close()
        for task in list(self._waiting):
            task.cancel()
        # A try that is under way comes to its end.
        async with self._one_try:
            pass

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._waiting) >= MAX_WAITING:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.cancel()
        line = _Line(reader, writer)
        task = line.task = self._loop.create_task(self._talk(line))
        self._waiting[task] = None

        def ended(task: asyncio.Task[None]) -> None:
            self._waiting.pop(task, None)
            writer.close()
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Rubbish):
                _log.debug("%s did not pair: %s", line.peer, error)
            elif error is not None and not isinstance(error, OSError | EOFError):
                _log.error("an exchange of keys failed", exc_info=error)

        task.add_done_callback(ended)

    async def _talk(self, line: _Line) -> None:
        greeting = await line.hear(Kind.HELLO, SILENCE_S)
        side = BoxSide(
            BoxHello(box=self._box, name=self._facts.name, tries_left=await asyncio.to_thread(self._tries_left)),
            self._facts,
        )
        await line.say(side.greet(greeting))
        key = await line.hear(Kind.KEY, SILENCE_S)
        try:
            async with asyncio.timeout(WAIT_S):
                await self._one_try.acquire()
        except TimeoutError:
            await line.say(Refusal(reason="busy").message())
            return
        try:
            # Nobody makes room for another one in the middle of a try.
            self._waiting.pop(line.task, None)
            await self._try(line, side, key)
        finally:
            self._one_try.release()

    async def _try(self, line: _Line, side: BoxSide, key: Message) -> None:
        if self._stopping.is_set():
            return
        if wait_s := self._pace.wait_s(time.monotonic()):
            await line.say(Refusal(reason="paused", wait_s=wait_s).message())
            return
        try:
            code = (await asyncio.to_thread(self._codes.stand)).code
            answer = side.agree(key, code)
            counted = await asyncio.to_thread(self._codes.count, code)
        except (OSError, LinesideError) as error:
            _log.error("no code can be taken, the try cannot be written down: %s", error)
            await line.say(Refusal(reason="disk").message())
            return
        if counted is None:
            raise Rubbish("the code has changed meanwhile")
        until = self._loop.time() + TRY_S
        trusted = False
        try:
            await line.say(answer)
            await line.say(side.prove(await line.hear(Kind.SEALED, until - self._loop.time())))
            desktop = side.accept(await line.hear(Kind.SEALED, until - self._loop.time()))
            refusal = await asyncio.to_thread(self._make_trusted, desktop)
            trusted = refusal is None
            await line.say(side.end(refusal))
        except CodeDiffers:
            _log.warning("a try to pair failed: %s had another code; %d left", line.peer, counted.tries_left)
            await line.say(Refusal(reason="wrong-code", tries_left=counted.tries_left).message())
        finally:
            if trusted:
                self._stopping.set()
            elif not counted.tries_left:
                self._renew()

    def _tries_left(self) -> int:
        """For a person to read; a disk that fails is told of at the try."""
        with suppress(OSError):
            if standing := self._codes.read():
                return standing.tries_left
        return 0

    def _make_trusted(self, desktop: DesktopFacts) -> LinesideError | None:
        try:
            self._trust(desktop)
        except LinesideError as error:
            return error
        # Only now: a code that is gone before anybody is trusted would be a box that nobody gets into.
        with suppress(OSError):
            self._codes.remove()
        return None

    def _renew(self) -> None:
        self._pace.used_up(time.monotonic())
        try:
            self._codes.stand()
        except (OSError, LinesideError) as error:
            _log.error("no new code can be made: %s", error)
            return
        self._used_up()


class _Line:
    """One connection."""

    task: asyncio.Task[None]
    """That talks over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        peer = writer.get_extra_info("peername")
        self.peer = peer_host(peer) if peer else "?"

    async def hear(self, due: Kind, within_s: float) -> Message:
        """The next message, whole.

        :raises Rubbish: it is not of the kind that is due.

        :raises OSError: it did not come in time.
        :raises EOFError: nothing more comes.
        """
        async with asyncio.timeout(within_s):
            kind, length = read_header(await self._reader.readexactly(HEADER_BYTES), due)
            return Message(kind, await self._reader.readexactly(length))

    async def say(self, message: Message) -> None:
        self._writer.write(message.encode())
        async with asyncio.timeout(SILENCE_S):
            await self._writer.drain()
