"""Drills on this box: the machine of :mod:`edge_runtime.drills` with its disk, its listener and its clock around it."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.contracts import wire
from edge_runtime.contracts.drill import DrillAnswer, DrillReport, DrillRequest, said
from edge_runtime.contracts.errors import BoxBusy, DrillRefused, InputInvalid, LinesideError
from edge_runtime.drills import machine
from edge_runtime.drills.ballast import Ballast, goal_bytes, remove_leftover
from edge_runtime.drills.box_time import BoxTime
from edge_runtime.drills.machine import Drill, Seen
from edge_runtime.drills.supervised import is_supervised
from edge_runtime.identity import Identity, signature_of
from edge_runtime.service.clock import spell
from edge_runtime.service.http import SMALL_BODY, Request, Response, Routes, answer
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.management import ManagementDoor
from edge_runtime.service.spool import Spool
from edge_runtime.service.turns import Turns
from edge_runtime.update.durable import write_durably
from edge_runtime.update.installer import Installer
from edge_runtime.update.slots import IN_FLIGHT

KEPT_NAME = "drill.json"
JUMP_MS = -86_400_000
"""A day back: what is stamped meanwhile does not stand above everything else for a day to come."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """``drill.json``: the last drill, or the one that is under way."""

    drill: Drill
    kernel_boot: str
    """The start of the system by whose monotonic clock its times are."""


class DrillKeeper:
    """One drill at a time. Faults are made and taken back by :meth:`tick`; every one of them ends with the process.

    :param kernel_boot: of this start of the system.
    """

    def __init__(
        self,
        home: Path,
        *,
        clock: BoxTime,
        door: ManagementDoor,
        lines: LineUp,
        installer: Installer,
        spool: Spool,
        identity: Callable[[], Identity],
        kernel_boot: str,
        turns: Turns,
    ) -> None:
        self._home, self._clock, self._door, self._lines = home, clock, door, lines
        self._installer, self._spool, self._identity, self._kernel_boot = installer, spool, identity, kernel_boot
        self._turns = turns
        self._lock = threading.Lock()
        self._drill: Drill | None = None
        self._ballast: Ballast | None = None

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", "/v1/drill", lambda _request: answer(self._answer()))
        routes.add("POST", "/v1/drill", self._post, max_body=SMALL_BODY)
        return routes

    def recover(self) -> None:
        """Once the lines run: go on with what the process before this one had begun."""
        remove_leftover(self._home)
        try:
            kept = wire.decode((self._home / KEPT_NAME).read_bytes(), Kept, what="drill")
        except FileNotFoundError:
            return
        except (InputInvalid, OSError) as error:
            _log.error("what was noted of the last drill cannot be read: %s", error)
            return
        before = kept.drill
        same_system = bool(self._kernel_boot) and kept.kernel_boot == self._kernel_boot
        drill = self._drill = machine.resume(before, time.monotonic(), same_system=same_system)
        if before.report.phase == "done":
            return
        for counters in self._lines.counters().values():
            counters.watch_gaps()
        if drill.report.phase == "done":
            self._finish(drill)
        else:
            self._keep(drill)

    @property
    def under_way(self) -> bool:
        """A drill was begun and has not ended."""
        return self._drill is not None and self._drill.report.phase != "done"

    def tick(self) -> None:
        """Call a few times a second, from one thread."""
        with self._lock:
            drill = self._drill
            if drill is None or drill.report.phase == "done":
                return
            if self._ballast:
                self._ballast.yield_room()
            drill, effect = machine.step(drill, self._seen())
            if effect == "finish":
                self._finish(drill)
                return
            self._drill = drill
            if effect == "inject":
                self._inject(drill)
            elif effect == "heal":
                self._heal()
                self._keep(drill)

    def close(self) -> None:
        """The process ends."""
        self._heal()

    def _post(self, request: Request) -> Response:
        asked = wire.decode(request.body, DrillRequest, what="drill")
        with self._lock:
            last = self._drill.report if self._drill else None
            if last is None or last.drill != asked.drill:
                self._begin(asked, request.peer, last)
        return answer(self._answer(), 202)

    def _begin(self, asked: DrillRequest, who: str, last: DrillReport | None) -> None:
        seen = self._seen()
        if last is not None and last.phase != "done":
            raise DrillRefused("Another drill is under way on this box.")
        if asked.kind == "kill" and not is_supervised(self._home, os.environ, os.getpid()):
            raise DrillRefused(
                "Nothing would start this box again: neither systemd nor its supervisor looks after it.",
                hint="Enrol the box over SSH, or start it as a service; then it can be killed for a drill.",
            )
        if asked.kind == "fill":
            self._fill_goal()
        report = DrillReport(
            drill=asked.drill,
            kind=asked.kind,
            box=self._identity().fingerprint,
            who=who,
            seconds=asked.seconds,
            begun_ms=self._clock(),
        )
        drill = machine.begin(report, seen)
        try:
            with self._turns.begin("drill"):
                # On the disk before anything is done: whoever starts next knows what was going on.
                self._keep(drill, must=True)
                self._drill = drill
        except BoxBusy as error:
            raise DrillRefused(error.message) from error
        for counters in self._lines.counters().values():
            counters.watch_gaps()
        self._spool.audit("drill.begun", f"{asked.kind} for {asked.seconds} s ({asked.drill[:12]})", who=who)
        _log.warning("drill %s begins: %s for %d s", asked.drill[:12], asked.kind, asked.seconds)

    def _fill_goal(self) -> int:
        """:raises DrillRefused: the disk may not be filled."""
        reserve, free = self._spool.limits.reserve_bytes, shutil.disk_usage(self._home).free
        goal = goal_bytes(free=free, reserve=reserve)
        if goal is None:
            raise DrillRefused(
                f"The disk has {free} bytes left and the box keeps a reserve of {reserve}: "
                "filling it to there would show nothing, or take what the system needs.",
                hint="Set `reserve_bytes` of [spool] to 9437184 or more, and see that more than that is free.",
            )
        return goal

    def _inject(self, drill: Drill) -> None:
        kind, detail = drill.report.kind, ""
        try:
            if kind == "fill":
                goal = self._fill_goal()
                free = shutil.disk_usage(self._home).free
                detail = f"The disk went from {free} to {goal} bytes free."
            elif kind == "clock":
                now = self._clock()
                detail = f"The clock went from {spell(now)} to {spell(now + JUMP_MS)}."
            drill = replace(drill, report=replace(drill.report, detail=detail))
            self._keep(drill, must=True)
            self._spool.flush()
            if kind == "fill":
                self._ballast = Ballast(self._home, leave=goal)
        except (LinesideError, OSError) as error:
            self._finish(machine.give_up(drill, f"The fault could not be made: {error}"))
            return
        self._drill = drill
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "cut":
            self._door.shut()
        elif kind == "clock":
            self._clock.offset_ms = JUMP_MS

    def _heal(self) -> None:
        self._clock.offset_ms = 0
        ballast, self._ballast = self._ballast, None
        if ballast:
            ballast.drop()
        self._door.unshut()

    def _finish(self, drill: Drill) -> None:
        self._heal()
        report = replace(drill.report, ended_ms=self._clock(), verified=self._installer.check_committed())
        if report.verified is False:
            problems = (*report.problems, "The committed model's file is not the one that was installed.")
            report = replace(report, outcome="not-recovered", problems=problems)
        drill = replace(drill, report=report)
        self._keep(drill)
        gap = "" if report.longest_gap_ms is None else f"; longest gap {report.longest_gap_ms:.0f} ms"
        message = f"{report.kind} ({report.drill[:12]}): {report.outcome}{gap} {' '.join(report.problems)}".strip()
        self._spool.audit("drill.ended", message, who="box")
        _log.warning("drill %s ends: %s", report.drill[:12], message)
        # Whoever hears that it has ended finds it among the audits, too, if the disk takes them.
        self._spool.flush()
        self._drill = drill

    def _seen(self) -> Seen:
        slots = self._installer.slots()
        active = next((slot for slot in slots if slot.active), None)
        problem = self._spool.status().problem
        problems = [f"The disk takes no rows: {problem[:300]}."] if problem else []
        if not self._door.open:
            problems.append("No desktop can reach it.")
        return Seen(
            now_s=time.monotonic(),
            lines={name: counters.seen() for name, counters in self._lines.counters().items()},
            bundle=(active.bundle or "") if active else "",
            slot=active.slot if active else "",
            busy=any(slot.state in IN_FLIGHT for slot in slots),
            problems=tuple(problems),
        )

    def _keep(self, drill: Drill, *, must: bool = False) -> None:
        body = wire.encode(Kept(drill=drill, kernel_boot=self._kernel_boot))
        with suppress(*(() if must else (LinesideError, OSError))):
            write_durably(self._home / KEPT_NAME, [body], mode=0o600)

    def _answer(self) -> DrillAnswer:
        drill = self._drill
        if drill is None:
            return DrillAnswer(report="")
        text = wire.encode(drill.report).decode()
        return DrillAnswer(report=text, signature=signature_of(self._identity(), said(text)))
