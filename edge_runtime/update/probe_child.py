"""The inside of the sandbox: limits first, then the model. Prints one JSON object and ends.

Never imported by the daemon; started by :func:`edge_runtime.update.probe.child_command`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from edge_runtime.inference.engine import Engine
    from edge_runtime.update.bundle import Bundle
    from edge_runtime.update.probe import ProbeFacts

T = TypeVar("T")
ROUNDS = 3
"""Each golden case is timed so often and the median counts, so that one hiccup of a busy box decides nothing."""
_MAX_FILES = 64
_MAX_FILE_BYTES = 2**20
_OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")


def main(arguments: list[str]) -> int:
    """:param arguments: path of the bundle, memory in bytes, processor time in seconds."""
    path, memory_bytes, cpu_seconds = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    _limit_process(cpu_seconds)
    # What native code prints must not get into the answer.
    answer = os.dup(1)
    os.dup2(2, 1)

    from edge_runtime.contracts import wire
    from edge_runtime.contracts.errors import LinesideError
    from edge_runtime.inference.engine import Engine
    from edge_runtime.update.bundle import read_bundle
    from edge_runtime.update.probe import ProbeFacts

    bundle = read_bundle(path)
    _limit_memory(memory_bytes)
    try:
        if problem := _runtime_too_old(bundle.manifest.min_runtime):
            facts = ProbeFacts(problem=problem)
        else:
            began = time.perf_counter()
            engine = Engine(bundle.model, bundle.manifest.input, bundle.manifest.output)
            facts = _replay(engine, bundle, (time.perf_counter() - began) * 1000)
    except (LinesideError, MemoryError) as error:
        said = error.message if isinstance(error, LinesideError) else "bad_alloc"
        if any(sign in said for sign in _OUT_OF_MEMORY):
            said = f"the model needs more than {memory_bytes // 2**20} MiB of memory"
        facts = ProbeFacts(problem=said.rstrip("."))
    os.write(answer, wire.encode(facts))
    return 0


def _limit_process(cpu_seconds: int) -> None:
    if os.name == "nt":
        return  # no such limits there: the wall clock of the parent is what holds
    import resource

    # The soft limit of processor time ends the process by a signal of its own, which is what the parent reports.
    for kind, soft, ceiling in (
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1),
        (resource.RLIMIT_NOFILE, _MAX_FILES, _MAX_FILES),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES, _MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, given = resource.getrlimit(kind)
        hard = ceiling if given == resource.RLIM_INFINITY else min(ceiling, given)
        resource.setrlimit(kind, (min(soft, hard), hard))
    os.nice(10)


def _limit_memory(memory_bytes: int) -> None:
    """Called once the libraries are loaded: they reserve address space that no model is to blame for."""
    if os.name == "nt":
        return
    import resource

    limit = _proc_status("VmSize") + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _proc_status(key: str) -> int:
    """A memory figure of this process in bytes. ``getrusage`` would do, but it inherits the parent's peak."""
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0


def _runtime_too_old(needed: str) -> str | None:
    import onnxruntime

    def numbers(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())

    if numbers(onnxruntime.__version__) >= numbers(needed):
        return None
    return f"the model needs onnxruntime {needed[:20]}; this box has {onnxruntime.__version__}"


def _replay(engine: Engine, bundle: Bundle, load_ms: float) -> ProbeFacts:
    import onnxruntime

    from edge_runtime.update.probe import ProbeFacts, value_deltas
    from edge_runtime.update.trial import percentile_95

    _answer(partial(engine.infer, engine.blank()))
    agreed, deltas, latencies = 0, [], []
    values: list[tuple[float, float]] = []
    for case in bundle.manifest.golden:
        frame, times = bundle.golden[case.path], []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            answer = _answer(partial(engine.predict, frame))
            times.append((time.perf_counter() - began) * 1000)
        latencies.append(sorted(times)[ROUNDS // 2])
        agreed += answer.label == case.label
        deltas.append(abs(answer.confidence - case.confidence))
        if case.value is not None and answer.value is not None:
            values.append((case.value, answer.value))
    return ProbeFacts(
        golden_total=len(bundle.manifest.golden),
        golden_agreed=agreed,
        confidence_delta_p95=min(1.0, percentile_95(deltas)),
        value_delta_p95=percentile_95(value_deltas(values)),
        latency_ms_p50=sorted(latencies)[len(latencies) // 2] if latencies else 0.0,
        latency_ms_p95=percentile_95(latencies),
        load_ms=load_ms,
        memory_bytes=_proc_status("VmHWM") if os.name != "nt" else 0,
        runtime=onnxruntime.__version__,
    )


def _answer(ask: Callable[[], T]) -> T:
    """What the model answers; whatever the runtime raises becomes an error with a plain reason.

    :raises MemoryError: it asked for more than it may have.
    :raises ModelUnusable: it failed in another way.
    """
    from edge_runtime.contracts.errors import LinesideError, ModelUnusable

    try:
        return ask()
    except (LinesideError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        said = lines[0] if lines else type(error).__name__
        if any(sign in said for sign in _OUT_OF_MEMORY):
            raise MemoryError(said) from error
        raise ModelUnusable(f"the model failed on a frame: {said[:300]}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
