"""The management port: TLS with those that are trusted at this moment, and room for them whatever others do."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import ssl
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edge_runtime.identity import Identity, server_context
from edge_runtime.service.guests import Guests
from edge_runtime.service.seats import Seats
from edge_runtime.service.trust import Admitted, TrustStore
from edge_runtime.sockets import peer_host

HANDSHAKE_S = 10.0
"""Whoever has not shown a trusted key by then is sent away."""
MAX_GREETED = 64
"""Connections whose handshake is under way."""
MAX_GREETED_EACH = 32
"""Of them from one address."""
MAX_CONNECTIONS = 64
MAX_CONNECTIONS_EACH = 16
"""Of them by one key."""
MAX_HEAD_BYTES = 64 * 1024
"""Of a request before its body, or of what frames a body, with nothing of either in between: more is no request."""
NO_DESCRIPTORS_S = 0.05
_log = logging.getLogger(__name__)


class PeerProtocol(HttpToolsProtocol):
    """HTTP that knows which certificate the other side proved to own, and gives way when there are too many."""

    seats: Seats[PeerProtocol]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own, which asks for more than asyncio promises
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        self._beside = 0
        """Bytes that came since a head, a piece of a body or a request last came to an end."""
        self._went_on = self._in_body = False
        self._certificate: bytes | None = connection.getpeercert(binary_form=True) if connection else None
        guest = hashlib.sha256(self._certificate or b"").hexdigest()
        for leaving in self.seats.take(guest, self):
            leaving.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._went_on = False
        super().data_received(data)
        self._beside = 0 if self._went_on else self._beside + len(data)
        if self._beside > MAX_HEAD_BYTES:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            # A trailer: nobody here needs any, and there may be as many as the sender likes.
            self.transport.abort()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._went_on = self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._went_on, self._in_body = True, False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.seats.leave(self)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["certificate"] = self._certificate

    @property
    def busy(self) -> bool:
        """A request came in whole and is not answered yet."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body


def protocol_of() -> type[PeerProtocol]:
    """The protocol of one listener, whose connections share their seats."""

    class Protocol(PeerProtocol):
        seats = Seats[PeerProtocol](
            total=MAX_CONNECTIONS, each=MAX_CONNECTIONS_EACH, busy=lambda connection: connection.busy
        )

    return Protocol


class Listener(uvicorn.Server):
    """Accepts by itself, so that handshakes which never end take no place of those that do."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext) -> None:
        super().__init__(config)
        self._tls = tls
        self._greeted = Seats[asyncio.Task[None]](total=MAX_GREETED, each=MAX_GREETED_EACH)
        self._accepting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = []
        self._accepting = asyncio.create_task(self._accept(*(sockets or [])))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            with suppress(asyncio.CancelledError):
                await self._accepting
        await super().shutdown(sockets)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        greetings: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    connection, address = await loop.sock_accept(listening)
                except OSError as error:
                    # No descriptor left, or a client that was gone at once.
                    _log.warning("a connection could not be accepted: %s", error)
                    await asyncio.sleep(NO_DESCRIPTORS_S)
                    continue
                greeting = loop.create_task(self._greet(connection))
                greetings.add(greeting)
                greeting.add_done_callback(greetings.discard)
                greeting.add_done_callback(self._greeted.leave)
                for leaving in self._greeted.take(peer_host(address), greeting):
                    leaving.cancel()
        finally:
            for greeting in greetings:
                greeting.cancel()

    async def _greet(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, asyncio.CancelledError):
            # Told by nobody: anyone can make such noise. TLS errors and timeouts are OSErrors, too.
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def tls_of(identity: Identity, trust: TrustStore, guests: Guests) -> ssl.SSLContext:
    """A context that looks at every client's hello for who is trusted now: whoever was admitted a moment ago gets in,
    and whoever was struck off does not get through the handshake.
    """
    made: tuple[Admitted, dict[str, bytes], ssl.SSLContext] | None = None

    def look_again(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal made
        admitted, others = trust.admitted(), guests.anchors()
        if made is None or made[:2] != (admitted, others):
            anchors = [*admitted.desktops.values(), *admitted.root_key.values(), *others.values()]
            context = server_context(identity, [ssl.DER_cert_to_PEM_cert(der) for der in anchors])
            made = admitted, others, context
        connection.context = made[2]

    context = server_context(identity, [])
    context.sni_callback = look_again
    return context
