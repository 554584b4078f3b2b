"""The real `lineside-edge serve` process on a small box: what requests take in memory has a bound that is true."""

from __future__ import annotations

import json
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from edge_runtime.serving.grpc_messages import SERVICE, protocol
from tests.fakes.serve_process import ServeProcess, serve
from tests.unit.serving import onnx_models as models
from tests.unit.serving.raw_client import RawClient, request
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read where Linux shows it")
MIB = 2**20


def resident(server: ServeProcess, which: str = "VmRSS") -> int:
    """Bytes that it has in memory."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{which}:"))


def most_resident(server: ServeProcess) -> int:
    """Bytes that it had in memory at the most."""
    return resident(server, "VmHWM")


def test_packed_numbers_do_not_become_gigabytes(tmp_path: Path) -> None:
    """Sixteen requests of 7 MiB each, at a time, whose numbers take one byte on the wire: each became 140 MiB, while it
    waited for the only worker, too."""
    file = tmp_path / "count.onnx"
    file.write_bytes(models.counting(kind=7))
    size = 7 * MIB
    message = protocol()["ModelInferRequest"](model_name="count")
    given = message.inputs.add(name="x", datatype="INT64", shape=[size])
    given.contents.int64_contents.extend([2**40, *[0] * (size - 1)])
    body = message.SerializeToString()
    del message, given
    with ExitStack() as stack:
        server = stack.enter_context(
            serve(tmp_path, file, "--grpc", "127.0.0.1:0", "--workers", "1", "--max-run-s", "0.5")
        )
        channel = stack.enter_context(grpc.insecure_channel(server.facts["grpc"]))
        ask = channel.unary_unary(f"/{SERVICE}/ModelInfer")

        def code(_: int) -> grpc.StatusCode:
            with pytest.raises(grpc.RpcError) as refused:
                ask(body, timeout=60)
            return refused.value.code()

        before = most_resident(server)
        with ThreadPoolExecutor(16) as clients:
            codes = set(clients.map(code, range(16)))
        assert codes <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert most_resident(server) - before < 800 * MIB


def test_a_large_string_is_refused_before_it_becomes_many_times_as_much(tmp_path: Path) -> None:
    """One wide character makes 60 MiB of text 240 MiB."""
    file = tmp_path / "same.onnx"
    file.write_bytes(models.echo("BYTES", ["n"]))
    text = "😀".encode() + b"a" * (60 * MIB)
    raw = struct.pack("<I", len(text)) + text
    head = (
        b'{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":%d}}],'
        b'"outputs":[{"name":"y","parameters":{"binary_data":true}}]}'
    ) % len(raw)
    with serve(tmp_path, file) as server, RawClient(server.address) as client:
        before = most_resident(server)
        where = f"Inference-Header-Content-Length: {len(head)}"
        answer = client.send(request("/v2/models/same/infer", head + raw, where)).answer()
        assert answer.status == 400
        assert "bytes of text; at most 8388608 are taken" in answer.json["error"]
        assert most_resident(server) - before < 300 * MIB


def test_what_large_answers_took_is_given_back(tmp_path: Path) -> None:
    """Some are held for clients that do not read them, the others are refused; each was made by the model."""
    file = tmp_path / "expand.onnx"
    file.write_bytes(models.parsed(models.EXPAND))

    def asked(numbers: int) -> bytes:
        value = {"name": "value", "shape": [1], "datatype": "FP32", "data": [1]}
        times = {"name": "times", "shape": [1], "datatype": "INT64", "data": [numbers]}
        body = {"inputs": [value, times], "parameters": {"binary_data_output": True}}
        return request("/v2/models/expand/infer", json.dumps(body).encode())

    with serve(tmp_path, file, "--workers", "2") as server:
        with RawClient(server.address) as client:
            assert client.send(asked(1)).answer().status == 200
        before = resident(server)
        for size in (12_000_000, 5_000_000):
            with ExitStack() as clients:
                unread = [clients.enter_context(RawClient(server.address, receive_buffer=4096)) for _ in range(12)]
                for client in unread:
                    client.send(asked(size))
                codes = {client.head().split(b" ", 2)[1] for client in unread}
                assert b"200" in codes <= {b"200", b"429"}
                assert resident(server) - before > 4 * size
            wait_until(lambda: resident(server) - before < 40 * MIB, 30, "the memory to be given back")
        assert server.stop() == 0
