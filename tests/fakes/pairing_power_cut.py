"""The real daemon, or the real desktop, which loses its power at a chosen step of a pairing: a process of its own.

Arguments: ``run --home HOME`` for a box, ``pair --home HOME ADDRESS CODE`` for a desktop; the step is in the
environment, as ``PAIRING_CUT``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.context import open_context
from app.usecases import pairing
from edge_runtime.pairing.code_file import CodeFile
from edge_runtime.pairing.machine import BoxSide, DesktopSide
from edge_runtime.service import daemon
from edge_runtime.service.trust import TrustStore
from tests.fakes.power_cut import cut_the_power

BOX_STEPS = ("uncounted", "counted", "proved", "root", "trusted", "gone")
"""In order: nothing is counted; counted, not answered; the desktop is told who the box is; the box has the site's root,
and no desktop; it trusts the desktop, and its code still stands; the code is gone, and the desktop is not told."""
DESKTOP_STEPS = ("learned", "kept", "said", "heard")
"""In order: the desktop has not written down who the box is; has; has said so; has heard that it is trusted."""


def _then_cut(cls: type, name: str) -> Any:
    made: Callable[..., Any] = getattr(cls, name)

    def done(*arguments: Any, **named: Any) -> None:
        made(*arguments, **named)
        cut_the_power()

    return patch.object(cls, name, done)


def _cut_before(cls: type, name: str) -> Any:
    return patch.object(cls, name, lambda *_arguments, **_named: cut_the_power())


def run_box(home: Path, step: str) -> int:
    cuts = {
        "uncounted": lambda: _cut_before(CodeFile, "count"),
        "counted": lambda: _then_cut(CodeFile, "count"),
        "proved": lambda: _cut_before(BoxSide, "accept"),
        "root": lambda: _then_cut(TrustStore, "set_root"),
        "trusted": lambda: _then_cut(TrustStore, "add_desktop"),
        "gone": lambda: _then_cut(CodeFile, "remove"),
    }
    with cuts[step]():
        return daemon.run(home)


def run_desktop(home: Path, step: str, address: str, code: str) -> None:
    cuts: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "learned": lambda: patch.object(pairing, "_keep", lambda *_arguments: cut_the_power()),
        "kept": lambda: _cut_before(DesktopSide, "kept"),
        "said": lambda: _cut_before(DesktopSide, "end"),
        "heard": lambda: _then_cut(DesktopSide, "end"),
    }
    with open_context(home) as ctx, cuts[step]():
        pairing.pair_box(ctx, address, lambda _hello: code)


if __name__ == "__main__":
    cut, (role, _, where, *more) = os.environ["PAIRING_CUT"], sys.argv[1:]
    if role == "run":
        sys.exit(run_box(Path(where), cut))
    run_desktop(Path(where), cut, *more)
