"""Trying a model in a sandbox on the very box that would run it, before it comes near the line."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

import edge_runtime
from edge_runtime.children import wait_for
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.manifest import BundleManifest
from edge_runtime.contracts.rows import Count, Share
from edge_runtime.contracts.status import ProbeReport
from edge_runtime.processes import python_command
from edge_runtime.update.bundle import read_bundle

DEFAULT_MEMORY_BYTES = 768 * 2**20
"""Beyond what the libraries take themselves."""
MAX_ANSWER_BYTES = 2**20
_MAX_STDERR_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFacts:
    """What the sandbox measured; the judgement is made outside of it."""

    golden_total: Count = 0
    golden_agreed: Count = 0
    confidence_delta_p95: Share = 0.0
    value_delta_p95: Annotated[float, Meta(ge=0)] = 0.0
    """As :class:`edge_runtime.contracts.manifest.GoldenRules` measures it."""
    latency_ms_p50: float = 0.0
    latency_ms_p95: float = 0.0
    load_ms: float = 0.0
    memory_bytes: Count = 0
    runtime: str = ""
    problem: str | None = None
    """Why it could not be measured to the end."""


def probe(bundle_path: Path, *, timeout_s: float = 60.0, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> ProbeReport:
    """Load the bundle's model in a child process with limits, show it a blank frame and its golden cases, measure.

    A model that crashes, loops, or asks for too much memory gives ``passed=False`` with the reason, in bounded time.

    :param timeout_s: time after which the sandbox is killed, as far as this process ran; also its limit of processor
        time.
    :param memory_bytes: address space that the model may take.
    :raises BundleInvalid, BundleTampered: the file is no bundle at all.
    """
    bundle = read_bundle(bundle_path)
    facts = _run_child(bundle_path, timeout_s, memory_bytes)
    reasons = judge_probe(facts, bundle.manifest)
    return ProbeReport(
        bundle=bundle.id,
        passed=not reasons,
        golden_total=facts.golden_total,
        golden_agreed=facts.golden_agreed,
        confidence_delta_p95=facts.confidence_delta_p95,
        value_delta_p95=facts.value_delta_p95,
        latency_ms_p50=facts.latency_ms_p50,
        latency_ms_p95=facts.latency_ms_p95,
        load_ms=facts.load_ms,
        memory_bytes=facts.memory_bytes,
        runtime=facts.runtime,
        reasons=reasons,
    )


def judge_probe(facts: ProbeFacts, manifest: BundleManifest) -> tuple[str, ...]:
    """Why a model with these figures may not go on trial; empty where it may. Pure."""
    if facts.problem is not None:
        return (facts.problem,)
    rules, reasons = manifest.golden_rules, []
    if facts.golden_total != len(manifest.golden):
        reasons.append(f"only {facts.golden_total} of {len(manifest.golden)} golden cases were replayed")
    elif facts.golden_agreed < rules.min_agreement * facts.golden_total:
        reasons.append(
            f"only {facts.golden_agreed} of {facts.golden_total} golden cases came out as they should; "
            f"{rules.min_agreement:.0%} must"
        )
    if facts.confidence_delta_p95 > rules.max_confidence_delta:
        reasons.append(
            f"the confidence is off by up to {facts.confidence_delta_p95:.3f} on the golden cases; "
            f"at most {rules.max_confidence_delta:.3f} is allowed"
        )
    if facts.value_delta_p95 > rules.max_value_delta:
        reasons.append(
            f"the value is off by up to {facts.value_delta_p95:.1%} on the golden cases; "
            f"at most {rules.max_value_delta:.1%} is allowed"
        )
    budget = manifest.latency_budget_ms
    if budget is not None and facts.latency_ms_p95 > budget:
        reasons.append(f"one frame takes {facts.latency_ms_p95:.1f} ms on this box; the budget is {budget:.1f} ms")
    return tuple(reasons)


def value_deltas(values: Sequence[tuple[float, float]]) -> list[float]:
    """How far each value is from the expected one, as a share of the largest of both and of what is typical. Pure.

    What is typical is the median size of all expected values: a value near zero among large ones may be off by as
    much as they.

    :param values: expected and got.
    """
    typical = statistics.median([abs(expected) for expected, _ in values]) if values else 0.0
    return [
        abs(got - expected) / max(abs(got), abs(expected), typical) if got != expected else 0.0
        for expected, got in values
    ]


def child_command(bundle_path: Path, memory_bytes: int, cpu_seconds: int) -> list[str]:
    """How the sandbox is started."""
    arguments = [str(bundle_path.resolve()), str(memory_bytes), str(cpu_seconds)]
    return python_command("edge_runtime.update.probe_child", *arguments)


def _child_environment(folder: str) -> dict[str, str]:
    """Nothing of ours leaks in: no credentials, no proxies. One thread, so that a limit of memory means the model's."""
    environment = {
        "LANG": "C.UTF-8",
        "HOME": folder,
        "TMPDIR": folder,
        "PYTHONPATH": str(Path(edge_runtime.__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    if os.name == "nt":
        environment["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return environment


def _run_child(bundle_path: Path, timeout_s: float, memory_bytes: int) -> ProbeFacts:
    command = child_command(bundle_path, memory_bytes, max(1, round(timeout_s)))
    with tempfile.TemporaryDirectory(prefix="lineside-probe-") as folder:
        answer, complaints = Path(folder, "answer"), Path(folder, "complaints")
        # Files, not pipes: a child that writes without end meets its file size limit, and never our memory.
        with answer.open("wb") as out, complaints.open("wb") as err:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=_child_environment(folder),
                start_new_session=True,
            )
            try:
                code = wait_for(child, timeout_s)
            except subprocess.TimeoutExpired:
                return ProbeFacts(problem=f"the model did not answer its frames within {timeout_s:g} s")
            finally:
                _end(child)
        return _read_answer(answer, complaints, code, timeout_s)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Leave nothing of the sandbox behind, also when we are interrupted."""
    if child.poll() is None:
        child.kill()
    child.wait()


def _read_answer(answer: Path, complaints: Path, code: int, timeout_s: float) -> ProbeFacts:
    with answer.open("rb") as file:
        body = file.read(MAX_ANSWER_BYTES)
    if code == 0:
        try:
            return wire.decode(body, ProbeFacts, what="sandbox's answer")
        except InputInvalid as error:
            return ProbeFacts(problem=error.message.rstrip("."))
    with complaints.open("rb") as file:
        file.seek(max(0, complaints.stat().st_size - 4096))
        lines = file.read(4096).decode("utf-8", "replace").strip().splitlines()
    said = f": {lines[-1][:_MAX_STDERR_CHARS]}" if lines else ""
    if code == -getattr(signal, "SIGXCPU", 0):
        return ProbeFacts(problem=f"the model used more than {timeout_s:g} s of processor time")
    if code < 0:
        return ProbeFacts(problem=f"the model crashed the sandbox with {signal.Signals(-code).name}{said}")
    return ProbeFacts(problem=f"the sandbox ended with exit code {code}{said}")
