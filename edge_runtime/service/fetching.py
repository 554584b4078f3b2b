"""Getting one file from a neighbour, piece by piece, into the inbox; one file at a time."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from edge_runtime.contracts.delivery import MAX_PIECE_BYTES, FetchRequest, FetchStatus
from edge_runtime.contracts.errors import BoxRefused, LinesideError, NotHandedOver
from edge_runtime.http_answers import READ_BYTES, AnswerInvalid, AnswerReader, request
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
        self._last: _Fetch | None = None

    def status(self, sha256: str) -> FetchStatus | None:
        """Of this file, where it was the last one that was asked for."""
        last = self._last
        return last.status if last is not None and last.sha256 == sha256 else None

    def start(self, sha256: str, asked: FetchRequest) -> None:
        """Begin, and return at once. Again for the file that is being fetched from that box: nothing happens; from
        another one, that one is given up.

        :raises InputInvalid: the neighbour's certificate is none.
        :raises BoxRefused: another file is being fetched.
        """
        fingerprint_of(asked.certificate)
        with self._lock:
            last = self._last
            if last is not None and last.status.state == "running":
                if last.sha256 != sha256:
                    raise BoxRefused("The box fetches another file already.", hint="Try again when it is done.")
                if last.neighbour.asked == asked:
                    return
                last.neighbour.give_up("The desktop asks another box.")
            fetch = _Fetch(sha256, _Neighbour(asked, self._identity()))
            self._last = fetch
        threading.Thread(target=self._run, args=(fetch,), name="fetch", daemon=True).start()

    def stop(self, sha256: str) -> None:
        """A desktop sends this file itself: nobody else need bring it."""
        last = self._last
        if last is not None and last.sha256 == sha256 and last.status.state == "running":
            last.neighbour.give_up("The desktop sends it itself.")

    def close(self) -> None:
        """Give up what is under way."""
        if (last := self._last) is not None:
            last.neighbour.give_up("The box stops.")

    def _run(self, fetch: _Fetch) -> None:
        sha256, neighbour = fetch.sha256, fingerprint_of(fetch.neighbour.asked.certificate)
        try:
            self._fetch(sha256, fetch.neighbour)
            status = FetchStatus(state="done")
            self._audit("object.fetched", f"{sha256} from the box {neighbour}.")
        except Exception as error:  # noqa: BLE001 - whatever it was, the desktop must learn that nothing comes
            reason = error.message if isinstance(error, LinesideError) else f"{type(error).__name__}: {error}"
            status = FetchStatus(state="failed", reason=reason[:500])
            _log.warning("%s was not fetched from %s: %s", sha256[:12], neighbour[:12], reason)
            self._audit("object.not-fetched", f"{sha256} from the box {neighbour}: {reason}")
        fetch.status = status
        self._changed()

    def _fetch(self, sha256: str, neighbour: _Neighbour) -> None:
        asked = neighbour.asked
        failures, most, told = 0, MAX_FIRST_FAILURES, 0
        with neighbour, self._watched(neighbour, self._now_s() + asked.seconds):
            while True:
                have, complete = self._inbox.have(sha256, asked.size)
                if complete:
                    return
                if neighbour.given_up is not None:
                    raise NotHandedOver(neighbour.given_up)
                try:
                    body = neighbour.piece(sha256, have)
                    failures, most = 0, MAX_FAILURES
                except OSError as error:
                    failures += 1
                    if failures >= most and neighbour.given_up is None:
                        raise NotHandedOver(f"The neighbour does not answer: {error}.") from error
                    neighbour.ended.wait(FIRST_PAUSE_S * 2**failures)
                    continue
                here = self._inbox.append(sha256, have, body[: asked.size - have], asked.size, neighbour=True)
                if here - told >= TELL_EVERY_BYTES:
                    told = here
                    self._changed()

    @contextmanager
    def _watched(self, neighbour: _Neighbour, until_s: float) -> Iterator[None]:
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
                    if (came := neighbour.received - had) < neighbour.asked.least_bytes_per_s * (now_s - since_s):
                        neighbour.give_up(f"The neighbour is too slow: {came} bytes in {now_s - since_s:.0f} s.")
                    had, since_s = neighbour.received, now_s

        watcher = threading.Thread(target=watch, name="fetch-watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@dataclass(slots=True)
class _Fetch:
    """One that was asked for."""

    sha256: str
    neighbour: _Neighbour
    status: FetchStatus = field(default_factory=partial(FetchStatus, state="running"))


class _Neighbour:
    """A connection to the box that hands the file over, opened anew where it broke."""

    def __init__(self, asked: FetchRequest, identity: Identity) -> None:
        self.received = 0
        """Bytes of the file, whatever has become of them."""
        self.given_up: str | None = None
        """Why nothing more is expected of it."""
        self.ended = threading.Event()
        self.asked = asked
        self._line: socket.socket | None = None
        """The connection below TLS, by which another thread can end it at any moment."""
        self._context = client_context(identity, asked.certificate)
        self._connection: ssl.SSLSocket | None = None

    def __enter__(self) -> _Neighbour:
        return self

    def __exit__(self, *_error: object) -> None:
        self._drop()

    def piece(self, sha256: str, offset: int) -> bytes:
        """Some bytes of the file from ``offset`` on; at least one.

        :raises OSError: the connection failed or broke off.
        :raises NotHandedOver: the neighbour does not have the file any more, lets this box read it no more, or answers
            as no box does.
        """
        try:
            answer = self._ask(request("GET", f"/v1/objects/{sha256}/bytes?offset={offset}"))
        except AnswerInvalid as error:
            self._drop()
            raise NotHandedOver(f"The neighbour does not answer like a box: {error}.") from error
        except OSError:
            self._drop()
            raise
        if not answer.keeps_open or answer.status != 200:
            self._drop()
        if answer.status != 200:
            raise NotHandedOver(f"The neighbour does not hand the file over; it answered with {answer.status}.")
        if not answer.body:
            self._drop()
            raise ConnectionAbortedError("it sent nothing")
        return bytes(answer.body)

    def _ask(self, sent: bytes) -> AnswerReader:
        connection = self._connection or self._connect()
        connection.sendall(sent)
        answer = AnswerReader(MAX_PIECE_BYTES)
        while not answer.complete:
            before = len(answer.body)
            answer.feed(connection.recv(READ_BYTES))
            self.received += len(answer.body) - before
        return answer

    def give_up(self, why: str) -> None:
        """From another thread: whatever is waited for ends now."""
        self.given_up = self.given_up or why
        self.ended.set()
        if (line := self._line) is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> ssl.SSLSocket:
        host, port = self.asked.host, self.asked.port
        raw = socket.create_connection((host, port), ANSWER_S)
        try:
            self._line = raw.dup()
            connection = self._context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            self._drop()
            raise
        self._connection = connection
        require_peer(connection, self.asked.certificate)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        line, self._line = self._line, None
        for part in (connection, line):
            if part is not None:
                part.close()
