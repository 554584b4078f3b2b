"""This process and others: its cores, and how Lineside starts a part of itself in a process of its own."""

from __future__ import annotations

import itertools
import os
import sys
import sysconfig
from pathlib import Path

RUN_MODULE = "--run-module"
"""First argument by which a frozen program is told to be another of its parts."""
_RUN_FROM = """\
import os, runpy, sys
sys.path[:0] = sys.argv.pop(1).split(os.pathsep)
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
        # A version that lies in the box's home writes no bytecode there, and neither do its children.
        flags = "-ISB" if sys.flags.dont_write_bytecode else "-IS"
        return [sys.executable, flags, "-c", _RUN_FROM, os.pathsep.join(_added()), module, *arguments]
    return [sys.executable, "-P", "-m", module, *arguments]


def _added() -> list[str]:
    """Where modules come from beside Python's own folders."""
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    here = str(Path(__file__).resolve().parents[1])
    before = itertools.takewhile(lambda path: path not in own and not path.endswith(".zip"), sys.path)
    return list(dict.fromkeys((here, *filter(None, before))))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
