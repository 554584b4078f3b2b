"""The management listener: HTTP on pinned mutual TLS 1.3. Whoever is not a trusted desktop gets nothing at all."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn

from edge_runtime.contracts.errors import AlreadyExists, BoxRefusesDesktop, InputInvalid, LinesideError
from edge_runtime.identity import Identity
from edge_runtime.service.api import waiting_time
from edge_runtime.service.guests import Guests
from edge_runtime.service.http import Request, Response, Route, Routes, parse_query, refusal
from edge_runtime.service.listener import MAX_CONNECTIONS, Listener, protocol_of, tls_of
from edge_runtime.service.serial import Serial
from edge_runtime.service.trust import TrustStore
from edge_runtime.service.worker import Worker
from edge_runtime.sockets import listen_on

ROOT_KEY = "root key"
"""Who asks where it is the holder of the site's root key."""
BODY_TIMEOUT_S = 30.0
KEEP_ALIVE_S = 75
WORKERS = 6
RETRY_S = 10.0
"""How often an address that cannot be listened on is tried again."""
_log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ManagementApp:
    """The ASGI application: who asks, how much, and where it goes."""

    def __init__(self, routes: Routes, *, trust: TrustStore, guests: Guests, serial: Serial, slow: Worker) -> None:
        self._routes, self._trust, self._guests, self._serial, self._slow = routes, trust, guests, serial, slow
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="management")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        response, close = await self._respond(scope, receive)
        headers = [(b"content-type", response.media.encode()), (b"content-length", b"%d" % len(response.body))]
        if close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _respond(self, scope: MutableMapping[str, Any], receive: Receive) -> tuple[Response, bool]:
        """The answer, and whether the connection is of no more use."""
        certificate = scope["state"].get("certificate")
        if self._peer(certificate) is None and self._guests.who(certificate) is None:
            return _stranger()
        try:
            route, parts = self._routes.find(scope["method"], scope["path"])
            peer = self._peer(certificate, route, parts)
            if peer is None:
                return _stranger()
            query = parse_query(scope["query_string"])
            body = await _read_body(scope, receive, route)
        except LinesideError as error:
            # A guest learns nothing of what there is beside its object.
            return (refusal(error), True) if self._peer(certificate) else _stranger()
        request = Request(peer, parts, query, body)
        try:
            if scope["path"] == "/v1/status" and "since" in query:
                await self._serial.differs(request.number("since"), waiting_time(query.get("wait_s", "0")))
            # Once more: the body or the news may have been long in coming.
            if self._peer(certificate, route, parts) is None:
                return _stranger()
            if route.slow:
                return await asyncio.wrap_future(self._slow.submit(lambda: route.handler(request))), False
            return await asyncio.get_running_loop().run_in_executor(self._pool, route.handler, request), False
        except LinesideError as error:
            _log.info("%s %s by %s: %s", scope["method"], scope["path"], peer[:12], error)
            return refusal(error), False
        except Exception:  # noqa: BLE001 - a bug in one handler must not take the listener down
            _log.exception("%s %s", scope["method"], scope["path"])
            return refusal(LinesideError("The box could not do this; its log says why."), 500), False

    def _peer(
        self, certificate: bytes | None, route: Route | None = None, parts: Mapping[str, str] | None = None
    ) -> str | None:
        """Who asks, if they may. Looked up for every request: whoever was struck off is refused on an open connection
        too. Without a route: whether they may ask for anything, but for a guest.
        """
        admitted = self._trust.admitted()
        if admitted.is_root_key(certificate) and (route is None or route.root_key):
            return ROOT_KEY
        if (desktop := admitted.who(certificate)) is not None or route is None or not route.guest:
            return desktop
        guest = self._guests.who(certificate)
        return guest if guest and self._guests.may_read(guest, (parts or {}).get("sha256", "")) else None


def _stranger() -> tuple[Response, bool]:
    return refusal(BoxRefusesDesktop("This desktop's key is not trusted by this box."), 403), True


async def _read_body(scope: MutableMapping[str, Any], receive: Receive, route: Route) -> bytes:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if not declared.isdigit() or int(declared) > route.max_body:
        raise InputInvalid(f"The body may have at most {route.max_body} bytes.")
    body = bytearray()
    while True:
        try:
            message = await asyncio.wait_for(receive(), BODY_TIMEOUT_S)
        except TimeoutError as error:
            raise InputInvalid("The body did not arrive in time.") from error
        if message["type"] == "http.disconnect":
            raise InputInvalid("The body did not arrive.")
        body += message.get("body", b"")
        if len(body) > route.max_body:
            raise InputInvalid(f"The body may have at most {route.max_body} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


class ManagementServer:
    """The listener in a thread of its own.

    :param ended: called when the thread ends, for whatever reason.
    :raises AlreadyExists: the address cannot be listened on.
    """

    def __init__(
        self,
        app: ManagementApp,
        *,
        identity: Identity,
        trust: TrustStore,
        guests: Guests,
        address: tuple[str, int],
        ended: Callable[[], None],
    ) -> None:
        self._app = app
        self._ended = ended
        self._socket = listening_socket(address)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        config = uvicorn.Config(
            app,
            interface="asgi3",
            http=protocol_of(),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        self._server = Listener(config, tls_of(identity, trust, guests))
        self._thread = threading.Thread(target=self._run, name="management-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ask_to_stop(self) -> None:
        """Take no more connections and answer what is under way; :meth:`close` waits for it."""
        self._server.should_exit = True

    def close(self, timeout_s: float) -> None:
        """Wait for the end after :meth:`ask_to_stop`, no longer than ``timeout_s``."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._app.close()
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException:  # noqa: BLE001 - uvicorn leaves by SystemExit; the daemon decides what follows
            _log.exception("the management listener failed")
        finally:
            self._ended()


class ManagementDoor:
    """Opens the listener; where that cannot be done now it is tried again, and the box goes on without.

    :param make: the listener, not started; raises LinesideError where its address cannot be used.
    :param opened: told once at which host and port it listens.
    :param problem: told once why it cannot.
    """

    def __init__(
        self,
        make: Callable[[], ManagementServer],
        *,
        opened: Callable[[str, int], None],
        problem: Callable[[LinesideError], None],
    ) -> None:
        self._make, self._opened, self._problem = make, opened, problem
        self._server: ManagementServer | None = None
        self._ended: ManagementServer | None = None
        """The one whose place is to be taken; its address is still the one to be listened on."""
        self._next_try = 0.0
        self._told = False
        self._reopening = self._shut = False

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, once it is open."""
        return self._server.address if self._server else None

    @property
    def reopening(self) -> bool:
        """Its end is awaited, for another to take its place."""
        return self._reopening

    def reopen(self) -> None:
        """Answer what is under way, end every connection, and listen again; from any thread."""
        self._reopening = True

    @property
    def open(self) -> bool:
        """It listens, as far as is known."""
        return self._server is not None and not self._reopening

    def shut(self) -> None:
        """As :meth:`reopen`, but do not listen again before :meth:`unshut`."""
        self._shut = self._reopening = True

    def unshut(self) -> None:
        self._shut, self._next_try = False, 0.0

    def tick(self) -> None:
        """Open it if it is not open yet. Call a few times a second."""
        if self._reopening and self._server is not None and self._server is not self._ended:
            self._server.ask_to_stop()
            if self._server.alive:
                return
            self._server.close(0)
            self._ended, self._next_try = self._server, 0.0
        if self._shut or self._server is not self._ended or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + RETRY_S
        try:
            server = self._make()
        except LinesideError as error:
            if not self._told:
                self._told = True
                self._problem(error)
            return
        self._server, self._ended, self._reopening = server, None, False
        server.start()
        self._opened(*server.address)

    def ask_to_stop(self) -> None:
        if self._server:
            self._server.ask_to_stop()

    def close(self, timeout_s: float) -> None:
        """As :meth:`ManagementServer.close`."""
        if self._server:
            self._server.close(timeout_s)


def listening_socket(address: tuple[str, int]) -> socket.socket:
    """:raises AlreadyExists: the address cannot be listened on: taken, or none of this machine's."""
    try:
        return listen_on(*address, backlog=MAX_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise AlreadyExists(
            f"The box cannot listen on {address[0]} port {address[1]}: {why}.",
            hint="Stop the program that uses this port, or change `listen` in edge.toml.",
        ) from error
