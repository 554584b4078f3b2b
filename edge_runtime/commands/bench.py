"""``lineside-edge bench``: the best way to run a model on this box."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from edge_runtime.contracts.errors import BundleInvalid, BundleTampered, InputInvalid, ModelUnusable, NotFound
from edge_runtime.inference.autotune import (
    TUNING_NAME,
    Configuration,
    Goal,
    Measurement,
    StoredTuning,
    TuningStore,
    best,
    storable,
)
from edge_runtime.inference.providers import candidates, short_name
from edge_runtime.inference.session import cores
from edge_runtime.inference.survey import Survey
from edge_runtime.inference.trials import TrialFacts, TrialOrder, run_trial
from edge_runtime.model_files import ModelFile, read_model_file
from edge_runtime.update.bundle import read_bundle
from edge_runtime.update.slot_store import SlotStore

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers

DEFAULT_SECONDS = 25.0
TRIAL_TIMEOUT_S = 20.0
"""Beyond what a trial measures."""
POOR_AGREEMENT = 0.98
"""Below this share of equal top answers the table's reader is told to judge the variant first."""


def add_parser(commands: Parsers) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "bench",
        help="find the best way to run a model on this box",
        description="Try providers, threads, workers, batches and variants of a model, each in a process of its own.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file or a bundle")
    parser.add_argument(
        "--variant", type=Path, action="append", nargs="+", default=[], metavar="OTHER.onnx",
        help="the same model in another form, int8 beside fp32 for instance",
    )  # fmt: skip
    parser.add_argument("--home", type=Path, help="the box's folder: keep the best for its installed model")
    parser.add_argument("--goal", choices=("throughput", "latency"), default="throughput", help="what to keep it for")
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS, help="about how long it may take")
    parser.add_argument(
        "--shape", action="append", default=[], metavar="NAME:1x3x224x224",
        help="shape of an input whose open sizes are not to be guessed",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found."""

    rows: Sequence[Measurement]
    throughput: Measurement | None
    latency: Measurement | None
    stored: StoredTuning | None = None
    note: str | None = None
    """What a person should know before acting on it."""


def run(options: argparse.Namespace) -> int:
    """Measure, print, and with ``--home`` keep the best; the exit status is 1 where the model itself does not run."""
    if not 1 <= options.seconds <= 3600:
        raise InputInvalid("--seconds is from 1 to 3600.")
    shapes = parse_shapes(options.shape)
    paths = [options.model, *(path for group in options.variant for path in group)]
    names = list(_named(paths))
    first = read_model_file(paths[0])
    for path in paths[1:]:
        with suppress(ModelUnusable, BundleInvalid, BundleTampered):  # each of these becomes a row
            read_model_file(path)
    if options.home is not None:
        _check_installed(options.home, first)
    progress = _show if not options.json and sys.stderr.isatty() else _hush
    survey = Survey(
        variants=names,
        providers=candidates(ort.get_available_providers()),
        core_count=cores(),
        trial=_Trials(dict(zip(names, paths, strict=True)), first, shapes).run,
        seconds=options.seconds,
        progress=progress,
    )
    try:
        rows = survey.run()
    finally:
        progress("")
    report = Report(rows, best(rows, "throughput"), best(rows, "latency"))
    if options.home is not None:
        report = _keep(report, options.home, names[0], first, options.goal)
    sys.stdout.write(as_json(report) if options.json else as_text(report))
    return 0 if any(row.usable for row in rows if row.configuration.variant == names[0]) else 1


def parse_shapes(given: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """``name:1x3x224x224`` as the shapes of inputs.

    :raises InputInvalid: not written so.
    """
    shapes = {}
    for text in given:
        name, _, sizes = text.rpartition(":")
        parts = sizes.split("x")
        if not name or not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**31 for part in parts):
            raise InputInvalid(f"{text!r} is no shape; write it as name:1x3x224x224.")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes


class _Trials:
    """Runs the trials of these files; golden cases are the first one's."""

    def __init__(self, paths: Mapping[str, Path], first: ModelFile, shapes: dict[str, tuple[int, ...]]) -> None:
        self._paths = {name: str(path.resolve()) for name, path in paths.items()}
        self._cases = next(iter(self._paths.values())) if first.bundle is not None else None
        self._shapes = shapes

    def run(self, configuration: Configuration, seconds: float, answers: int) -> TrialFacts:
        order = TrialOrder(
            model=self._paths[configuration.variant],
            provider=configuration.provider,
            threads=configuration.threads,
            workers=configuration.workers,
            batch=configuration.batch,
            seconds=seconds,
            cases=self._cases,
            shapes=self._shapes,
            answers=answers,
        )
        return run_trial(order, timeout_s=TRIAL_TIMEOUT_S + 2 * seconds)


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """The shortest names by which the files can be told apart."""
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise InputInvalid("The same file is named twice.")
    return dict(zip(names, paths, strict=True))


def _check_installed(home: Path, file: ModelFile) -> None:
    """:raises InputInvalid: another model runs in this home.
    :raises NotFound: nothing does.
    """
    if not (home / "state.db").exists():
        raise NotFound(f"No model was ever installed in {home}.", hint="Measure without --home, or install one first.")
    table = SlotStore(home / "state.db").load()
    used = [name for name in ("a", "b") if table.slot(name).state in ("COMMITTED", "TRIAL")]
    if not used:
        raise NotFound(f"No model is installed in {home}.", hint="Measure without --home, or install one first.")
    digest = hashlib.sha256(file.model).digest()
    for name in used:
        if hashlib.sha256(read_bundle((home / "slots" / f"{name}.bundle").resolve()).model).digest() == digest:
            return
    raise InputInvalid(
        f"{file.name} is not installed in {home}, so how it runs best cannot be kept there.",
        hint="Name the installed bundle first and this one with --variant, or measure without --home.",
    )


def _keep(report: Report, home: Path, name: str, file: ModelFile, goal: Goal) -> Report:
    found = storable(report.rows, name, goal)
    if found is None:
        return report
    stored = TuningStore(home / TUNING_NAME, now_ms=lambda: time.time_ns() // 1_000_000).put(file.model, found)
    winner = report.throughput if goal == "throughput" else report.latency
    note = None
    if winner is not None and winner.configuration.variant != name:
        note = (
            f"{winner.configuration.variant} does better, but it is not the installed model and cannot be stored as "
            "its tuning: release it as a bundle to use it."
        )
    return Report(report.rows, report.throughput, report.latency, stored, note)


def as_text(report: Report) -> str:
    """The table and what to make of it."""
    heading = ("variant", "provider", "threads", "workers", "batch", "images/s", "p50 ms", "p99 ms", "MB", "agreement")
    usable = sorted((row for row in report.rows if row.usable), key=lambda row: -row.samples_per_s)
    cells = [heading, *(_cells(row) for row in usable)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    lines += [f"{row.configuration}: {row.problem}" for row in report.rows if not row.usable]
    lines.append("")
    for what, row in (("Most images a second", report.throughput), ("Quickest single answer", report.latency)):
        if row is not None:
            figures = f"{row.samples_per_s:.1f} images/s, p50 {row.p50_ms:.2f} ms"
            lines.append(f"{what}: {row.configuration} ({figures})")
            if row.agreement is not None and row.agreement < POOR_AGREEMENT:
                lines.append(
                    f"  Its top answer is that of {report.rows[0].configuration.variant} on {row.agreement:.0%} of the "
                    "inputs tried: judge it on real ones before you use it."
                )
    if report.stored is not None:
        kept = report.stored
        lines.append(
            f"Kept for the box: {short_name(kept.provider)}, threads {kept.threads}, workers {kept.workers}; one that "
            "runs takes it up within seconds."
        )
    if report.note is not None:
        lines.append(report.note)
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """The same for programs; figures of a configuration that failed are null."""
    stored = report.stored
    body = {
        "cores": cores(),
        "onnxruntime": ort.__version__,
        "rows": [_plain(row) for row in report.rows],
        "throughput": _plain(report.throughput),
        "latency": _plain(report.latency),
        "stored": stored
        and {"provider": stored.provider, "threads": stored.threads, "workers": stored.workers, "model": stored.model},
        "note": report.note,
    }
    return json.dumps(body, ensure_ascii=False) + os.linesep


def _cells(row: Measurement) -> tuple[str, ...]:
    chosen = row.configuration
    return (
        chosen.variant,
        short_name(chosen.provider),
        str(chosen.threads),
        str(chosen.workers),
        str(chosen.batch),
        f"{row.samples_per_s:.1f}",
        f"{row.p50_ms:.2f}",
        f"{row.p99_ms:.2f}",
        f"{row.memory_bytes / 1e6:.0f}",
        "?" if row.agreement is None else f"{row.agreement:.0%}",
    )


def _plain(row: Measurement | None) -> dict[str, Any] | None:
    if row is None:
        return None
    chosen, usable = row.configuration, row.usable
    return {
        "variant": chosen.variant,
        "provider": chosen.provider,
        "threads": chosen.threads,
        "workers": chosen.workers,
        "batch": chosen.batch,
        "images_per_s": row.samples_per_s if usable else None,
        "p50_ms": row.p50_ms if usable else None,
        "p99_ms": row.p99_ms if usable else None,
        "memory_bytes": row.memory_bytes if usable else None,
        "load_ms": row.load_ms if usable else None,
        "agreement": row.agreement,
        "problem": row.problem,
    }


def _show(what: object) -> None:
    sys.stderr.write(f"\r\x1b[K{what}")
    sys.stderr.flush()


def _hush(_what: object) -> None:
    """Programs and log files want no running commentary."""
