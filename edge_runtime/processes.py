"""This process and others: its cores, and how Lineside starts a part of itself in a process of its own."""

from __future__ import annotations

import os
import sys

RUN_MODULE = "--run-module"
"""First argument by which a frozen program is told to be another of its parts."""


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules: ``python -m``, or this program itself where it is frozen.

    Modules come from where Lineside is installed, never from the folder in which the process happens to start.
    """
    if getattr(sys, "frozen", False):
        return [sys.executable, RUN_MODULE, module, *arguments]
    return [sys.executable, "-P", "-m", module, *arguments]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
