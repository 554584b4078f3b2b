"""What the inference listener does with a request: who may ask, where it goes, on which thread it is answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Literal, Protocol

import msgspec

from edge_runtime.contracts.errors import BoxRefused, InputInvalid, LinesideError, NotFound
from edge_runtime.serving import metadata
from edge_runtime.serving.bodies import BodyTooLarge, Buffer, Wishes, decode_request, encode_answer, inflate
from edge_runtime.serving.head import HttpRequest
from edge_runtime.serving.http import HttpResponse, problem, refusal
from edge_runtime.serving.messages import InferRequest
from edge_runtime.serving.model import QUICK_S, WITHIN_FACTOR, ServedModel
from edge_runtime.serving.routes import POSTED, Target, parse_target
from edge_runtime.serving.runs import QUICK_RUN_S, Run, RunEnded
from edge_runtime.serving.shelf import ModelShelf, answer_decoded
from edge_runtime.serving.token import bears

QUICK_BODY_BYTES = 64 * 1024
"""A body up to this size is decoded in no time."""
ALONE_S, ALONE_BODY_BYTES = 10e-3, 2**20
"""What runs on the loop's thread, and up to which size, while there is nobody else to be kept waiting."""
MOST_NAMED = 16
"""So many paths a person is told of who has mistaken one."""
UNPACKED_HERE_BYTES = 4 * 2**20
"""What is compressed and no inference is unpacked on the loop's thread, up to this size."""
_OPEN: frozenset[str] = frozenset({"live", "ready"})
"""Asked by things that know no token; the answer is one bit."""
_ALLOWED = ((b"GET", b"HEAD"), (b"POST",))
"""Methods of what is read, and of what is posted."""
_log = logging.getLogger(__name__)


class Door(Protocol):
    """Takes frames that are pushed, each under a name."""

    @property
    def names(self) -> Collection[str]:
        """Those under which frames are taken."""
        ...

    def offer(self, name: str, data: bytes) -> Literal["taken", "full", "unknown"]: ...


Metrics = Callable[[str, Callable[[HttpResponse], None]], None]
"""Brings the figures for Prometheus later, in the form that this ``Accept`` header wants."""
Deliver = Callable[[HttpResponse], None]


class InferenceApplication:
    """Handles requests on the loop's thread; what takes longer goes to the shelf's workers.

    :param to_loop: calls something on the loop's thread, soon; from any thread.
    :param alone: whether no other connection is open.
    :param token: what must come as ``Authorization: Bearer``, or None where anybody may ask.
    """

    def __init__(
        self,
        shelf: ModelShelf,
        *,
        max_body_bytes: int,
        token: str | None,
        door: Door | None,
        metrics: Metrics,
        alone: Callable[[], bool],
        to_loop: Callable[..., object],
    ) -> None:
        self._shelf, self._max_body = shelf, max_body_bytes
        self._token = token.encode() if token is not None else None
        self._door, self._metrics = door, metrics
        self._alone, self._to_loop = alone, to_loop

    def handle(self, request: HttpRequest, deliver: Deliver) -> HttpResponse | None:
        """The answer, or None where ``deliver`` brings it later, on the loop's thread."""
        try:
            target = parse_target(request.head.target)
            if self._token and target.kind not in _OPEN and not bears(request.head.authorization, self._token):
                return problem(401, "This needs the right token.", extra=b"WWW-Authenticate: Bearer\r\n")
            allowed = _ALLOWED[target.kind in POSTED]
            if request.head.method not in allowed:
                extra = b"Allow: %s\r\n" % b", ".join(allowed)
                return problem(405, f"This is for {allowed[0].decode()} only.", extra=extra)
            if target.kind == "infer":
                return self._infer(target, request, deliver)
            if target.kind == "metrics":
                self._metrics(request.head.accept, deliver)
                return None
            return self._answer_at_once(target, request)
        except Exception as error:  # noqa: BLE001 - a bug in one handler must not take the listener down
            return _failed(request, error)

    def _answer_at_once(self, target: Target, request: HttpRequest) -> HttpResponse:
        match target.kind:
            case "live":
                return _json({"live": True})
            case "ready":
                return _json({"ready": True}) if self._shelf.ready() else problem(503, self._why_not_ready())
            case "server":
                # Reading what is installed takes a module that takes a tenth of the start, and few ever ask.
                from importlib.metadata import version

                return _json(metadata.server_metadata(version("lineside")))
            case "model":
                return _json(metadata.described_model(self._shelf.model(target.name, target.version)))
            case "model-ready":
                model = self._shelf.model(target.name, target.version)
                return _json({"name": model.name, "ready": True})
            case "config":
                return _json(metadata.described_config(self._shelf.model(target.name, target.version)))
            case "statistics":
                return _json(metadata.model_statistics(self._models(target)))
            case "index":
                wanted = _index_request(self._plain_body(request))
                return _json(metadata.model_index(self._shelf.index(), ready_only=wanted))
            case _:
                return self._push(target.name, self._plain_body(request))

    def _models(self, target: Target) -> list[ServedModel]:
        if target.name:
            return [self._shelf.model(target.name, target.version)]
        return [entry.model for entry in self._shelf.index() if entry.model]

    def _why_not_ready(self) -> str:
        entries = self._shelf.index()
        if not entries:
            return "There is no model yet."
        waiting = [f"{each.name} is {each.state}" for each in entries if each.state != "ready"]
        return f"{'; '.join(waiting) or 'All workers have been busy with the same requests for too long'}."

    def _push(self, name: str, frame: bytes) -> HttpResponse:
        if not frame:
            raise InputInvalid("The body is empty: there is no frame in it.")
        outcome = self._door.offer(name, frame) if self._door else "unknown"
        if outcome == "unknown":
            names = sorted(self._door.names) if self._door else []
            known = ", ".join(f"/v1/pipelines/{each}/frames" for each in names[:MOST_NAMED]) or "none"
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            raise NotFound(f"No pipeline has the source {f'push:{name[:100]}'!r}. Frames are taken at: {known}{more}.")
        if outcome == "full":
            raise BoxRefused(f"As many frames wait for {name!r} as may.")
        return _json({"pipeline": name, "state": "taken"}, 202)

    def _plain_body(self, request: HttpRequest) -> bytes:
        return bytes(self._inflated(request, min(self._max_body, UNPACKED_HERE_BYTES)))

    def _inflated(self, request: HttpRequest, most: int) -> Buffer:
        encoding = request.head.encoding
        return inflate(request.body, encoding, most) if encoding else request.body

    def _infer(self, target: Target, request: HttpRequest, deliver: Deliver) -> HttpResponse | None:
        model = self._shelf.model(target.name, target.version)
        size, allowed_s, most = len(request.body), QUICK_S, QUICK_BODY_BYTES
        if model.run_s > QUICK_S and self._alone() and self._shelf.pool.idle:
            allowed_s = ALONE_S
            # The JSON in it must be short all the same: that is what takes long to decode.
            if (request.head.json_length or size) <= QUICK_BODY_BYTES:
                most = ALONE_BODY_BYTES
        if model.run_s > allowed_s or size > most or request.head.encoding:
            self._submit(model, request, partial(self._decode_and_run, model, request), deliver)
            return None
        begin = time.perf_counter_ns()
        try:
            decoded, wishes = decode_request(model, request.body, request.head.json_length)
        except LinesideError:
            model.statistics.failed(time.perf_counter_ns() - request.arrived_ns)
            raise
        decode_ns = time.perf_counter_ns() - begin
        if model.expected_s(decoded) > allowed_s:
            self._submit(model, request, partial(_run, model, request, decoded, wishes, decode_ns), deliver)
            return None
        limit_s = max(QUICK_RUN_S, WITHIN_FACTOR * allowed_s)
        begun_s = time.thread_time()
        try:
            quick = self._shelf.pool.runs.new(limit_s, quick=True)
            response = _run(model, request, decoded, wishes, decode_ns, quick)
        except RunEnded:
            model.took(time.thread_time() - begun_s, allowed_s=allowed_s)
            self._submit(model, request, partial(_run, model, request, decoded, wishes, decode_ns), deliver)
            return None
        model.took(time.thread_time() - begun_s, allowed_s=allowed_s)
        return response

    def _decode_and_run(self, model: ServedModel, request: HttpRequest, run: Run) -> HttpResponse:
        """All of it on a worker."""
        begin = time.perf_counter_ns()
        try:
            decoded, wishes = decode_request(model, self._inflated(request, self._max_body), request.head.json_length)
        except Exception as error:  # noqa: BLE001 - the client learns of it, and the worker goes on
            model.statistics.failed(time.perf_counter_ns() - request.arrived_ns)
            return _failed(request, error)
        return _run(model, request, decoded, wishes, time.perf_counter_ns() - begin, run)

    def _submit(
        self, model: ServedModel, request: HttpRequest, work: Callable[[Run], HttpResponse], deliver: Deliver
    ) -> None:
        run = request.run = self._shelf.pool.runs.new()

        def work_and_deliver() -> None:
            self._to_loop(deliver, work(run))

        try:
            self._shelf.pool.submit(work_and_deliver)
        except BoxRefused:
            model.statistics.failed(time.perf_counter_ns() - request.arrived_ns)
            raise


def _run(
    model: ServedModel, request: HttpRequest, decoded: InferRequest, wishes: Wishes, decode_ns: int, run: Run
) -> HttpResponse:
    """The answer, whatever happens.

    :raises RunEnded: a quick run was ended, and must be begun again on a worker.
    """
    queue_ns = time.perf_counter_ns() - request.arrived_ns - decode_ns
    try:
        body = answer_decoded(
            model,
            decoded,
            encode_answer,
            wishes,
            arrived_ns=request.arrived_ns,
            queue_ns=queue_ns,
            decode_ns=decode_ns,
            run=run,
        )
    except RunEnded as error:
        if run.quick:
            raise
        return problem(504, str(error))
    except Exception as error:  # noqa: BLE001 - the client learns of it, and the worker goes on
        return _failed(request, error)
    return HttpResponse(200, body.json, tensors=body.tensors)


def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """An error as an answer; the log is told of those that nobody foresaw."""
    if isinstance(error, LinesideError):
        return refusal(error)
    if isinstance(error, BodyTooLarge):
        return problem(413, str(error))
    if isinstance(error, MemoryError):
        return problem(503, "There is not enough memory for this request.")
    where = (request.head.method + b" " + request.head.target[:200]).decode("latin-1")
    _log.error("%s", where, exc_info=error)
    return problem(500, "The server could not do this; its log says why.")


def _index_request(body: bytes) -> bool:
    """Whether only models that are ready are asked for."""
    if not body.strip():
        return False
    try:
        return msgspec.json.decode(body, type=_IndexRequest).ready
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputInvalid(f"The request cannot be read: {error}.") from error


class _IndexRequest(msgspec.Struct):
    """What is unknown in it is passed over, as everywhere."""

    ready: bool = False


def _json(value: object, status: int = 200) -> HttpResponse:
    return HttpResponse(status, msgspec.json.encode(value))
