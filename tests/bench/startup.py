"""How long the command line takes to say its version, against a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys

from tests.bench.measure import Figure, alternate


def measure() -> list[Figure]:
    ours, theirs = alternate(
        lambda: subprocess.run([sys.executable, "-m", "app", "--version"], check=True, capture_output=True),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True, capture_output=True),
        rounds=15,
    )
    return [
        Figure(
            what="`lineside --version`, start to exit",
            reference="`python -c pass`",
            unit="ms",
            ours=ours * 1000,
            theirs=theirs * 1000,
            higher_is_better=False,
        )
    ]
