"""The launcher: decides which version runs, holds its files against what was signed, and becomes that version.

It is part of the base, which is root's. State is written before the version that it is about starts: whoever finds a
trial at a start knows that it did not end well.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, LinesideError
from edge_runtime.contracts.runtime_errors import RuntimeUnusable
from edge_runtime.runtime.base import Base
from edge_runtime.runtime.lives import RETURNS_AFTER, ProgramLife, begin_life, note_life, read_life, return_from
from edge_runtime.runtime.slot import check_slot
from edge_runtime.runtime.trial import Begun, Handover, at_start
from edge_runtime.service.crash_trace import last_trace
from edge_runtime.service.crashes import oom_kills
from edge_runtime.update.durable import write_durably
from edge_runtime.update.slot_store import SlotStore
from edge_runtime.update.slots import SlotName, SlotTable, discard_committed, revert

FOLDER, STATE, HANDOVER, TRIAL, LIFE = "runtime", "state.db", "handover.json", "trial.json", "life.note"
VARIABLE = "LINESIDE_EDGE_LAUNCHED"
"""In the environment of what was launched: a :class:`Launched`."""
START = """\
import sys
sys.path[:0] = sys.argv[2:4]
del sys.argv[2:4]
sys.argv[:2] = sys.argv[1:2]
from edge_runtime.__main__ import program
program()
"""
"""Runs a slot's version on top of the base. Its first word is the base's program, by which a machine knows its box."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """What the launcher tells the version that it becomes."""

    base: str
    """Folder of the base."""
    slot: Literal["", "a", "b"] = ""
    on_trial: bool = False
    said: tuple[str, ...] = ()
    """What it found out and did, for the audit."""


def told(environment: Mapping[str, str]) -> Launched | None:
    """What the launcher of this process said; None: there was none."""
    with suppress(KeyError, InputInvalid):
        return wire.decode(environment[VARIABLE], Launched, what=VARIABLE)
    return None


def slot_folder(home: Path, slot: SlotName) -> Path:
    return home / FOLDER / slot


def boot_clock_s() -> float:
    """Seconds since the machine started, with those that it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def slept_s() -> float:
    """Seconds for which the machine has slept since it started."""
    return boot_clock_s() - time.clock_gettime(time.CLOCK_MONOTONIC)


def kernel_boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def choose(home: Path, base: Base) -> tuple[SlotName | None, Launched]:
    """Which slot's version is to run (None: the base), with everything written down that must be before it does."""
    store = SlotStore(home / FOLDER / STATE)
    opened = store.open()
    said = [opened.problem] if opened.problem else []
    table = at_start(
        opened.table,
        begun=_read(home / FOLDER / TRIAL, Begun),
        kernel_boot=kernel_boot(),
        now_s=boot_clock_s(),
        slept_s=slept_s(),
    )
    if opened.table.candidate is not None and table.candidate is None:
        said.append(_became(opened.table, table))
    table = _living(home, base, _runnable(home, base, table, said), said)
    try:
        if table != opened.table:
            store.save(table)
    except (LinesideError, OSError) as error:
        # The next start finds out the same.
        said.append(f"The state of the versions could not be written: {error}")
    slot = table.committed
    return slot, Launched(base=str(base.folder), slot=slot or "", said=tuple(said))


def _living(home: Path, base: Base, table: SlotTable, said: list[str]) -> SlotTable:
    """The table without a version that has crashed too often; how the life ends that begins now shows in its note."""
    path = home / FOLDER / LIFE

    def begin(table: SlotTable) -> tuple[ProgramLife, str]:
        return begin_life(
            read_life(path),
            bundle=(table.slot(table.committed).bundle or "") if table.committed else "",
            kernel_boot=kernel_boot(),
            oom_kills=oom_kills(),
            trace=last_trace(home),
        )

    life, how = begin(table)
    if how and table.committed is not None and life.crashes >= RETURNS_AFTER:
        reason = f"it crashed {life.crashes} times in a row, the last time: {how}"
        said.append(f"The version {table.slot(table.committed).version} was given up: {reason}.")
        table = _runnable(home, base, revert(table, reason, to_none=True), said)
        life = return_from(life, begin(table)[0])
    note_life(path, life)
    return table


def end_life(home: Path) -> None:
    """This one ends with an explanation: that is no crash."""
    path = home / FOLDER / LIFE
    if path.exists():
        note_life(path, replace(read_life(path), state="ended"))


def _runnable(home: Path, base: Base, table: SlotTable, said: list[str]) -> SlotTable:
    """The table in which the committed version is one whose every byte was signed."""
    while (slot := table.committed) is not None:
        try:
            check_slot(slot_folder(home, slot), base, home)
            break
        except RuntimeUnusable as error:
            said.append(f"The version {table.slot(slot).version} in slot {slot} does not run: {error.message}")
            table = discard_committed(table, error.message)
    return table


def _became(before: SlotTable, after: SlotTable) -> str:
    slot = before.candidate
    assert slot is not None  # noqa: S101 - the caller has looked
    return f"The version {before.slot(slot).version} was given up: {after.slot(slot).reason}."


def read_handover(home: Path) -> Handover:
    return _read(home / FOLDER / HANDOVER, Handover) or Handover()


def read_begun(home: Path) -> Begun | None:
    return _read(home / FOLDER / TRIAL, Begun)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return wire.decode(path.read_bytes(), kind, what=path.name)
    except (OSError, InputInvalid):
        return None


def note_trial(home: Path) -> None:
    """Before it begins: when it did, for whoever finds it unfinished.

    :raises DiskFull, OSError: it could not be written.
    """
    limit_s = read_handover(home).limit_s
    begun = Begun(kernel_boot=kernel_boot(), began_s=boot_clock_s(), limit_s=limit_s, slept_s=slept_s())
    write_durably(home / FOLDER / TRIAL, [wire.encode(begun)], mode=0o600)


def become(home: Path, base: Base, slot: SlotName, launched: Launched) -> NoReturn:
    """Run a slot's version, whose files were checked, in this process, in which everything is closed.

    Where it is on trial the kernel ends it once its time is up, unless it takes back the alarm; the kernel counts no
    time in which the machine slept.
    """
    library = slot_folder(home, slot) / "lib"
    words = [sys.executable, "-ISB", "-c", START, str(base.program), str(library), str(base.library)]
    os.environ[VARIABLE] = wire.encode(launched).decode()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    begun = read_begun(home)
    signal.alarm(begun.limit_s if launched.on_trial and begun else 0)
    # Until it listens an order to stop waits: it would end it, and that would be held against it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.execv(sys.executable, [*words, "run", "--home", str(home)])  # noqa: S606 - this interpreter, checked files


def begin_anew(home: Path, base: Base) -> NoReturn:
    """Have the launcher choose once more, in this process, in which everything is closed."""
    signal.alarm(0)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    words = [str(base.program), "launch", "--home", str(home)]
    os.execv(base.program, words)  # noqa: S606 - root's own launcher
