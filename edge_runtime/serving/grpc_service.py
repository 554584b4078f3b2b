"""What each call of the Open Inference Protocol over gRPC does: the models, workers and errors of the HTTP listener."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import grpc

from edge_runtime.contracts.errors import BoxRefused, InputInvalid, LinesideError, ModelUnusable, NotFound
from edge_runtime.serving import metadata
from edge_runtime.serving.grpc_memory import CallMemory, Debt, Message, TooLarge
from edge_runtime.serving.grpc_messages import (
    MAX_QUESTION_BYTES,
    SERVICE,
    Pieces,
    bulk_of,
    decode_infer,
    encode_infer,
    error_in_stream,
    in_stream,
    parse,
    plain_message,
    protocol,
    size_of,
)
from edge_runtime.serving.grpc_streams import Streams
from edge_runtime.serving.grpc_wire import HEAD_COST, Bulk, Question, take_apart
from edge_runtime.serving.messages import InferAnswer
from edge_runtime.serving.model import QUICK_S, ServedModel
from edge_runtime.serving.patience import Patience
from edge_runtime.serving.runs import QUICK_RUN_S, Run, RunEnded
from edge_runtime.serving.shelf import ModelShelf, answer, answer_decoded
from edge_runtime.serving.token import bears

QUICK_BYTES = 64 * 1024
"""Decoding a larger request takes too long to count as quick."""
HEALTH = "grpc.health.v1.Health"
"""gRPC's own way to ask whether a server is well, which Kubernetes and load balancers go."""
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"
"""Its ``HealthCheckResponse``, whose one field, ``status``, is 1 or 2."""
_OPEN = frozenset({"ServerLive", "ServerReady", "Check"})
"""Asked by things that know no token; the answer is one bit."""
_STATUS = (
    (InputInvalid, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (BoxRefused, grpc.StatusCode.UNAVAILABLE),
    (ModelUnusable, grpc.StatusCode.UNAVAILABLE),
)
_NO_TOKEN = "This needs the right token."  # noqa: S105 - what is said to whoever has none
_BUG = "The server could not do this; its log says why."
_log = logging.getLogger(__name__)

Call = Callable[[bytes], bytes]
Asked = Callable[[Question, "_Caller"], bytes]


class _NoToken(Exception):
    """This can be asked without a token, but not in this way."""


class _Caller:
    """Whoever waits for answers, of one call or of all those of a stream; its run ends when he goes."""

    def __init__(self, context: grpc.ServicerContext, memory: CallMemory, *, may_ask: bool = True) -> None:
        self._memory, self.may_ask = memory, may_ask
        self._debt = Debt(context.peer(), context.cancel)
        self._message = Message(0)
        self._run: Run | None = None
        self._is_gone = False
        self.request_id = ""
        """Of the request that is worked on, as far as it was read."""
        if not context.add_callback(self._leave):
            # Too late to be told.
            self._is_gone = True

    def waits_for(self, run: Run) -> None:
        self._run = run
        if self._is_gone:
            run.leave()

    @contextmanager
    def asks(self, question: Question) -> Iterator[None]:
        """While his message is worked on.

        :raises TooLarge: there never is room for it.
        :raises BoxRefused: there is none now.
        """
        with self._memory.held(question.size, question.charge) as self._message:
            yield

    def receives(self, pieces: Pieces) -> bytes:
        """An answer that is held in memory for him until he has taken it.

        :raises TooLarge: it is larger than one may be.
        :raises BoxRefused: there is no room for it.
        """
        self._memory.owe(self._debt, size_of(pieces), self._message)
        if self._is_gone:
            self._memory.settle(self._debt)
        return b"".join(pieces)

    def received(self) -> None:
        """He has taken the answer."""
        self._memory.settle(self._debt)

    def _leave(self) -> None:
        """The call is over: its answer is on the way, or nobody wants it any more."""
        self._is_gone = True
        self._memory.settle(self._debt)
        if self._run is not None:
            self._run.leave()


class GrpcService:
    """Calls run on threads of the listener's; inference goes to the shelf's workers, and what is quick is done at once.

    :param token: what must come as ``authorization: Bearer``, or None where anybody may ask.
    :param patience: with clients that take their time to send their message.
    :param memory: for messages and answers.
    :param streams: which may be open.
    """

    def __init__(
        self, shelf: ModelShelf, *, token: str | None, patience: Patience, memory: CallMemory, streams: Streams
    ) -> None:
        self._shelf, self._patience, self._memory, self._streams = shelf, patience, memory, streams
        self._token = token.encode() if token is not None else None
        protocol()  # now, not while the first client waits

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """All calls by name, for gRPC; they take and give bytes."""
        calls: Mapping[str, Call] = {
            "ServerLive": lambda _body: plain_message("ServerLiveResponse", {"live": True}),
            "ServerReady": lambda _body: plain_message("ServerReadyResponse", {"ready": self._shelf.ready()}),
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
            "RepositoryIndex": self._index,
        }
        asked = {name: self._guarded(name, _plain_question, _whoever_asks(call)) for name, call in calls.items()}
        asked["ModelInfer"] = self._guarded("ModelInfer", take_apart, self._infer)
        unary = {name: grpc.stream_unary_rpc_method_handler(behaviour) for name, behaviour in asked.items()}
        stream = grpc.stream_stream_rpc_method_handler(self._stream)
        check = grpc.stream_unary_rpc_method_handler(self._guarded("Check", _plain_question, self._check_health))
        return [
            grpc.method_handlers_generic_handler(SERVICE, {**unary, "ModelStreamInfer": stream}),
            grpc.method_handlers_generic_handler(HEALTH, {"Check": check}),
        ]

    def _guarded(
        self, name: str, read: Callable[[bytes], Question], call: Asked
    ) -> Callable[[Iterator[bytes], grpc.ServicerContext], bytes]:
        """``call`` for those who may ask.

        On the wire a call with one message is a stream that ends after it. As a stream we see its begin, and need not
        wait for ever for the rest.
        """

        def guarded(bodies: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            may_ask = self._may_ask(context)
            if name not in _OPEN and not may_ask:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, _NO_TOKEN)
            with self._patience.watch(context.cancel):
                body = next(bodies, None)
            try:
                if body is None:
                    raise InputInvalid("The call came without a message.")
                caller, question = _Caller(context, self._memory, may_ask=may_ask), read(body)
                # From here on the question alone holds it, for as long as anything of it is needed.
                del body
                with caller.asks(question):
                    return call(question, caller)
            except Exception as error:  # noqa: BLE001 - a bug in one call must not take the listener down
                code, why = _status(name, error)
            context.abort(code, why)
            raise AssertionError("abort has raised")

        return guarded

    def _stream(self, bodies: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """One answer for each request, in their order; an error is an answer too, and the stream goes on."""
        if not self._may_ask(context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, _NO_TOKEN)
        try:
            stream = self._streams.open(context.cancel)
        except BoxRefused as error:
            context.abort(*_status("ModelStreamInfer", error))
        try:
            # Clients that send nothing yet wait for this sign that they were let in.
            context.send_initial_metadata(())
            caller = _Caller(context, self._memory)
            # In a list, out of which it is taken: nobody up here holds a message that is done with.
            for arrived in stream.messages([body] for body in bodies):
                # gRPC asks for the next one when this one is taken.
                yield self._next_answer(arrived, caller)
                caller.received()
        finally:
            self._streams.close(stream)

    def _next_answer(self, arrived: list[bytes], caller: _Caller) -> bytes:
        caller.request_id = ""
        try:
            question = take_apart(arrived.pop())
            with caller.asks(question):
                return self._answer(
                    question, lambda answered: caller.receives(in_stream(encode_infer(answered))), caller
                )
        except Exception as error:  # noqa: BLE001 - a bug in one call must not take the listener down
            why = _status("ModelStreamInfer", error)[1]
            return caller.receives(error_in_stream(why, caller.request_id))

    def _may_ask(self, context: grpc.ServicerContext) -> bool:
        if self._token is None:
            return True
        given = dict(context.invocation_metadata()).get("authorization", "")
        return bears(given.encode() if isinstance(given, str) else given, self._token)

    def _check_health(self, question: Question, caller: _Caller) -> bytes:
        """Whether the server, or the model of that name, is ready.

        :raises NotFound: there is no such model.
        """
        # On the wire its request is one that names a model: a string in the first field.
        service = parse("ModelReadyRequest", question.head).name
        if service in ("", SERVICE):
            is_well = self._shelf.ready()
        elif caller.may_ask:
            is_well = self._shelf.entry(service).model is not None
        else:
            raise _NoToken
        return caller.receives([_SERVING if is_well else _NOT_SERVING])

    def _server_metadata(self, _body: bytes) -> bytes:
        return plain_message("ServerMetadataResponse", metadata.server_metadata(version("lineside")))

    def _model_ready(self, body: bytes) -> bytes:
        asked = parse("ModelReadyRequest", body)
        try:
            self._shelf.model(asked.name, asked.version)
        except (NotFound, ModelUnusable):
            return plain_message("ModelReadyResponse", {"ready": False})
        return plain_message("ModelReadyResponse", {"ready": True})

    def _model_metadata(self, body: bytes) -> bytes:
        asked = parse("ModelMetadataRequest", body)
        facts = metadata.model_metadata(self._shelf.model(asked.name, asked.version))
        return plain_message("ModelMetadataResponse", facts)

    def _model_config(self, body: bytes) -> bytes:
        asked = parse("ModelConfigRequest", body)
        facts = metadata.model_config(self._shelf.model(asked.name, asked.version))
        return plain_message("ModelConfigResponse", {"config": facts})

    def _model_statistics(self, body: bytes) -> bytes:
        asked = parse("ModelStatisticsRequest", body)
        if asked.name:
            models = [self._shelf.model(asked.name, asked.version)]
        else:
            models = [entry.model for entry in self._shelf.index() if entry.model]
        return plain_message("ModelStatisticsResponse", metadata.model_statistics(models))

    def _index(self, body: bytes) -> bytes:
        asked = parse("RepositoryIndexRequest", body)
        return plain_message(
            "RepositoryIndexResponse", {"models": metadata.model_index(self._shelf.index(), ready_only=asked.ready)}
        )

    def _infer(self, question: Question, caller: _Caller) -> bytes:
        # To bytes on the worker already: that too is work, and the workers' number limits it.
        return self._answer(question, lambda answered: caller.receives(encode_infer(answered)), caller)

    def _answer(self, question: Question, encode: Callable[[InferAnswer], bytes], caller: _Caller) -> bytes:
        arrived_ns = time.perf_counter_ns()
        message = parse("ModelInferRequest", question.head)
        caller.request_id = message.id
        bulk = bulk_of(message) if question.bulk is None else question.bulk
        model = self._shelf.model(message.model_name, message.model_version)
        if model.run_s <= QUICK_S and question.size <= QUICK_BYTES:
            return self._answer_quickly(model, message, bulk, encode, arrived_ns, caller)

        def work(run: Run) -> bytes:
            return answer(
                model, lambda: decode_infer(model.signature, message, bulk), encode, arrived_ns=arrived_ns, run=run
            )

        return self._work(model, work, arrived_ns, caller)

    def _answer_quickly(
        self,
        model: ServedModel,
        message: Any,
        bulk: Bulk,
        encode: Callable[[InferAnswer], bytes],
        arrived_ns: int,
        caller: _Caller,
    ) -> bytes:
        """What is small enough is run on this thread, which is less work than handing it over."""
        begin = time.perf_counter_ns()
        try:
            request = decode_infer(model.signature, message, bulk)
        except LinesideError:
            model.statistics.failed(time.perf_counter_ns() - arrived_ns)
            raise
        decode_ns = time.perf_counter_ns() - begin

        def work(run: Run) -> bytes:
            queue_ns = time.perf_counter_ns() - arrived_ns - decode_ns
            return answer_decoded(
                model, request, encode, arrived_ns=arrived_ns, queue_ns=queue_ns, decode_ns=decode_ns, run=run
            )

        if model.expected_s(request) > QUICK_S:
            return self._work(model, work, arrived_ns, caller)
        begun_s = time.thread_time()
        try:
            answered = work(self._shelf.pool.runs.new(QUICK_RUN_S, quick=True))
        except RunEnded:
            model.took(time.thread_time() - begun_s, allowed_s=QUICK_S)
            return self._work(model, work, arrived_ns, caller)
        model.took(time.thread_time() - begun_s, allowed_s=QUICK_S)
        return answered

    def _work(self, model: ServedModel, work: Callable[[Run], bytes], arrived_ns: int, caller: _Caller) -> bytes:
        run = self._shelf.pool.runs.new()
        caller.waits_for(run)
        try:
            return self._shelf.pool.run(lambda: work(run))
        except BoxRefused:
            model.statistics.failed(time.perf_counter_ns() - arrived_ns)
            raise


def _plain_question(body: bytes) -> Question:
    """:raises InputInvalid: it is longer than any that names a model."""
    if len(body) > MAX_QUESTION_BYTES:
        raise InputInvalid(f"Such a call has {MAX_QUESTION_BYTES} bytes at most; {len(body)} came.")
    return Question(len(body), HEAD_COST * len(body), body)


def _whoever_asks(call: Call) -> Asked:
    return lambda question, caller: caller.receives([call(question.head)])


def _status(name: str, error: Exception) -> tuple[grpc.StatusCode, str]:
    """An error as gRPC's code and words; the log is told of those that nobody foresaw."""
    if isinstance(error, LinesideError):
        code = next((code for kind, code in _STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
        return code, error.message
    if isinstance(error, _NoToken):
        return grpc.StatusCode.UNAUTHENTICATED, _NO_TOKEN
    if isinstance(error, RunEnded):
        return grpc.StatusCode.DEADLINE_EXCEEDED, str(error)
    if isinstance(error, TooLarge):
        return grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)
    if isinstance(error, MemoryError):
        return grpc.StatusCode.RESOURCE_EXHAUSTED, "There is not enough memory for this request."
    _log.error("%s", name, exc_info=error)
    return grpc.StatusCode.INTERNAL, _BUG
