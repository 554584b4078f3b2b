"""The inference listener: a loop in a thread of its own, with limits on everything that a client can make large."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from edge_runtime.config import Inference, is_loopback, split_address
from edge_runtime.contracts.errors import AlreadyExists
from edge_runtime.serving.application import Door, InferenceApplication
from edge_runtime.serving.connection import READ_BYTES, Connection
from edge_runtime.serving.head import HttpRequest
from edge_runtime.serving.http import HttpResponse, problem
from edge_runtime.serving.listeners import check_address
from edge_runtime.serving.shelf import ModelShelf
from edge_runtime.serving.token import read_token
from edge_runtime.sockets import listen_on

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

BODIES_IN_HAND = 4
"""How many bodies of the largest size may be in memory at a time, over all connections; large answers count too."""
LEAST_IN_HAND_BYTES = 64 * 2**20
"""The same where bodies are small: answers need not be."""
SHORT_PART = 4
"""When no more than one such part of it is left, memory is short."""
LOOK_EVERY_S = 0.25
SILENT_S = 1.0
"""A connection that has been silent for longer makes room for another where there are too many: longer than a client
that is at work takes for its next request."""
_log = logging.getLogger(__name__)


class InferenceServer:
    """HTTP for programs that want answers. Its thread begins with :meth:`start`.

    :param door: takes frames that are pushed to a pipeline; none: nobody does.
    :param collectors: whose figures ``/metrics`` shows besides the models' own; asked at the first scrape.
    :raises AlreadyExists: the address cannot be listened on.
    :raises InputInvalid: the token's file cannot be used.
    """

    def __init__(
        self,
        shelf: ModelShelf,
        settings: Inference,
        *,
        door: Door | None = None,
        collectors: Callable[[], Sequence[Collector]] = tuple,
    ) -> None:
        host, port = split_address(settings.http)
        token = read_token(settings.token_file) if settings.token_file else None
        if token is None and not is_loopback(host):
            _log.warning("anybody who reaches %s may ask for inference: there is no token_file", settings.http)
        self.max_body_bytes, self.patience_s = settings.max_body_bytes, settings.header_timeout_s
        self.read_buffer = bytearray(READ_BYTES)
        self.stopping = False
        self._max_connections = settings.max_connections
        self._free_bytes = max(BODIES_IN_HAND * settings.max_body_bytes, LEAST_IN_HAND_BYTES)
        self._short_bytes = self._free_bytes // SHORT_PART
        self._connections: set[Connection] = set()
        self._shelf, self._collectors = shelf, collectors
        self._socket = _bind(host, port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._loop = _new_loop()
        self._server: asyncio.Server | None = None
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._application = InferenceApplication(
            shelf,
            max_body_bytes=settings.max_body_bytes,
            token=token,
            door=door,
            metrics=self._bring_metrics,
            alone=lambda: len(self._connections) == 1,
            to_loop=self._soon,
        )
        self._exposition: Callable[[str], HttpResponse] | None = None
        self._thread = threading.Thread(target=self._run, name="inference-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Take no more connections and answer what is under way; :meth:`close` waits for it."""
        if self._thread.ident is not None:
            self._soon(self._begin_to_stop)

    def close(self, timeout_s: float) -> None:
        """Wait for the end after :meth:`ask_to_stop`, no longer than ``timeout_s``; then cut off whoever is left."""
        if self._thread.ident is None:
            self._loop.close()
        else:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self._soon(self._finish)
                self._thread.join(timeout_s)
        self._socket.close()

    # -- what connections ask, on the loop's thread

    @property
    def is_short(self) -> bool:
        return self._free_bytes <= self._short_bytes

    def opened(self, connection: Connection) -> HttpResponse | None:
        if len(self._connections) >= self._max_connections:
            if (goes := who_goes(self._connections, time.monotonic())) is None:
                return problem(503, f"{self._max_connections} connections are open, which is the most.")
            goes.make_room()
        self._connections.add(connection)
        return None

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self.stopping and not self._connections:
            self._finish()

    def reserve(self, size: int) -> bool:
        if size > self._free_bytes:
            return False
        self._free_bytes -= size
        return True

    def reserve_answer(self, size: int) -> bool:
        # It may be larger than all there is: then it is the last one for a while.
        if self._free_bytes <= 0:
            return False
        self._free_bytes -= size
        return True

    def release(self, size: int) -> None:
        self._free_bytes += size

    def handle(self, request: HttpRequest, deliver: Callable[[HttpResponse], None]) -> HttpResponse | None:
        return self._application.handle(request, deliver)

    # -- the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:  # noqa: BLE001 - the thread ends; whoever owns the process sees it in the log
            _log.exception("the inference listener failed")
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        self._server = await self._loop.create_server(lambda: Connection(self), sock=self._socket, backlog=1024)
        look = self._loop.create_task(self._look_at_clocks())
        try:
            await self._end
        finally:
            look.cancel()
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            # Those that are left are told by their transports on the loop's next turns.
            while self._connections:
                await asyncio.sleep(0)

    async def _look_at_clocks(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for connection in list(self._connections):
                connection.look_at_clock(now)

    def _soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Call this on the loop's thread, from any other."""
        # When the loop has ended, so has everybody who could wait for it.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    def _begin_to_stop(self) -> None:
        if self.stopping:
            return
        self.stopping = True
        if self._server is not None:
            self._server.close()
        # The loop has a copy of it; while this one is open the system goes on taking connections.
        self._socket.close()
        for connection in list(self._connections):
            connection.close_if_idle()
        if not self._connections:
            self._finish()

    def _finish(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def _bring_metrics(self, accept: str, deliver: Callable[[HttpResponse], None]) -> None:
        """Off the loop's thread: the library takes a while to import, and the text a while to write."""

        def expose() -> HttpResponse:
            if self._exposition is None:
                from edge_runtime.serving.metrics import Exposition

                self._exposition = Exposition(self._shelf, self._collectors())
            return self._exposition(accept)

        def done(future: asyncio.Future[HttpResponse]) -> None:
            if (error := future.exception()) is not None:
                _log.error("the figures for Prometheus cannot be written", exc_info=error)
                deliver(problem(500, "The figures cannot be written; the log says why."))
            else:
                deliver(future.result())

        asyncio.ensure_future(self._loop.run_in_executor(None, expose)).add_done_callback(done)


def who_goes(connections: Iterable[Connection], now: float) -> Connection | None:
    """Whose place another gets: of those that have been silent for too long one that never asked anything, and of
    those the one that has been silent longest. None: nobody has."""
    silent = [
        (not has_asked, for_s, connection)
        for connection in connections
        if (silence := connection.silent_for(now)) is not None
        for has_asked, for_s in [silence]
        if for_s > SILENT_S
    ]
    return max(silent, key=lambda each: each[:2])[2] if silent else None


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one. Elsewhere a selector's: all connections share one buffer, which is filled and
    emptied in one turn."""
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop()
    import uvloop

    return uvloop.new_event_loop()


def _bind(host: str, port: int) -> socket.socket:
    check_address(host, port)
    try:
        return listen_on(host, port, backlog=1024)
    except OSError as error:
        raise AlreadyExists(
            f"The box cannot listen on {host} port {port}: {error.strerror or error}.",
            hint="Stop the program that uses this port, or choose another address.",
        ) from error
