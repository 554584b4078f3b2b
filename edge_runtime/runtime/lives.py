"""How the lives of a committed version ended: one that crashes again and again gives way to the version before it.

The note is overwritten in place and never synced: what the kernel was given outlives the process, also where the disk
is full. A version that crashes before it is up leaves it as the launcher wrote it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Count, MaybeDigest
from edge_runtime.service.crash_trace import Trace

RETURNS_AFTER: Final = 3
FORGIVEN_S: Final = 24 * 3600.0
"""One that ran for so long without a crash begins anew."""
NOTE_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramLife:
    """``runtime/life.note``: of the life that runs, or of the last one."""

    bundle: MaybeDigest = ""
    """Of the version; nothing: the base."""
    kernel_boot: str = ""
    oom_kills: Count | None = None
    crashes: Count = 0
    """Of this version in a row, before this life."""
    state: Literal["begun", "up", "failed", "ended"] = "ended"
    """``begun``: not up yet; ``failed``: by an error that nobody knew; ``ended``: by order, or with an explanation."""
    newest: bool = True
    """Model and configuration are those with which it was committed: whichever changed last is suspected."""
    others: str = ""
    """Names the model and the configuration with which it was committed."""
    others_before: str = ""
    """The same of the version before it."""


def begin_life(
    last: ProgramLife, *, bundle: str, kernel_boot: str, oom_kills: int | None, trace: Trace | None
) -> tuple[ProgramLife, str]:
    """What is known when a version starts, and how it crashed the last time; nothing where it did not. Pure.

    A power cut, or a kill by whomever, of a version that was up is no crash of its, nor is what a program beside the
    lines brought about.
    """
    if last.bundle != bundle:
        return ProgramLife(bundle=bundle, kernel_boot=kernel_boot, oom_kills=oom_kills, state="begun"), ""
    same = bool(kernel_boot) and kernel_boot == last.kernel_boot
    starved = same and None not in (oom_kills, last.oom_kills) and (oom_kills or 0) > (last.oom_kills or 0)
    why = ""
    if last.state == "begun" and same:
        why = trace.how if trace else "it ended before it was up"
    elif last.state == "failed":
        why = "it ended by an error"
    elif last.state == "up" and last.newest:
        why = trace.how if trace else "Killed for want of memory" if starved else ""
    if trace is not None and trace.by_request:
        why = ""
    life = replace(last, kernel_boot=kernel_boot, oom_kills=oom_kills, state="begun")
    return (replace(life, crashes=last.crashes + 1), why) if why else (life, "")


def return_from(left: ProgramLife, life: ProgramLife) -> ProgramLife:
    """The life of the version to which the box returns by itself: that is no newer for coming back. Pure.

    :param left: of the version that crashed.
    """
    return replace(life, newest=left.newest and left.others == left.others_before, others=left.others_before)


def beside(life: ProgramLife, others: str) -> ProgramLife:
    """With what runs beside it now; what comes back is no later change, so it may be the newest again. Pure."""
    return replace(life, newest=life.others == others) if life.others else replace(life, others=others)


def read_life(path: Path) -> ProgramLife:
    """What stands there; that of nobody where nothing does."""
    with suppress(OSError, InputInvalid):
        return wire.decode(path.read_bytes()[:NOTE_BYTES].rstrip(b"\0 "), ProgramLife, what=path.name)
    return ProgramLife()


def note_life(path: Path, life: ProgramLife) -> None:
    """Where the disk takes nothing, the box goes on without."""
    with suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.pwrite(file, wire.encode(life).ljust(NOTE_BYTES), 0)
        finally:
            os.close(file)
