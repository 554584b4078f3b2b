"""Telling one process from another that later got the same number, and letting only one agent work on a burst."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid

EXIT_LOCKED = 75
"""The agent's exit status where another one already works on the burst."""
EXIT_UNUSABLE = 2
"""The agent's exit status where it could not even begin, and never will: its arguments or the store are refused."""
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for all time: its number, and when it started in the operating system's own words."""

    pid: int
    started: str


def identify(pid: int) -> ProcessId | None:
    """The process that has this number now; None where none has, or only its unread exit status is left."""
    if sys.platform == "linux":
        return _from_proc(pid)
    return _from_ps(pid)


def is_alive(process: ProcessId) -> bool:
    """Whether this very process still runs."""
    return identify(process.pid) == process


def _from_proc(pid: int) -> ProcessId | None:
    try:
        # The name in brackets may hold anything, brackets and spaces too; what follows the last one is regular.
        fields = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else ProcessId(pid, f"{boot}/{start_ticks}")


def _from_ps(pid: int) -> ProcessId | None:
    arguments = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})  # noqa: S603 - fixed program, no shell
    state, _, started = answer.stdout.strip().partition(" ")
    return ProcessId(pid, " ".join(started.split())) if started and not state.startswith("Z") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNote:
    """``agent.json`` in a burst's scratch folder: who works there."""

    pid: int
    started: str
    burst: str
    attempt: int


def read_note(scratch: Path) -> AgentNote | None:
    """Who said last that they work in this folder, alive or not; None for nobody."""
    try:
        return wire.decode((scratch / "agent.json").read_bytes(), AgentNote, what="agent's note")
    except (FileNotFoundError, NotADirectoryError, InputInvalid):
        return None


class AgentLock:
    """The right to work in a burst's scratch folder; the operating system takes it back when the process ends.

    :raises AlreadyExists: another process has it.
    """

    def __init__(self, scratch: Path, *, burst: str, attempt: int) -> None:
        import fcntl

        scratch.mkdir(parents=True, exist_ok=True)
        self._file = (scratch / "agent.lock").open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise AlreadyExists(f"Another agent already works on the burst {burst} here.") from error
        me = identify(os.getpid())
        note = AgentNote(pid=os.getpid(), started=me.started if me else "", burst=burst, attempt=attempt)
        temporary = scratch / "agent.json.part"
        temporary.write_bytes(wire.encode(note))
        temporary.replace(scratch / "agent.json")

    def __enter__(self) -> AgentLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
