"""The inference service, asked over HTTP by a load of clients, against the bare loop over the same model.

Validation, limits and figures are on, as they are by default. ``python -m tests.bench.serving`` runs this part alone.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.processes import python_command
from tests.bench import mobilenet
from tests.bench.load import Load, Question, ask_again_and_again
from tests.bench.measure import Figure, Goal
from tests.bench.raw_loop import raw_loop
from tests.fakes.serve_process import ServeProcess, serve

SECONDS = 2
ROUNDS = 5
STARTS = 7
MANY = 16
FIRST_ANSWER = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(open(sys.argv[1], "rb").read(), options, providers=["CPUExecutionProvider"])
session.run(None, {session.get_inputs()[0].name: numpy.load(sys.argv[2])})
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""What a program does that only wants one answer; it tells how many KiB it took."""


def digits() -> bytes:
    """A classifier of 8×8 digits: float32 (N, 64) → (N, 10), two dense layers."""
    rng = np.random.default_rng(1)
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name)
        for name, shape in (("w1", (64, 32)), ("b1", (32,)), ("w2", (32, 10)), ("b2", (10,)))
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["pixels", "w1", "b1"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "w2", "b2"], ["logits"]),
        ],
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def binary_question(model: str, name: str, tensor: np.ndarray) -> Question:
    """A request with one binary tensor, which wants binary tensors back."""
    datatype = {"uint8": "UINT8", "float32": "FP32"}[tensor.dtype.name]
    described = {"name": name, "shape": tensor.shape, "datatype": datatype}
    text = json.dumps(
        {
            "inputs": [{**described, "parameters": {"binary_data_size": tensor.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}
    return Question(f"/v2/models/{model}/infer", text + tensor.tobytes(), headers)


def json_question(model: str, name: str, tensor: np.ndarray) -> Question:
    """The same in JSON, both ways."""
    described = {"name": name, "shape": tensor.shape, "datatype": "FP32", "data": tensor.ravel().tolist()}
    body = json.dumps({"inputs": [described]}).encode()
    return Question(f"/v2/models/{model}/infer", body, {"Content-Type": "application/json"})


@contextmanager
def bare_server(model: Path) -> Iterator[tuple[str, int]]:
    """The reference for small models: the least that can be called a server, on the same event loop and parser. It
    believes everything, checks nothing, counts nothing and has no limits."""
    command = [sys.executable, "-m", "tests.bench.serving", "bare", str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield "127.0.0.1", int(process.stdout.readline())
        finally:
            process.terminate()


async def serve_bare(model: str) -> None:
    import httptools
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    wanted = [session.get_outputs()[0].name]
    head = b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n%b"

    class Bare(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            # uvloop's transports are none by their class.
            self.transport = cast("asyncio.Transport", transport)
            self.parser = httptools.HttpRequestParser(self)

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_header(self, name: bytes, value: bytes) -> None:
            if name.lower() == b"inference-header-content-length":
                self.json_length = int(value)

        def on_body(self, body: bytes) -> None:
            said = json.loads(body[: self.json_length])["inputs"][0]
            pixels = np.frombuffer(body, np.float32, offset=self.json_length).reshape(said["shape"])
            answer = session.run(wanted, {said["name"]: pixels})[0]
            output = {
                "name": wanted[0],
                "datatype": "FP32",
                "shape": answer.shape,
                "parameters": {"binary_data_size": answer.nbytes},
            }
            text = json.dumps({"model_name": "digits", "outputs": [output]}).encode()
            raw = answer.tobytes()
            self.transport.write(head % (len(text), len(text) + len(raw), text) + raw)

    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def memory_mb(server: ServeProcess) -> float:
    """The most that the process has had in memory."""
    status = Path(f"/proc/{server.facts['pid']}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def compare_mobilenet(folder: Path) -> list[Figure]:
    """Throughput by turns with the bare loop, then memory and start."""
    model = mobilenet.mobilenet(folder, "int8", "uint8")
    tensor = mobilenet.inputs(mobilenet.images(1), "uint8")
    np.save(folder / "image.npy", tensor)
    question = binary_question(model.stem, mobilenet.INPUT_NAME, tensor)
    rates: dict[str, list[float]] = {}
    with (
        raw_loop(model, folder / "image.npy", 1) as one_thread,
        raw_loop(model, folder / "image.npy", 2) as two_threads,
        serve(folder, model) as server,
    ):

        def asked_by(connections: int) -> float:
            return ask_again_and_again(server.address, question, connections=connections, seconds=SECONDS).per_second

        turns: dict[str, Callable[[], float]] = {
            "raw1": lambda: one_thread(SECONDS),
            "raw2": lambda: two_threads(SECONDS),
            **{str(connections): partial(asked_by, connections) for connections in (1, 4, MANY)},
        }
        for _ in range(ROUNDS):
            for name, turn in turns.items():
                rates.setdefault(name, []).append(turn())
        memory = memory_mb(server)
    middle = {name: statistics.median(each) for name, each in rates.items()}
    figures = [
        Figure(
            what=f"MobileNetV2 int8 over HTTP with binary tensors, {connections} connection{'s'[: connections > 1]}",
            reference=f"the bare loop on {'one thread' if raw == 'raw1' else 'two threads'}",
            unit="requests/s",
            ours=middle[str(connections)],
            theirs=middle[raw],
            higher_is_better=True,
            goal=Goal(ratio=0.85),
        )
        for connections, raw in ((1, "raw1"), (4, "raw2"), (MANY, "raw2"))
    ]
    starts = [start_to_first_answer(model, question, folder) for _ in range(STARTS)]
    bare = [script_to_first_answer(model, folder / "image.npy") for _ in range(STARTS)]
    script = "a script that makes the session and runs it once"
    return [
        *figures,
        Figure(
            what="`lineside-edge serve`, start to first answer of MobileNetV2 int8",
            reference=script,
            unit="ms",
            ours=statistics.median(starts) * 1000,
            theirs=statistics.median(each[0] for each in bare) * 1000,
            higher_is_better=False,
            goal=Goal(figure=350),
        ),
        Figure(
            what=f"Memory of the server after {MANY} connections, most",
            reference=script,
            unit="MB",
            ours=memory,
            theirs=statistics.median(each[1] for each in bare),
            higher_is_better=False,
            goal=Goal(figure=110),
        ),
    ]


def start_to_first_answer(model: Path, question: Question, folder: Path) -> float:
    """Seconds from the start of the process to its first answer, asked as soon as it says where."""
    command = [*python_command("edge_runtime"), "serve", str(model), "--http", "127.0.0.1:0", "--json"]
    begin = time.perf_counter()
    with (
        (folder / "start.err").open("w") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True) as process,
    ):
        assert process.stdout is not None
        host, _, port = json.loads(process.stdout.readline())["http"].rpartition(":")
        connection = http.client.HTTPConnection(host, int(port))
        connection.request("POST", question.path, question.body, dict(question.headers))
        with connection.getresponse() as response:
            assert response.status == 200
            response.read()
        took = time.perf_counter() - begin
        connection.close()
        process.terminate()
    return took


def script_to_first_answer(model: Path, tensor: Path) -> tuple[float, float]:
    """Seconds and megabytes of the least program that gets one answer."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", FIRST_ANSWER, model, tensor], check=True, capture_output=True)
    return time.perf_counter() - begin, int(done.stdout) * 1024 / 1e6


def compare_digits(folder: Path) -> list[Figure]:
    """How much a request costs where the model costs next to nothing."""
    (folder / "digits.onnx").write_bytes(digits())
    tensor = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 64)
    binary, plain = binary_question("digits", "pixels", tensor), json_question("digits", "pixels", tensor)
    with serve(folder, folder / "digits.onnx") as server, bare_server(folder / "digits.onnx") as bare:

        def load(address: tuple[str, int], question: Question, connections: int) -> Load:
            return ask_again_and_again(address, question, connections=connections, seconds=SECONDS)

        seen: dict[str, list[Load]] = {}
        for _ in range(ROUNDS):
            for name, address, question, connections in (
                ("one", server.address, binary, 1),
                ("bare one", bare, binary, 1),
                ("many", server.address, binary, MANY),
                ("many JSON", server.address, plain, MANY),
                ("bare many", bare, binary, MANY),
            ):
                seen.setdefault(name, []).append(load(address, question, connections))

    def rate(name: str) -> float:
        return statistics.median(each.per_second for each in seen[name])

    def p50_ms(name: str) -> float:
        return statistics.median(each.p50_us for each in seen[name]) / 1000

    reference = "a bare uvloop and httptools server that checks nothing"
    return [
        Figure(
            what=f"An 8×8 digits model over HTTP with {what}, {MANY} connections",
            reference=reference,
            unit="requests/s",
            ours=rate(name),
            theirs=rate("bare many"),
            higher_is_better=True,
            goal=goal,
        )
        for what, name, goal in (("binary tensors", "many", Goal(figure=20_000)), ("JSON", "many JSON", None))
    ] + [
        Figure(
            what="The same with binary tensors, one connection, median",
            reference=reference,
            unit="ms",
            ours=p50_ms("one"),
            theirs=p50_ms("bare one"),
            higher_is_better=False,
            goal=Goal(figure=0.15),
        )
    ]


def measure() -> list[Figure]:
    with TemporaryDirectory() as name:
        return [*compare_mobilenet(Path(name)), *compare_digits(Path(name))]


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["bare"]:
        import uvloop

        uvloop.run(serve_bare(arguments[1]))
        return
    for figure in measure():
        print(f"{figure.what}: {figure.ours:.3g} {figure.unit}, {figure.ratio:.2f} of {figure.reference}")


if __name__ == "__main__":
    main(sys.argv[1:])
