"""Files by their digest: bringing them, making them, reading them, and handing them from one box to the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from edge_runtime.contracts import wire
from edge_runtime.contracts.delivery import (
    MAX_PIECE_BYTES,
    FetchRequest,
    GuestRequest,
    MakeRequest,
    ObjectState,
    Stored,
)
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.identity import Identity
from edge_runtime.service.fetching import Fetcher
from edge_runtime.service.guests import Guests
from edge_runtime.service.http import SMALL_BODY, Request, Response, Routes, answer
from edge_runtime.service.spool import Spool
from edge_runtime.update.inbox import Inbox

MAX_CHUNK_BYTES = 8 * 2**20
_OBJECT = "/v1/objects/(?P<sha256>[0-9a-f]{64})"


class ObjectApi:
    """The handlers; each runs on a worker thread and raises LinesideError.

    :param identity: who the box is now.
    :param changed: called when a file that is fetched has come on.
    """

    def __init__(
        self, inbox: Inbox, *, identity: Callable[[], Identity], spool: Spool, changed: Callable[[], None]
    ) -> None:
        self._inbox, self._audit = inbox, spool.audit
        self.guests = Guests(now_s=time.monotonic, audit=spool.audit)
        self._fetcher = Fetcher(inbox, identity=identity, now_s=time.monotonic, audit=spool.audit, changed=changed)

    def close(self) -> None:
        """Fetch nothing any more."""
        self._fetcher.close()

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", _OBJECT, self._get_state)
        routes.add("PUT", _OBJECT, self._put_piece, max_body=MAX_CHUNK_BYTES)
        routes.add("GET", f"{_OBJECT}/bytes", self._get_bytes, guest=True)
        routes.add("POST", f"{_OBJECT}/make", self._post_make, max_body=SMALL_BODY)
        routes.add("POST", f"{_OBJECT}/fetch", self._post_fetch, max_body=SMALL_BODY)
        routes.add("POST", "/v1/guests", self._post_guest, max_body=SMALL_BODY)
        return routes

    def _get_state(self, request: Request) -> Response:
        sha256 = request.parts["sha256"]
        size = request.number("size") if "size" in request.query else None
        have, complete = self._inbox.have(sha256, size)
        gap = None if complete else self._inbox.gap(sha256)
        return answer(ObjectState(have=have, complete=complete, gap=gap, fetch=self._fetcher.status(sha256)))

    def _put_piece(self, request: Request) -> Response:
        sha256, offset, size = request.parts["sha256"], request.number("offset"), request.number("size")
        self._fetcher.stop(sha256)
        return answer(Stored(have=self._inbox.append(sha256, offset, request.body, size)))

    def _get_bytes(self, request: Request) -> Response:
        sha256, offset = request.parts["sha256"], request.number("offset")
        with self._inbox.path(sha256).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if offset >= size:
                raise InputInvalid(f"The object has {size} bytes; there are none at {offset}.")
            file.seek(offset)
            body = file.read(MAX_PIECE_BYTES)
        self.guests.count(request.peer, sha256, len(body))
        return Response(200, body, "application/octet-stream")

    def _post_make(self, request: Request) -> Response:
        asked = wire.decode(request.body, MakeRequest, what="request to make a file")
        return answer(Stored(have=self._inbox.make(request.parts["sha256"], base=asked.base, patch=asked.patch)))

    def _post_fetch(self, request: Request) -> Response:
        asked = wire.decode(request.body, FetchRequest, what="request to fetch a file")
        sha256 = request.parts["sha256"]
        self._fetcher.start(sha256, asked)
        self._audit("object.fetch-asked", f"{sha256} from {asked.host} port {asked.port}.", who=request.peer)
        return answer({}, 202)

    def _post_guest(self, request: Request) -> Response:
        asked = wire.decode(request.body, GuestRequest, what="guest")
        if not asked.seconds:
            self.guests.end(asked.certificate, asked.sha256)
            return answer({})
        size = self._inbox.path(asked.sha256).stat().st_size
        who = self.guests.admit(asked.certificate, asked.sha256, size=size, seconds=asked.seconds)
        self._audit("guest.admitted", f"The box {who} may read {asked.sha256} for {asked.seconds} s.", who=request.peer)
        return answer({})
