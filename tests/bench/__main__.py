"""Run every measurement and write docs/performance.md; those that are named (``python -m tests.bench fleet swap``) are
only printed."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tests.bench import (
    catch_up,
    collect,
    delivery,
    drift,
    enrolment,
    fleet,
    folder_pipeline,
    management,
    metrics,
    no_op,
    serving,
    serving_grpc,
    startup,
    swap,
    transfers,
)
from tests.bench.measure import Figure

REPORT = Path(__file__).resolve().parents[2] / "docs/performance.md"
MEASUREMENTS = (
    serving,
    serving_grpc,
    swap,
    folder_pipeline,
    management,
    fleet,
    delivery,
    collect,
    metrics,
    startup,
    drift,
    enrolment,
    catch_up,
    transfers,
    no_op,
)
INTRODUCTION = """\
# Performance

Written by `make bench`. Each row does the same work twice in one run, by turns: with Lineside's own code, and with the
reference that is named. The ratio says more than the figures, which are those of one machine on one day. A goal without
a unit is one for the ratio.
"""
NOTES = "## What stands in the way"
"""From this heading on the page is written by hand, and stays."""


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def number(value: float) -> str:
    """Three or four figures, never an exponent."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    rows = ["| what | Lineside | reference | | ratio | goal | |", "|---|---:|---:|---|---:|---|---|"]
    return "\n".join([*rows, *(row(each) for each in figures)])


def row(figure: Figure) -> str:
    ours, theirs = (f"{number(value)} {figure.unit}" for value in (figure.ours, figure.theirs))
    met = "" if figure.goal is None else "met" if figure.met else "**missed**"
    return f"| {figure.what} | {ours} | {theirs} | {figure.reference} | {figure.ratio:.2f} | {goal(figure)} | {met} |"


def goal(figure: Figure) -> str:
    """What the figure is to reach, in words; without a goal, which way is better."""
    if figure.goal is None:
        return "higher is better" if figure.higher_is_better else "lower is better"
    sign = "≥" if figure.higher_is_better else "≤"
    parts = []
    if figure.goal.ratio is not None:
        parts.append(f"{sign} {figure.goal.ratio:g}")
    if figure.goal.figure is not None:
        parts.append(f"{sign} {number(figure.goal.figure)} {figure.unit}")
    return " and ".join(parts)


def main(names: Sequence[str]) -> None:
    known = {measurement.__name__.rpartition(".")[2]: measurement for measurement in MEASUREMENTS}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"There is no measurement called {', '.join(unknown)}; there are {', '.join(known)}.")
    figures: list[Figure] = []
    for measurement in [known[name] for name in names] or MEASUREMENTS:
        for figure in measurement.measure():
            figures.append(figure)
            print(
                f"{figure.what}: {number(figure.ours)} {figure.unit}, {figure.ratio:.2f} of {figure.reference}",
                flush=True,
            )
    if names:
        print(table(figures))
        return
    today = datetime.datetime.now(datetime.UTC).date()
    where = (
        f"{today}, {processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"onnxruntime {version('onnxruntime')}."
    )
    _, heading, notes = REPORT.read_text(encoding="utf-8").partition(NOTES)
    REPORT.write_text(f"{INTRODUCTION}\n{where}\n\n{table(figures)}\n\n{heading}{notes}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
