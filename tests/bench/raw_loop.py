"""The reference for the inference service: a model run again and again, with nothing around it.

``python -m tests.bench.raw_loop MODEL INPUT.npy THREADS`` loads a session for each thread, says ``ready`` and then, for
each line with a number of seconds, how many runs a second all threads together made.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort


@contextmanager
def raw_loop(model: Path, tensor: Path, threads: int) -> Iterator[Callable[[float], float]]:
    """A process of its own; call what it gives with seconds to hear runs a second."""
    command = [sys.executable, "-m", "tests.bench.raw_loop", str(model), str(tensor), str(threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        talk, listen = process.stdin, process.stdout
        assert listen.readline() == "ready\n"

        def measure(seconds: float) -> float:
            talk.write(f"{seconds}\n")
            talk.flush()
            return float(listen.readline())

        try:
            yield measure
        finally:
            talk.close()


def main(model: str, tensor: str, threads: int) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    sessions = [ort.InferenceSession(Path(model).read_bytes(), options, providers=providers) for _ in range(threads)]
    feeds = {sessions[0].get_inputs()[0].name: np.load(tensor)}
    for session in sessions:
        session.run(None, feeds)
    print("ready", flush=True)
    for line in sys.stdin:
        print(measure(sessions, feeds, float(line)), flush=True)


def measure(sessions: list[ort.InferenceSession], feeds: dict[str, np.ndarray], seconds: float) -> float:
    """Runs a second over all threads."""
    end = time.perf_counter() + seconds
    rates = [0.0] * len(sessions)

    def run(place: int) -> None:
        runs, begin = 0, time.perf_counter()
        while (now := time.perf_counter()) < end:
            sessions[place].run(None, feeds)
            runs += 1
        rates[place] = runs / (now - begin)

    workers = [threading.Thread(target=run, args=(place,)) for place in range(len(sessions))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
