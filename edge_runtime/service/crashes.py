"""Ends of the process that nobody asked for, held against the model that was on the line, or against the configuration
where that was committed after the model.

What counts is a crash that left its trace (a signal such as SIGSEGV, SIGFPE or SIGABRT), a kill for want of memory, of
which the kernel keeps the number, and a model that did not come back, for which the box ended itself. A power cut is
known by the system's start since then, and any other SIGKILL comes from a person, or from a watchdog that does not know
who hangs: neither says anything about a model.

The files are made once, overwritten in place and never synced, as those of
:mod:`edge_runtime.inference.in_hand`: what the kernel was given outlives the process, also where the disk is full.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Count, Digest, MaybeDigest
from edge_runtime.inference.in_runtime import PLACES, InRuntime
from edge_runtime.service.crash_trace import RUNS_NAME, TRACE_BYTES, TRACE_NAME, Trace, last_trace

RETURNS_AFTER = 3
"""Crashes in a row, after which the box leaves what changed last. A frame is given up after
two: what is a frame's fault alone ends there."""
FORGIVEN_S = 24 * 3600.0
"""What ran for so long without a crash begins anew."""
HUNG_STATUS = 70
"""The exit status of a box that ended itself because a model did not come back: no thread can be taken out of it."""
HUNG = "The model did not come back from a frame"
STARTS_ANEW = 4
"""So often the box starts anew for frames that do not come back from being decoded: by then two are left out. Then the
line is left standing: a source that gives nothing else would have it start for ever."""
VMSTAT = Path("/proc/vmstat")
NOTE_BYTES = 1024
MODELS_KEPT = 3
"""Besides the one on the line: one to which the box may return, and those that failed their trial since."""
_OOM_KILLS = re.compile(rb"^oom_kill (\d{1,18})$", re.MULTILINE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one life of the process leaves to the next."""

    running: bool = False
    """It was not told to stop."""
    kernel_boot: str = ""
    """Of this start of the system; empty where that is not known."""
    oom_kills: Count | None = None
    """Processes that the kernel has killed for want of memory when this life began; None: it does not say."""
    bundle: Digest | None = None
    """On the line, or being loaded to go there."""
    crashes: Count = 0
    """In lives before this one, since the model, the configuration or the program changed last."""
    undecoded: Count = 0
    """Lives before this one that ended for a frame that did not come back from being decoded: no model had had it."""
    steady_s: float = 0.0
    """For how long it ran since the last of them."""
    hung: Digest | None = None
    """The model that did not come back from a frame, for which this life ended itself."""
    configuration: Count | None = None
    """The version that is in force; None: that was not noted."""
    since: dict[Digest, Count] = field(default_factory=dict)
    """The version that was when a model came on the line, of the last ones that did: where another is in force, the
    configuration was changed later."""
    program: MaybeDigest = ""
    """The version of the box's program; nothing: the base."""
    barred: MaybeDigest = ""
    """The model of which no program beside the lines gets an answer, as what one asked crashed the box; until the
    model, the configuration or the box's program changes."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The process before this one crashed."""

    bundle: str | None
    """The model on the line."""
    how: str
    """In words, such as ``Segmentation fault``."""
    count: int
    """How often it did so since something changed."""
    suspect: Literal["model", "configuration", "request", "none"] = "model"
    """What changed last, or a ``request`` of a program beside the lines; ``none``: the last change was only after this
    crash, so nobody has to go."""


def begin_life(
    last: Life,
    *,
    trace: Trace | None,
    kernel_boot: str,
    oom_kills: int | None,
    excused: bool,
    configuration: int,
    program: str,
) -> tuple[Life, Crash | None]:
    """What the life that begins now knows, and the crash that ended the one before it. Pure.

    :param trace: what the last life left.
    :param excused: something that was on trial brought about the last end.
    :param configuration: the version in force now; see :func:`edge_runtime.configuring.versions.last_change`.
    :param program: the version of the box's program that runs now.
    """
    if last.hung is not None:
        # One that answers no more, such as the one before a model on trial, is gone already.
        how = HUNG if last.hung == last.bundle else None
    else:
        how = (trace.how if trace else _out_of_memory(last, kernel_boot, oom_kills)) if last.running else None
    life = replace(
        last,
        running=True,
        kernel_boot=kernel_boot,
        oom_kills=oom_kills,
        hung=None,
        configuration=configuration,
        # A note of before did not keep it: then the model is suspected.
        since=last.since if last.bundle is None else {last.bundle: configuration, **last.since},
        program=program,
    )
    same = last.configuration in (None, configuration) and last.program == program
    if not same:
        life = replace(life, crashes=0, steady_s=0.0, barred="")
    if how is not None and trace is not None and trace.by_request and last.bundle is not None:
        return replace(life, barred=last.bundle), Crash(last.bundle, how, life.crashes, "request")
    if how is None or excused or (last.bundle is None and last.configuration is None):
        return life, None
    came = life.since[last.bundle] if last.bundle is not None else None
    crash = Crash(last.bundle, how, last.crashes + 1, "model" if came == configuration else "configuration")
    if not same:
        return life, replace(crash, suspect="none")
    return replace(life, crashes=crash.count, steady_s=0.0), crash


def _out_of_memory(last: Life, kernel_boot: str, oom_kills: int | None) -> str | None:
    same_system = bool(kernel_boot) and kernel_boot == last.kernel_boot
    if same_system and oom_kills is not None and last.oom_kills is not None and oom_kills > last.oom_kills:
        return "Killed for want of memory"
    return None


class CrashWatch:
    """Of this process. Where the disk takes nothing, the box goes on without.

    :param kernel_boot: names this start of the system.
    :param vmstat: where the kernel tells how many processes it has killed for want of memory.
    :param now_s: a monotonic clock, seconds.
    """

    def __init__(
        self,
        home: Path,
        *,
        kernel_boot: str,
        vmstat: Path = VMSTAT,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home, self._kernel_boot, self._vmstat, self._now_s = home, kernel_boot, vmstat, now_s
        self._life = Life()
        self._since_s = now_s()
        self._note: int | None = None
        self._trace: int | None = None
        self.in_runtime = InRuntime()
        """To be told of every run in this process: see :mod:`edge_runtime.service.crash_trace`."""
        self._lock = threading.Lock()

    def begin(self, *, excused: bool, configuration: int, program: str) -> Crash | None:
        """Call once, before a model is loaded: how the last life ended, if it crashed.

        From now on a crash leaves its trace, in the file alone and for the next start.

        :param excused, configuration, program: as :func:`begin_life`.
        """
        found = last_trace(self._home)
        self._note, note = _open(self._home / "life.note", NOTE_BYTES)
        self._trace, trace = _open(self._home / TRACE_NAME, TRACE_BYTES)
        last = Life()
        with suppress(InputInvalid):
            last = wire.decode(note.rstrip(b"\0 "), Life, what="note of the last life")
        self._life, crash = begin_life(
            last,
            trace=found,
            kernel_boot=self._kernel_boot,
            oom_kills=oom_kills(self._vmstat),
            excused=excused,
            configuration=configuration,
            program=program,
        )
        if found:
            _log.error("the box crashed. %s", trace.rstrip(b"\0").decode(errors="replace"))
        self._write()
        if self._trace is not None:
            with suppress(OSError):
                os.pwrite(self._trace, b"\0" * TRACE_BYTES, 0)
                os.ftruncate(self._trace, TRACE_BYTES)
            # Of the other threads' stacks, which go on changing, it might crash itself, and never come to the one that
            # matters.
            faulthandler.enable(self._trace, all_threads=False)
            self._keep_runs()
        return crash

    def on_line(self, bundle: str, new: bool) -> None:
        """This model answers from now on, or is about to be loaded for it.

        :param new: it comes on trial; otherwise it was on the line before, and is not the last change for coming back.
        """
        with self._lock:
            life = self._life
            if bundle != life.bundle:
                came = life.configuration if new else life.since.get(bundle, life.configuration)
                others = [one for one in life.since.items() if one[0] != bundle][-MODELS_KEPT:]
                since = dict(others if came is None else [*others, (bundle, came)])
                self._change(replace(life, bundle=bundle, since=since))

    def configured(self, version: int) -> None:
        """This version of the configuration is in force from now on."""
        with self._lock:
            if version != self._life.configuration:
                self._change(replace(self._life, configuration=version))

    def is_barred(self, bundle: str) -> bool:
        """What a program asked of this model crashed the box: see :attr:`Life.barred`."""
        return bundle == self._life.barred

    def hangs(self, bundle: str) -> None:
        """This model does not come back from a frame, and for that the process ends now."""
        with self._lock:
            self._life = replace(self._life, hung=bundle)
            self._write()

    def starts_anew(self) -> bool:
        """Whether this process may end for a frame that does not come back from being decoded; noted then."""
        with self._lock:
            life = self._life
            if life.undecoded >= STARTS_ANEW:
                return False
            self._life = replace(life, undecoded=life.undecoded + 1, steady_s=0.0)
            self._since_s = self._now_s()
            # What is not noted would be done for ever.
            return self._write()

    def tick(self) -> None:
        """Call now and then: what went well for long is forgiven."""
        with self._lock:
            if (self._life.crashes or self._life.undecoded) and self._steady_s() >= FORGIVEN_S:
                self._life = replace(self._life, crashes=0, undecoded=0)
                self._write()

    def close(self) -> None:
        """The process was told to stop: whatever becomes of it now is nobody's fault."""
        with self._lock:
            self._life = replace(self._life, running=False, steady_s=self._steady_s())
            self._write()
            if self._trace is not None:
                faulthandler.disable()
            for file in (self._note, self._trace):
                if file is not None:
                    os.close(file)
            self._note = self._trace = None

    def _keep_runs(self) -> None:
        file, _ = _open(self._home / RUNS_NAME, PLACES)
        if file is not None:
            self.in_runtime.keep_in(file)
            os.close(file)

    def _change(self, life: Life) -> None:
        self._life, self._since_s = replace(life, crashes=0, steady_s=0.0, barred=""), self._now_s()
        self._write()

    def _steady_s(self) -> float:
        return self._life.steady_s + self._now_s() - self._since_s

    def _write(self) -> bool:
        if self._note is None:
            return False
        try:
            os.pwrite(self._note, wire.encode(self._life).ljust(NOTE_BYTES), 0)
        except OSError as error:
            _log.warning("what is on the line cannot be noted: %s", error)
            return False
        return True


def _open(path: Path, size: int) -> tuple[int | None, bytes]:
    """A file with room for so many bytes, and what is in it; none where there is no such thing to be had."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        _log.warning("a crash would leave no trace: %s", error)
        return None, b""
    try:
        body = os.pread(file, size, 0)
        if len(body) < size:
            # Its room is taken now: later the disk may be full.
            os.pwrite(file, b"\0" * (size - len(body)), len(body))
    except OSError as error:
        _log.warning("a crash may leave no trace: %s", error)
        body = b""
    return file, body


def oom_kills(vmstat: Path = VMSTAT) -> int | None:
    """How many processes the kernel has killed for want of memory; None: it does not say."""
    with suppress(OSError):
        if found := _OOM_KILLS.search(vmstat.read_bytes()):
            return int(found[1])
    return None
