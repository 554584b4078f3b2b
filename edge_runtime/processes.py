"""This process and others: its cores, and how Lineside starts a part of itself in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

RUN_MODULE = "--run-module"
"""First argument by which a frozen program is told to be another of its parts."""
_RUN_FROM = """\
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules: ``python -m``, or this program itself where it is frozen.

    Modules come from where Lineside is installed, never from the folder in which the process happens to start.
    """
    if getattr(sys, "frozen", False):
        return [sys.executable, RUN_MODULE, module, *arguments]
    if sys.flags.no_site:
        # The box's own launcher: Python was told to look for modules nowhere, and then where ours are.
        return [sys.executable, "-IS", "-c", _RUN_FROM, str(Path(__file__).resolve().parents[1]), module, *arguments]
    return [sys.executable, "-P", "-m", module, *arguments]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
