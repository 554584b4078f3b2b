"""The inference service, asked over gRPC, against the bare loop over the same model; validation and limits are on.

``python -m tests.bench.serving_grpc`` runs this part alone.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from edge_runtime.serving.grpc_messages import protocol
from tests.bench import mobilenet
from tests.bench.measure import Figure, Goal
from tests.bench.raw_loop import raw_loop
from tests.fakes.serve_process import serve

SECONDS = 1.5
ROUNDS = 5
CONNECTIONS = (1, 4, 16)


def measure() -> list[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        model = mobilenet.mobilenet(folder, "int8", "uint8")
        picture = mobilenet.images(1)
        np.save(folder / "image.npy", picture)
        (folder / "request").write_bytes(question(model.stem, picture))
        rates: dict[str, list[float]] = {}
        with ExitStack() as running:
            address = running.enter_context(serve(folder, model, "--grpc", "127.0.0.1:0")).facts["grpc"]
            turns: dict[str, Callable[[float], float]] = {
                "raw1": running.enter_context(raw_loop(model, folder / "image.npy", 1)),
                "raw2": running.enter_context(raw_loop(model, folder / "image.npy", 2)),
            }
            for connections in CONNECTIONS:
                turns[str(connections)] = running.enter_context(load(address, connections, folder / "request"))
            for _ in range(ROUNDS):
                for turn, run in turns.items():
                    rates.setdefault(turn, []).append(run(SECONDS))
    middle = {turn: statistics.median(each) for turn, each in rates.items()}
    return [
        Figure(
            what=f"MobileNetV2 int8 over gRPC, {connections} connection{'s'[: connections > 1]}",
            reference=f"the bare loop on {'one thread' if connections == 1 else 'two threads'}",
            unit="requests/s",
            ours=middle[str(connections)],
            theirs=middle["raw1" if connections == 1 else "raw2"],
            higher_is_better=True,
            goal=Goal(ratio=0.6),
        )
        for connections in CONNECTIONS
    ]


@contextmanager
def load(address: str, connections: int, request: Path) -> Iterator[Callable[[float], float]]:
    """Clients in a process of their own; call what it gives with seconds to hear answers a second."""
    command = [sys.executable, "-m", "tests.bench.grpc_load", address, str(connections), str(request)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        talk, listen = client.stdin, client.stdout

        def ask(seconds: float) -> float:
            talk.write(f"{seconds}\n")
            talk.flush()
            return float(listen.readline())

        try:
            yield ask
        finally:
            talk.close()


def question(model: str, picture: mobilenet.Image) -> bytes:
    """A ModelInferRequest with raw contents."""
    message = protocol()["ModelInferRequest"](model_name=model)
    message.inputs.add(name=mobilenet.INPUT_NAME, datatype="UINT8", shape=picture.shape)
    message.raw_input_contents.append(picture.tobytes())
    return cast("bytes", message.SerializeToString())


if __name__ == "__main__":
    for each in measure():
        print(f"{each.what}: {each.ours:.0f} {each.unit}, {each.ratio:.2f} of {each.reference}")
