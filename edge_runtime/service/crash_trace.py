"""The trace that a crash leaves in the box's folder: which signal it was, and whether a program's request brought it
about.

A program beside the line asks what it likes, and some of that ends the process: ONNX Runtime checks no division of
whole numbers, for one. The trace names the thread that crashed. Where that is one of the runtime's own, whoever was in
the runtime is to blame, as far as those were programs' requests only.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TRACE_NAME = "crash.trace"
TRACE_BYTES = 64 * 1024
"""Of some fifty threads."""
_SIGNAL = re.compile(rb"Fatal Python error: ([\x20-\x7e]{1,100})")
_STACK = re.compile(rb"^(Current thread|Thread) 0x[^\n]*\n((?:  File [^\n]*\n)+)", re.MULTILINE)
_IN_RUNTIME, _ASKED, _WARMED_UP = b"/onnxruntime/capi/", b"/edge_runtime/serving/", b" in _measure\n"


@dataclass(frozen=True, slots=True)
class Trace:
    """Of a crash."""

    how: str
    """In words, such as ``Segmentation fault``."""
    by_request: bool = False
    """In what a program asked over the inference listeners, and in nothing of a line's."""


def read_trace(body: bytes) -> Trace | None:
    """What :mod:`faulthandler` wrote; None where it wrote nothing. Pure."""
    found = _SIGNAL.search(body)
    if found is None:
        return None
    stacks = _STACK.findall(body)
    to_blame = [stack for kind, stack in stacks if kind == b"Current thread"]
    to_blame = to_blame or [stack for _, stack in stacks if _IN_RUNTIME in stack]
    by_request = bool(to_blame) and all(_ASKED in stack and _WARMED_UP not in stack for stack in to_blame)
    return Trace(found[1].decode(), by_request)


def last_trace(home: Path) -> Trace | None:
    """What the last life left, before :meth:`edge_runtime.service.crashes.CrashWatch.begin` takes it."""
    with suppress(OSError), (home / TRACE_NAME).open("rb") as file:
        return read_trace(file.read(TRACE_BYTES))
    return None
