"""The best way to run a model on this box: what to try, what to choose of what was measured, and where that is kept.

Pure but for :class:`TuningStore`; :mod:`edge_runtime.inference.trials` does the measuring.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import onnxruntime as ort
from msgspec import Meta

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Count, Digest
from edge_runtime.inference.providers import CPU, candidates, short_name, traits
from edge_runtime.inference.session import Tuning, cores
from edge_runtime.update.durable import write_durably

TUNING_NAME = "tuning.json"
CPU_BATCH = 4
DEVICE_BATCHES = (8, 32)
EVEN = 0.03
"""Figures that differ by no more than this share are the same: then the simpler configuration is the better one."""
SAME_ANSWERS = 0.9
"""Share of top answers that another provider must have in common with the processor before it may serve a line."""
FINALISTS = 4
MAX_STORE_BYTES = 64 * 1024
MAX_STORED = 32
_log = logging.getLogger(__name__)

Goal = Literal["throughput", "latency"]
Parallel = Annotated[int, Meta(ge=1, le=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One way to run one model."""

    variant: str
    provider: str = CPU
    threads: int = 1
    workers: int = 1
    batch: int = 1

    def __str__(self) -> str:
        return (
            f"{self.variant}, {short_name(self.provider)}, threads {self.threads}, workers {self.workers}, "
            f"batch {self.batch}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What came of a configuration."""

    configuration: Configuration
    samples_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    """Of one run, whatever its batch."""
    memory_bytes: Count = 0
    """Most resident memory beyond that of a runtime without a model."""
    load_ms: float = 0.0
    agreement: float | None = None
    """Share of the inputs whose top answer is that of the first model on the processor; None where nobody can say."""
    problem: str | None = None
    """Why there are no figures."""

    @property
    def usable(self) -> bool:
        return self.problem is None


def configurations(
    variants: Sequence[str], providers: Sequence[str], core_count: int, batched: Sequence[str] = ()
) -> list[Configuration]:
    """What to try, the most telling first: one of everything, then the refinements.

    :param batched: the variants that take several samples in one run.
    """
    rounds: dict[int, list[Configuration]] = {}
    for variant in variants:
        for provider in providers:
            for turn, (threads, workers, batch) in enumerate(_ways(provider, core_count, batched=variant in batched)):
                chosen = Configuration(
                    variant=variant, provider=provider, threads=threads, workers=workers, batch=batch
                )
                rounds.setdefault(turn, []).append(chosen)
    return [configuration for turn in sorted(rounds) for configuration in rounds[turn]]


def _ways(provider: str, core_count: int, *, batched: bool) -> list[tuple[int, int, int]]:
    """Threads, workers and batch: one run alone, one run on each core, all cores in one run, what lies between."""
    if traits(provider).own_device:
        crowd = 1 if traits(provider).one_at_a_time else 2
        ways = [(1, 1, 1), (1, crowd, 1)]
        ways += [(1, crowd, batch) for batch in DEVICE_BATCHES if batched]
    else:
        ways = [(1, 1, 1), (1, core_count, 1), (core_count, 1, 1)]
        if batched:
            ways += [(1, core_count, CPU_BATCH), (core_count, 1, CPU_BATCH)]
        threads = 2
        while threads < core_count:
            ways += [(threads, core_count // threads, 1), (threads, 1, 1)]
            threads *= 2
    return list(dict.fromkeys(ways))


def finalists(measured: Sequence[Measurement]) -> list[Configuration]:
    """Those worth a longer look, so that a moment's noise does not decide."""
    usable = [each for each in measured if each.usable]
    alone = [each for each in usable if _single(each)]
    quickest = sorted(alone, key=lambda each: each.p50_ms)[: FINALISTS // 2]
    busiest = sorted(usable, key=lambda each: -each.samples_per_s)
    chosen = [each.configuration for each in quickest]
    for each in busiest:
        if len(chosen) < FINALISTS and each.configuration not in chosen:
            chosen.append(each.configuration)
    return chosen


def together(measured: Iterable[Measurement]) -> list[Measurement]:
    """One row for each configuration: the median of its figures, its largest memory."""
    by_configuration: dict[Configuration, list[Measurement]] = {}
    for each in measured:
        by_configuration.setdefault(each.configuration, []).append(each)
    return [_merge(rows) for rows in by_configuration.values()]


def best(measured: Sequence[Measurement], goal: Goal) -> Measurement | None:
    """The most samples a second, or the quickest answer to one caller; None where nothing could be measured."""
    usable = [each for each in measured if each.usable and (goal == "throughput" or _single(each))]
    if not usable:
        return None
    if goal == "throughput":
        most = max(each.samples_per_s for each in usable)
        even = [each for each in usable if each.samples_per_s >= most * (1 - EVEN)]
    else:
        least = min(each.p50_ms for each in usable)
        even = [each for each in usable if each.p50_ms <= least * (1 + EVEN)]
    return min(even, key=_effort)


def storable(measured: Sequence[Measurement], variant: str, goal: Goal) -> Measurement | None:
    """The best way to run ``variant`` frame by frame, as a line does; a provider that answers otherwise is out."""
    return best(
        [
            each
            for each in measured
            if each.configuration.variant == variant
            and each.configuration.batch == 1
            and (each.configuration.provider == CPU or (each.agreement or 0.0) >= SAME_ANSWERS)
        ],
        goal,
    )


def tuning_of(configuration: Configuration) -> Tuning:
    return Tuning(provider=configuration.provider, threads=configuration.threads, workers=configuration.workers)


def agreement(answers: Sequence[str], reference: Sequence[str]) -> float | None:
    """Share of answers that are the reference's, over the inputs that both had; None without any."""
    pairs = list(zip(answers, reference, strict=False))
    return sum(ours == theirs for ours, theirs in pairs) / len(pairs) if pairs else None


def _single(measured: Measurement) -> bool:
    return measured.configuration.workers == 1 and measured.configuration.batch == 1


def _effort(measured: Measurement) -> tuple[int, int, int, float]:
    """The less of it the better, where the figures are even."""
    chosen = measured.configuration
    return chosen.batch, chosen.threads * chosen.workers, measured.memory_bytes, -measured.samples_per_s


def _merge(rows: Sequence[Measurement]) -> Measurement:
    usable = [each for each in rows if each.usable]
    if len(usable) < len(rows):
        # Once is enough: what fails now and then fails on the line too.
        return next(each for each in rows if not each.usable)
    return replace(
        rows[0],
        samples_per_s=median(each.samples_per_s for each in usable),
        p50_ms=median(each.p50_ms for each in usable),
        p99_ms=median(each.p99_ms for each in usable),
        memory_bytes=max(each.memory_bytes for each in usable),
        load_ms=median(each.load_ms for each in usable),
        agreement=next((each.agreement for each in usable if each.agreement is not None), None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTuning:
    """What was found for one model, and where it holds."""

    model: Digest
    """sha256 of ``model.onnx``."""
    runtime: Annotated[str, Meta(max_length=40)]
    """Version of onnxruntime."""
    cores: Parallel
    provider: Annotated[str, Meta(max_length=64)]
    threads: Parallel
    workers: Parallel
    samples_per_s: float = 0.0
    at_ms: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTunings:
    """``tuning.json``."""

    tunings: tuple[StoredTuning, ...] = ()


class TuningStore:
    """What ``lineside-edge bench --home`` found for the models of this box; read afresh for every question.

    :param now_ms: the box's clock, milliseconds since 1970.
    """

    def __init__(self, path: Path, *, now_ms: Callable[[], int] = lambda: 0) -> None:
        self._path, self._now_ms = path, now_ms

    def of(self, model: bytes) -> Tuning:
        """How to run this model; where nothing that holds here is stored, the default, and the log says why."""
        tuning, why = self.look_up(model)
        if why:
            _log.warning("%s", why)
        return tuning

    def look_up(self, model: bytes) -> tuple[Tuning, str | None]:
        """How to run this model, and why what is stored for it does not apply; None where it does, or is not there."""
        try:
            stored = self._load()
        except InputInvalid as error:
            return Tuning(), error.message
        digest = hashlib.sha256(model).hexdigest()
        found = next((each for each in stored if each.model == digest), None)
        if found is None:
            return Tuning(), None
        if why := outdated(found, ort.__version__, cores(), ort.get_available_providers()):
            return (
                Tuning(),
                f"The tuning in {self._path.name} no longer applies: {why}. Run `lineside-edge bench` again.",
            )
        return Tuning(provider=found.provider, threads=found.threads, workers=found.workers), None

    def put(self, model: bytes, best_of: Measurement) -> StoredTuning:
        """Keep this for the model; it is on the disk when this returns.

        :raises DiskFull: no room; what was stored is as it was.
        """
        chosen = best_of.configuration
        new = StoredTuning(
            model=hashlib.sha256(model).hexdigest(),
            runtime=ort.__version__,
            cores=cores(),
            provider=chosen.provider,
            threads=chosen.threads,
            workers=chosen.workers,
            samples_per_s=round(best_of.samples_per_s, 3),
            at_ms=self._now_ms(),
        )
        try:
            others = [each for each in self._load() if each.model != new.model]
        except InputInvalid:
            others = []
        kept = (*others, new)[-MAX_STORED:]
        write_durably(self._path, [wire.encode(StoredTunings(tunings=kept))])
        return new

    def _load(self) -> tuple[StoredTuning, ...]:
        """:raises InputInvalid: the file is damaged, or was made by something else."""
        try:
            with self._path.open("rb") as file:
                body = file.read(MAX_STORE_BYTES + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise InputInvalid(f"{self._path.name} cannot be read: {error.strerror}.") from error
        if len(body) > MAX_STORE_BYTES:
            raise InputInvalid(f"{self._path.name} is far too long for what it should be.")
        return wire.decode(body, StoredTunings, what=f"file {self._path.name}").tunings


def outdated(stored: StoredTuning, runtime: str, core_count: int, available: Sequence[str]) -> str | None:
    """Why a stored tuning does not hold here; None where it does."""
    if stored.runtime != runtime:
        return f"it was measured with onnxruntime {stored.runtime}; this is {runtime}"
    if stored.cores != core_count:
        return f"it was measured on {stored.cores} cores; there are {core_count} now"
    if stored.provider not in candidates(available):
        return f"onnxruntime no longer offers {short_name(stored.provider)}"
    if stored.threads > core_count:
        return f"it has {stored.threads} threads for {core_count} cores"
    return None
