"""Getting one file from a neighbour, piece by piece, into the inbox; one file at a time."""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable

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
        with _Neighbour(asked, self._identity()) as neighbour:
            while True:
                have, complete = self._inbox.have(sha256, asked.size)
                if complete:
                    return
                if self._stopping.is_set() or self._now_s() >= until_s:
                    raise NotHandedOver("It took longer than it was given.")
                try:
                    body = neighbour.piece(sha256, have)
                    failures, most = 0, MAX_FAILURES
                except (http.client.HTTPException, OSError) as error:
                    failures += 1
                    if failures >= most:
                        raise NotHandedOver(f"The neighbour does not answer: {error}.") from error
                    self._stopping.wait(FIRST_PAUSE_S * 2**failures)
                    continue
                here = self._inbox.append(sha256, have, body[: asked.size - have], asked.size)
                if here - told >= TELL_EVERY_BYTES:
                    told = here
                    self._changed()


class _Neighbour:
    """A connection to the box that hands the file over, opened anew where it broke."""

    def __init__(self, asked: FetchRequest, identity: Identity) -> None:
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
                body = response.read(MAX_PIECE_BYTES + 1)
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

    def _connect(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(
            self._asked.host, self._asked.port, timeout=ANSWER_S, context=self._context
        )
        self._connection = connection
        connection.connect()
        require_peer(connection.sock, self._asked.certificate)
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
