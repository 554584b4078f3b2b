"""gRPC's own health service, asked as Kubernetes asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from edge_runtime.config import Inference
from edge_runtime.serving.grpc import GrpcServer
from edge_runtime.serving.grpc_messages import SERVICE
from edge_runtime.serving.model import load_model
from edge_runtime.serving.shelf import ModelShelf
from tests.unit.serving import onnx_models as models

TOKEN = "a-token-of-enough-characters"
SERVING, NOT_SERVING = 1, 2
Ask = Callable[..., int]


def health_proto() -> descriptor_pb2.FileDescriptorProto:
    """``grpc/health/v1/health.proto``, as far as a check needs it."""
    file = descriptor_pb2.FileDescriptorProto(name="health.proto", package="grpc.health.v1", syntax="proto3")
    optional = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    file.message_type.add(name="HealthCheckRequest").field.add(
        name="service", number=1, type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING, label=optional
    )
    response = file.message_type.add(name="HealthCheckResponse")
    status = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")):
        status.value.add(name=name, number=number)
    response.field.add(
        name="status",
        number=1,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_ENUM,
        type_name=".grpc.health.v1.HealthCheckResponse.ServingStatus",
        label=optional,
    )
    return file


@contextmanager
def asked(shelf: ModelShelf, token_file: str = "") -> Iterator[Ask]:
    """Asks a server of this shelf for the health of a service; the status that it answers."""
    found = message_factory.GetMessages([health_proto()], pool=descriptor_pool.DescriptorPool())
    server = GrpcServer(shelf, Inference(grpc="127.0.0.1:0", token_file=token_file))
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.address[1]}") as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=found["grpc.health.v1.HealthCheckRequest"].SerializeToString,
                response_deserializer=found["grpc.health.v1.HealthCheckResponse"].FromString,
            )

            def ask(service: str = "", token: str = "") -> int:
                request = found["grpc.health.v1.HealthCheckRequest"](service=service)
                metadata = [("authorization", f"Bearer {token}")] if token else None
                return int(check(request, metadata=metadata, timeout=60).status)

            yield ask
    finally:
        server.ask_to_stop()
        server.close(5)


@pytest.fixture
def shelf() -> Iterator[ModelShelf]:
    shelf = ModelShelf(workers=1)
    yield shelf
    assert shelf.pool.close(5)


def test_health_is_that_of_all_models_or_of_one(shelf: ModelShelf) -> None:
    with asked(shelf) as ask:
        assert ask() == ask(SERVICE) == NOT_SERVING, "there is no model yet"
        shelf.loading("word")
        assert ask() == ask("word") == NOT_SERVING
        shelf.put(load_model("word", "1", models.always(1)))
        assert ask() == ask(SERVICE) == ask("word") == SERVING
        shelf.fail("other", "it is broken")
        assert ask() == ask("other") == NOT_SERVING
        assert ask("word") == SERVING
        with pytest.raises(grpc.RpcError) as refused:
            ask("none")
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_probe_needs_no_token_and_learns_of_no_model(shelf: ModelShelf, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    secret.chmod(0o600)
    shelf.put(load_model("word", "1", models.always(1)))
    with asked(shelf, token_file=str(secret)) as ask:
        assert ask() == SERVING
        assert ask("word", TOKEN) == SERVING
        for name in ("word", "none"):
            with pytest.raises(grpc.RpcError) as refused:
                ask(name)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_what_is_no_question_is_refused(shelf: ModelShelf) -> None:
    server = GrpcServer(shelf, Inference(grpc="127.0.0.1:0"))
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.address[1]}") as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            for body in (b"\xff", b"\n" + bytes(100_000)):
                with pytest.raises(grpc.RpcError) as refused:
                    check(body, timeout=60)
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    finally:
        server.ask_to_stop()
        server.close(5)
