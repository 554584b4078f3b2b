"""Getting one file from a neighbour, piece by piece, into the inbox; one file at a time."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from edge_runtime.contracts.delivery import MAX_PIECE_BYTES, FetchRequest, FetchStatus
from edge_runtime.contracts.errors import BoxRefused, LinesideError, NotHandedOver
from edge_runtime.identity import Identity, client_context, fingerprint_of, require_peer
from edge_runtime.service.guests import Audit
from edge_runtime.update.inbox import Inbox

ANSWER_S = 5.0
MAX_FAILURES = 6
"""In a row, without a byte between them."""
MAX_FIRST_FAILURES = 2
"""As long as not a byte has come: where there is no way between the two boxes, that is to be known soon."""
FIRST_PAUSE_S = 0.1
TELL_EVERY_BYTES = 4 * 2**20
PATIENCE_S = 10.0
"""A neighbour that has brought less than it was asked for over so long is given up."""
_LOOK_EVERY_S = 0.5
_READ_BYTES = 16 * 1024
_log = logging.getLogger(__name__)


class Fetcher:
    """Fetches in a thread of its own; what has arrived stays in the inbox, whatever becomes of the rest.

    :param now_s: a monotonic clock, seconds.
    :param changed: called when :meth:`status` or what is here is not what it was.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        identity: Callable[[], Identity],
        now_s: Callable[[], float],
        audit: Audit,
        changed: Callable[[], None],
    ) -> None:
        self._inbox, self._identity, self._now_s = inbox, identity, now_s
        self._audit, self._changed = audit, changed
        self._lock = threading.Lock()
        self._last: tuple[str, FetchStatus] | None = None
        self._stopping = threading.Event()

    def status(self, sha256: str) -> FetchStatus | None:
        """Of this file, where it was the last one that was asked for."""
        last = self._last
        return last[1] if last is not None and last[0] == sha256 else None

    def start(self, sha256: str, asked: FetchRequest) -> None:
        """Begin, and return at once. Again for the file that is being fetched: nothing happens.

        :raises InputInvalid: the neighbour's certificate is none.
        :raises BoxRefused: another file is being fetched.
        """
        neighbour = fingerprint_of(asked.certificate)
        with self._lock:
            if self._last is not None and self._last[1].state == "running":
                if self._last[0] == sha256:
                    return
                raise BoxRefused("The box fetches another file already.", hint="Try again when it is done.")
            self._last = sha256, FetchStatus(state="running")
        work = threading.Thread(target=self._run, args=(sha256, asked, neighbour), name="fetch", daemon=True)
        work.start()

    def close(self) -> None:
        """Give up what is under way; from a neighbour that says nothing that takes as long as it may stay silent."""
        self._stopping.set()

    def _run(self, sha256: str, asked: FetchRequest, neighbour: str) -> None:
        try:
            self._fetch(sha256, asked)
            status = FetchStatus(state="done")
            self._audit("object.fetched", f"{sha256} from the box {neighbour}.")
        except Exception as error:  # noqa: BLE001 - whatever it was, the desktop must learn that nothing comes
            reason = error.message if isinstance(error, LinesideError) else f"{type(error).__name__}: {error}"
            status = FetchStatus(state="failed", reason=reason[:500])
            _log.warning("%s was not fetched from %s: %s", sha256[:12], neighbour[:12], reason)
            self._audit("object.not-fetched", f"{sha256} from the box {neighbour}: {reason}")
        self._last = sha256, status
        self._changed()

    def _fetch(self, sha256: str, asked: FetchRequest) -> None:
        until_s = self._now_s() + asked.seconds
        failures, most, told = 0, MAX_FIRST_FAILURES, 0
        with _Neighbour(asked, self._identity()) as neighbour, self._watched(neighbour, asked, until_s):
            while True:
                have, complete = self._inbox.have(sha256, asked.size)
                if complete:
                    return
                if self._stopping.is_set():
                    raise NotHandedOver("The box stops.")
                if neighbour.given_up is not None:
                    raise NotHandedOver(neighbour.given_up)
                try:
                    body = neighbour.piece(sha256, have)
                    failures, most = 0, MAX_FAILURES
                except (http.client.HTTPException, OSError) as error:
                    failures += 1
                    if failures >= most and neighbour.given_up is None:
                        raise NotHandedOver(f"The neighbour does not answer: {error}.") from error
                    self._stopping.wait(FIRST_PAUSE_S * 2**failures)
                    continue
                here = self._inbox.append(sha256, have, body[: asked.size - have], asked.size)
                if here - told >= TELL_EVERY_BYTES:
                    told = here
                    self._changed()

    @contextmanager
    def _watched(self, neighbour: _Neighbour, asked: FetchRequest, until_s: float) -> Iterator[None]:
        """Meanwhile the connection is cut where the neighbour takes too long, whatever it is just waited for."""
        over = threading.Event()

        def watch() -> None:
            had, since_s = 0, self._now_s()
            while not over.wait(_LOOK_EVERY_S):
                now_s = self._now_s()
                if neighbour.given_up is not None or now_s >= until_s:
                    # Again and again: a connection may just be in the making.
                    neighbour.give_up("It took longer than it was given.")
                elif now_s - since_s >= PATIENCE_S:
                    if (came := neighbour.received - had) < asked.least_bytes_per_s * (now_s - since_s):
                        neighbour.give_up(f"The neighbour is too slow: {came} bytes in {now_s - since_s:.0f} s.")
                    had, since_s = neighbour.received, now_s

        watcher = threading.Thread(target=watch, name="fetch-watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


class _Neighbour:
    """A connection to the box that hands the file over, opened anew where it broke."""

    def __init__(self, asked: FetchRequest, identity: Identity) -> None:
        self.received = 0
        """Bytes of the file, whatever has become of them."""
        self.given_up: str | None = None
        """Why nothing more is expected of it."""
        self._line: socket.socket | None = None
        """The connection below TLS, by which another thread can end it at any moment."""
        self._asked = asked
        self._context = client_context(identity, asked.certificate)
        self._connection: http.client.HTTPSConnection | None = None

    def __enter__(self) -> _Neighbour:
        return self

    def __exit__(self, *_error: object) -> None:
        self._drop()

    def piece(self, sha256: str, offset: int) -> bytes:
        """Some bytes of the file from ``offset`` on; at least one.

        :raises OSError, http.client.HTTPException: the connection failed or broke off.
        :raises NotHandedOver: the neighbour does not have the file any more, or lets this box read it no more.
        """
        try:
            connection = self._connection or self._connect()
            connection.request("GET", f"/v1/objects/{sha256}/bytes?offset={offset}")
            with connection.getresponse() as response:
                body = b""
                while len(body) <= MAX_PIECE_BYTES and (more := response.read(_READ_BYTES)):
                    body += more
                    self.received += len(more)
                status, missing = response.status, response.length
        except (http.client.HTTPException, OSError):
            self._drop()
            raise
        if status != 200:
            self._drop()
            raise NotHandedOver(f"The neighbour does not hand the file over; it answered with {status}.")
        if missing or not 0 < len(body) <= MAX_PIECE_BYTES:
            self._drop()
            raise http.client.IncompleteRead(body, missing)
        return body

    def give_up(self, why: str) -> None:
        """From another thread: whatever is waited for ends now."""
        self.given_up = self.given_up or why
        if (line := self._line) is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> http.client.HTTPSConnection:
        host, port = self._asked.host, self._asked.port
        raw = socket.create_connection((host, port), ANSWER_S)
        try:
            self._line = raw.dup()
            connection = http.client.HTTPSConnection(host, port, timeout=ANSWER_S, context=self._context)
            connection.sock = self._context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            self._drop()
            raise
        self._connection = connection
        require_peer(connection.sock, self._asked.certificate)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        line, self._line = self._line, None
        for part in (connection, line):
            if part is not None:
                part.close()
