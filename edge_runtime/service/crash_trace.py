"""The trace that a crash leaves in the box's folder: which signal it was, and whether a program's request brought it
about.

A program beside the line asks what it likes, and some of that ends the process: ONNX Runtime checks no division of
whole numbers, for one. The trace has the stack of the thread that crashed. Where that is one of the runtime's own it
has none: then it was whoever was in the runtime, as far as those were programs' requests only.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.inference.in_runtime import PLACES, only_requests

TRACE_NAME, RUNS_NAME = "crash.trace", "runs.note"
TRACE_BYTES = 8 * 1024
"""That much of it is read, and has room where the disk is full: the signal and the newest calls come first."""
_SIGNAL = re.compile(rb"Fatal Python error: ([\x20-\x7e]{1,100})")
_STACK = re.compile(rb"^Stack [^\n]*\n((?:  File [^\n]*\n)+)", re.MULTILINE)
_ASKED, _WARMED_UP = b"/edge_runtime/serving/", b" in _measure\n"


@dataclass(frozen=True, slots=True)
class Trace:
    """Of a crash."""

    how: str
    """In words, such as ``Segmentation fault``."""
    by_request: bool = False
    """In what a program asked over the inference listeners, and in nothing of a line's."""


def read_trace(body: bytes, runs: bytes) -> Trace | None:
    """What :mod:`faulthandler` wrote; None where it wrote nothing. Pure.

    :param runs: the places of :class:`edge_runtime.inference.in_runtime.InRuntime` as the crash left them.
    """
    found = _SIGNAL.search(body)
    if found is None:
        return None
    stack = _STACK.search(body)
    by_request = _ASKED in stack[1] and _WARMED_UP not in stack[1] if stack else only_requests(runs)
    return Trace(found[1].decode(), by_request)


def last_trace(home: Path) -> Trace | None:
    """What the last life left, before :meth:`edge_runtime.service.crashes.CrashWatch.begin` takes it."""
    return read_trace(_read(home / TRACE_NAME, TRACE_BYTES), _read(home / RUNS_NAME, PLACES))


def _read(path: Path, size: int) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(size)
    return b""
