"""Run every measurement and write docs/performance.md."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tests.bench import collect, drift, folder_pipeline, management, serving, serving_grpc, startup
from tests.bench.measure import Figure

REPORT = Path(__file__).resolve().parents[2] / "docs/performance.md"
MEASUREMENTS = (serving, serving_grpc, folder_pipeline, management, collect, startup, drift)
INTRODUCTION = """\
# Performance

Written by `make bench`. Each row does the same work twice in one run, by turns: with Lineside's own code, and with the
reference that is named. The ratio says more than the figures, which are those of one machine on one day.
"""


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
    rows = ["| what | Lineside | reference | | ratio | better |", "|---|---:|---:|---|---:|---|"]
    for each in figures:
        better = "higher" if each.higher_is_better else "lower"
        rows.append(
            f"| {each.what} | {number(each.ours)} {each.unit} | {number(each.theirs)} {each.unit} | {each.reference} "
            f"| {each.ratio:.2f} | {better} |"
        )
    return "\n".join(rows)


def main() -> None:
    figures: list[Figure] = []
    for measurement in MEASUREMENTS:
        for figure in measurement.measure():
            figures.append(figure)
            print(
                f"{figure.what}: {number(figure.ours)} {figure.unit}, {figure.ratio:.2f} of {figure.reference}",
                flush=True,
            )
    today = datetime.datetime.now(datetime.UTC).date()
    where = (
        f"{today}, {processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"onnxruntime {version('onnxruntime')}."
    )
    REPORT.write_text(f"{INTRODUCTION}\n{where}\n\n{table(figures)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
