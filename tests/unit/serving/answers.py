"""What a gRPC call answered, read."""

from __future__ import annotations

from typing import Any

from edge_runtime.serving.grpc_messages import protocol


def read_message(kind: str, body: bytes) -> Any:
    """The message of this kind; protobuf's classes are made at run time, and have no types.

    :raises google.protobuf.message.DecodeError: the bytes are none.
    """
    message = protocol()[kind]()
    message.ParseFromString(body)
    return message
