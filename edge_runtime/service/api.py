"""What a trusted desktop may ask of the box. Every body is checked before anything is done with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, cast

from msgspec import Meta, Struct

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.finding import NeighboursRequest
from edge_runtime.contracts.rows import STREAMS, Stream
from edge_runtime.contracts.status import (
    AckRequest,
    BoxStatus,
    Changed,
    ForgetRequest,
    InstallRequest,
    Measured,
    ProbeRequest,
    ShadowRequest,
    WithdrawRequest,
)
from edge_runtime.service.http import SMALL_BODY, Request, Response, Routes, answer
from edge_runtime.service.logs import LogRing
from edge_runtime.service.models import ModelKeeper
from edge_runtime.service.shadows import ShadowKeeper
from edge_runtime.service.spool import Spool
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.installer import Installer

MAX_METADATA_BYTES = 2**20
MAX_MEASURE_BYTES = 2**20
MAX_WAIT_S = 60.0
_STREAM = f"(?P<stream>{'|'.join(STREAMS)})"
_DIGEST = "(?P<sha256>[0-9a-f]{64})"


class RollbackRequest(Struct, frozen=True):
    """``POST /v1/rollback``."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class BoxApi:
    """The handlers; each runs on a worker thread and raises LinesideError.

    :param status: the box's status at this moment.
    :param start_install: takes the target's name and returns at once.
    """

    def __init__(
        self,
        *,
        status: Callable[[], BoxStatus],
        spool: Spool,
        inbox: Inbox,
        installer: Installer,
        models: ModelKeeper,
        shadows: ShadowKeeper,
        logs: LogRing,
        start_install: Callable[[str], None],
    ) -> None:
        self._status, self._spool, self._inbox, self._installer = status, spool, inbox, installer
        self._models, self._shadows, self._logs = models, shadows, logs
        self._start_install = start_install

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", "/v1/status", self._get_status)
        routes.add("GET", f"/v1/spool/{_STREAM}", self._get_page)
        routes.add("POST", f"/v1/spool/{_STREAM}/ack", self._post_ack, max_body=SMALL_BODY)
        routes.add("GET", f"/v1/samples/{_DIGEST}", self._get_sample)
        routes.add("PUT", "/v1/metadata/(?P<filename>[^/]{1,200})", self._put_metadata, max_body=MAX_METADATA_BYTES)
        routes.add("POST", "/v1/probe", self._post_probe, max_body=SMALL_BODY, slow=True)
        routes.add("POST", "/v1/install", self._post_install, max_body=SMALL_BODY)
        routes.add("POST", "/v1/rollback", self._post_rollback, max_body=SMALL_BODY)
        routes.add("POST", "/v1/withdraw", self._post_withdraw, max_body=SMALL_BODY)
        routes.add("POST", "/v1/forget", self._post_forget, max_body=SMALL_BODY)
        routes.add("POST", "/v1/measure", self._post_measure, max_body=MAX_MEASURE_BYTES)
        routes.add("POST", "/v1/shadow", self._post_shadow, max_body=SMALL_BODY, slow=True)
        routes.add("GET", "/v1/logs", self._get_logs)
        routes.add("POST", "/v1/neighbours", self._post_neighbours, max_body=SMALL_BODY, slow=True)
        return routes

    def _get_status(self, _request: Request) -> Response:
        return answer(self._status())

    def _get_page(self, request: Request) -> Response:
        stream = cast(Stream, request.parts["stream"])
        page = self._spool.page(stream, request.number("after", 0), request.number("limit", 1000))
        told: dict[str, object] = {"rows": page.rows, "cursor": page.cursor, "more": page.more}
        return answer(told | {"chain": page.chain} if page.chain else told)

    def _post_ack(self, request: Request) -> Response:
        through = wire.decode(request.body, AckRequest, what="acknowledgement").through
        self._spool.acknowledge(cast(Stream, request.parts["stream"]), min(through, 2**62))
        return answer({})

    def _get_sample(self, request: Request) -> Response:
        return Response(200, self._spool.sample(request.parts["sha256"]), "application/octet-stream")

    def _put_metadata(self, request: Request) -> Response:
        self._inbox.put_metadata(request.parts["filename"], request.body)
        return answer({})

    def _post_probe(self, request: Request) -> Response:
        return answer(self._installer.try_candidate(wire.decode(request.body, ProbeRequest, what="probe").sha256))

    def _post_install(self, request: Request) -> Response:
        target = wire.decode(request.body, InstallRequest, what="installation").target
        self._start_install(target)
        self._spool.audit("update.asked", target, who=request.peer)
        return answer({}, 202)

    def _post_rollback(self, request: Request) -> Response:
        reason = wire.decode(request.body, RollbackRequest, what="rollback").reason
        self._models.roll_back(reason)
        self._spool.audit("update.rolled-back", reason, who=request.peer)
        return answer({})

    def _post_withdraw(self, request: Request) -> Response:
        asked = wire.decode(request.body, WithdrawRequest, what="withdrawal")
        changed = self._models.withdraw(asked.bundle, asked.reason)
        if changed:
            self._spool.audit("update.withdrawn", f"{asked.bundle[:12]}: {asked.reason}", who=request.peer)
        return answer(Changed(changed=changed))

    def _post_forget(self, request: Request) -> Response:
        bundle = wire.decode(request.body, ForgetRequest, what="bundle to offer again").bundle
        changed = self._installer.forget(bundle)
        if changed:
            self._spool.audit("update.forgotten", f"{bundle[:12]} may be offered again.", who=request.peer)
        return answer(Changed(changed=changed))

    def _post_measure(self, request: Request) -> Response:
        return answer(Measured(bytes=len(request.body)))

    def _post_shadow(self, request: Request) -> Response:
        target = wire.decode(request.body, ShadowRequest, what="choice of a shadow").target
        self._shadows.choose(target)
        self._spool.audit("shadow.chosen", target or "none", who=request.peer)
        return answer({})

    def _post_neighbours(self, request: Request) -> Response:
        # It takes a while to load, and is seldom asked for.
        from edge_runtime.finding.neighbours import find_neighbours

        asked = wire.decode(request.body, NeighboursRequest, what="request for neighbours")
        return answer(find_neighbours(asked))

    def _get_logs(self, request: Request) -> Response:
        lines, cursor = self._logs.after(request.number("after", 0), request.number("limit", 500))
        return answer({"lines": lines, "cursor": cursor})


def waiting_time(text: str) -> float:
    """Seconds of a long poll, capped.

    :raises InputInvalid: not a number from 0 up.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise InputInvalid("'wait_s' must be a number of seconds.")
    return min(seconds, MAX_WAIT_S)
