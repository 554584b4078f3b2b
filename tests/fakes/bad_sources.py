"""A distribution that brings sources which bring the whole box down, as a driver or a decoder can."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
import ctypes
import os
import re
import signal

from edge_runtime.sources.base import Shown


class Bad(Shown):
    @staticmethod
    def check(location):
        pass


class Killed(Bad):
    """As the kernel does with a process that has taken all memory."""

    def __init__(self, location, memory, options):
        os.kill(os.getpid(), signal.SIGKILL)


class Crashed(Bad):
    def __init__(self, location, memory, options):
        ctypes.string_at(0)


class Hung(Bad):
    """Nothing else runs any more: the interpreter is never let go of."""

    def __init__(self, location, memory, options):
        re.match("(a|aa)+$", "a" * 200 + "b")
'''
POINTS = """\
[lineside.sources]
killed = bad_sources:Killed
crashed = bad_sources:Crashed
hung = bad_sources:Hung
"""


def put_bad_sources(folder: Path) -> Path:
    """Install it in ``folder``, which is to be in ``PYTHONPATH``."""
    facts = folder / "bad_sources-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / "bad_sources.py").write_text(MODULE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-sources\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(POINTS)
    return folder
