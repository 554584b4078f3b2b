"""Measuring one configuration in a process of its own: what crashes there, or wants too much memory, is a row."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_runtime.children import wait_for
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Count
from edge_runtime.inference.autotune import Configuration, Measurement
from edge_runtime.processes import python_command

MAX_ANSWER_BYTES = 2**20
_MAX_SAID_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What the child is to do."""

    model: str
    """Path of an ONNX file or a bundle."""
    provider: str
    threads: int
    workers: int
    batch: int
    seconds: float
    cases: str | None = None
    """Path of the bundle whose golden cases are shown; without it inputs are made up."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    answers: int = 0
    """On how many inputs to say the top answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """What the child found."""

    runs: Count = 0
    elapsed_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    memory_bytes: Count = 0
    load_ms: float = 0.0
    open_batch: bool = False
    """Whether several samples may go into one run."""
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes of what went into one run."""
    answers: tuple[str, ...] = ()
    problem: str | None = None
    """Why it could not be measured to the end."""
    hint: str | None = None
    """What to do about it, where not the model but what it is to be measured with is at fault."""


def run_trial(order: TrialOrder, *, timeout_s: float) -> TrialFacts:
    """Measure in a child process, in bounded time; whatever goes wrong there is :attr:`TrialFacts.problem`."""
    command = python_command("edge_runtime.inference.trial_child", wire.encode(order).decode(), str(timeout_s))
    # Files, not pipes: what a provider's libraries print without end must not fill our memory.
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as said:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            # Nothing comes on its input; by its end it knows of ours.
            command,
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=said,
            env=child_environment(),
        )
        try:
            code = wait_for(child, timeout_s)
        except subprocess.TimeoutExpired:
            return TrialFacts(problem=f"it did not end within {timeout_s:.0f} s")
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()
        answer.seek(0)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
        return read_answer(code, answer.read(MAX_ANSWER_BYTES), said.read(4096))


def read_answer(code: int, body: bytes, said: bytes) -> TrialFacts:
    """What a child's end means: its facts, or why there are none."""
    if code == 0:
        try:
            return wire.decode(body, TrialFacts, what="trial's answer")
        except InputInvalid as error:
            return TrialFacts(problem=error.message.rstrip("."))
    return TrialFacts(problem=how_it_ended(code, said))


def how_it_ended(code: int, said: bytes) -> str:
    """Why a child gave no answer.

    :param code: its exit status, negative where a signal ended it.
    :param said: the end of what it wrote to stderr.
    """
    lines = said.decode("utf-8", "replace").strip().splitlines()
    last = f": {lines[-1][:_MAX_SAID_CHARS]}" if lines else ""
    if code == -getattr(signal, "SIGKILL", 0):
        return "it was killed, which the system does when memory runs out"
    if code < 0:
        return f"it crashed with {signal.Signals(-code).name}{last}"
    return f"it ended with exit code {code}{last}"


def measurement(configuration: Configuration, facts: TrialFacts, agreement: float | None) -> Measurement:
    """A child's facts as a row."""
    if facts.problem is None and facts.elapsed_s <= 0:
        return Measurement(configuration=configuration, problem="it measured nothing")
    return Measurement(
        configuration=configuration,
        samples_per_s=facts.runs * configuration.batch / facts.elapsed_s if facts.problem is None else 0.0,
        p50_ms=facts.p50_ms,
        p99_ms=facts.p99_ms,
        memory_bytes=facts.memory_bytes,
        load_ms=facts.load_ms,
        agreement=agreement,
        problem=facts.problem,
    )


def child_environment() -> Mapping[str, str]:
    """Ours, where drivers and libraries are found by it; glibc's arenas grow with threads and would blur the memory."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
