"""The real daemon, or the real desktop, which loses its power at a chosen step of a renewal: a process of its own.

``run --home HOME`` as of ``lineside-edge run``; the step is in the environment, as ``RENEWAL_CUT``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.context import open_context
from app.fleet.client import BoxClient
from app.usecases import clones
from edge_runtime import renewal
from edge_runtime.service import daemon
from tests.fakes.power_cut import cut_the_power

BOX_STEPS = ("recorded", "keyed", "prepared", "named", "current", "taken")
"""In order: what is asked for is written down; the key is made, its certificate is not; both are, and nobody knows; the
box has its new name; the new identity is in force, and the old key still there; the old one is gone, and the listener
still has it."""
DESKTOP_STEPS = ("wanted", "known", "told")
"""In order: the desktop has written down what it asks for; what the box has made; the box has been told to take it."""


def _then_cut(where: Any, name: str) -> Any:
    made: Callable[..., Any] = getattr(where, name)

    def done(*arguments: Any, **named: Any) -> None:
        made(*arguments, **named)
        cut_the_power()

    return patch.object(where, name, done)


def _cut_before(where: Any, name: str) -> Any:
    return patch.object(where, name, lambda *_arguments, **_named: cut_the_power())


def run_box(home: Path, step: str) -> int:
    from edge_runtime import identity

    cuts = {
        "recorded": lambda: _cut_before(renewal, "create_identity"),
        "keyed": lambda: _cut_before(identity, "self_signed"),
        "prepared": lambda: _then_cut(renewal, "prepare"),
        "named": lambda: _cut_before(renewal, "take"),
        "current": lambda: _cut_before(renewal, "forget_others"),
        "taken": lambda: _then_cut(renewal, "take"),
    }
    with cuts[step]():
        return daemon.run(home)


def run_desktop(home: Path, step: str, box: str, address: str, name: str) -> None:
    writes = 0
    write = clones._write_begun

    def counted(*arguments: Any) -> None:
        nonlocal writes
        write(*arguments)
        writes += 1
        if writes == {"wanted": 1, "known": 2}[step]:
            cut_the_power()

    cut = _then_cut(BoxClient, "take_identity") if step == "told" else patch.object(clones, "_write_begun", counted)
    with open_context(home) as ctx, cut:
        clones.renew(ctx, box, address, new_name=name)


if __name__ == "__main__":
    chosen = os.environ["RENEWAL_CUT"]
    where = Path(sys.argv[sys.argv.index("--home") + 1])
    if chosen in BOX_STEPS:
        sys.exit(run_box(where, chosen))
    run_desktop(where, chosen, *sys.argv[sys.argv.index("--home") + 2 :])
