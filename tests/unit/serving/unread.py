"""gRPC clients that ask for much and take nothing of it until they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np

from edge_runtime.serving.grpc_messages import SERVICE, protocol
from tests.unit.serving.answers import read_message

NO_WINDOW = [("grpc.http2.lookahead_bytes", 0), ("grpc.http2.bdp_probe", 0), ("grpc.max_receive_message_length", -1)]


def many(count: int) -> bytes:
    """A question to ``onnx_models.EXPAND`` whose answer has so many numbers."""
    message: Any = protocol()["ModelInferRequest"](
        model_name="expand",
        inputs=[
            {"name": "value", "datatype": "FP32", "shape": [1]},
            {"name": "times", "datatype": "INT64", "shape": [1]},
        ],
        raw_input_contents=[np.ones(1, np.float32).tobytes(), np.array([count]).tobytes()],
    )
    body: bytes = message.SerializeToString()
    return body


def numbers(body: bytes) -> int:
    """How many numbers an answer has."""
    message: Any = read_message("ModelInferResponse", body)
    return len(message.raw_output_contents[0]) // 4


class UnreadClient:
    """One connection."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._infer = channel.unary_stream(f"/{SERVICE}/ModelInfer")
        self._stream = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")

    def ask(self, count: int) -> Any:
        """A call whose answer, or refusal, is there; of the answer nothing is taken before somebody iterates."""
        call = self._infer(many(count), timeout=60)
        call.initial_metadata()
        return call

    def stream(self, bodies: Iterator[bytes]) -> Any:
        """A stream that is let in, with these questions on their way."""
        call = self._stream(bodies, timeout=60)
        call.initial_metadata()
        return call


@contextmanager
def unread_client(address: str) -> Iterator[UnreadClient]:
    apart = ("grpc.use_local_subchannel_pool", 1)
    with grpc.insecure_channel(address, [*NO_WINDOW, apart]) as channel:
        yield UnreadClient(channel)
