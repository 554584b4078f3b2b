"""Versions of the box's own program, on a running box: they are asked for, switched to, and judged here."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_runtime.awake import AwakeClock
from edge_runtime.configuring.trial import LineNow, live
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BoxBusy, LinesideError
from edge_runtime.contracts.runtime import RuntimeAnswer, RuntimeRequest
from edge_runtime.contracts.status import PipelineStatus, RuntimeStatus, SlotStatus
from edge_runtime.identity import Identity, client_context
from edge_runtime.runtime.base import PYTHON, read_base, running_version
from edge_runtime.runtime.installer import RuntimeInstaller
from edge_runtime.runtime.launcher import (
    FOLDER,
    HANDOVER,
    LIFE,
    Launched,
    become,
    begin_anew,
    kernel_boot,
    note_trial,
    read_begun,
    read_handover,
    told,
)
from edge_runtime.runtime.lives import FORGIVEN_S, ProgramLife, beside, note_life, read_life
from edge_runtime.runtime.trial import STOPPED, STOPPED_BEFORE, Look, Watch, handed_over
from edge_runtime.service.crashes import oom_kills
from edge_runtime.service.http import SMALL_BODY, Request, Response, Route, Routes, answer
from edge_runtime.service.orders import Orders
from edge_runtime.service.spool import Spool
from edge_runtime.service.turns import Turns
from edge_runtime.update.durable import write_durably
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.slots import Accepted, SlotName

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile

LOOK_EVERY_S = 1.0
GREET_S = 2.0
_log = logging.getLogger(__name__)


class RuntimeKeeper:
    """What the launcher said at the start, what is installed since, and the trial of the version that runs.

    :param address: where desktops reach this process; None: it does not listen.
    :param orders: by which this process is to close everything; :meth:`follow` then makes another version of it.
    :param others: the version since which the configuration is what it is, and how the models are.
    :param submit: does something in another thread.
    :param clock: by which a version on trial is judged.
    """

    def __init__(
        self,
        home: Path,
        *,
        inbox: Inbox,
        signed: Callable[[str], tuple[TargetFile, Accepted]],
        lines: Callable[[], tuple[PipelineStatus, ...]],
        lines_now: Callable[[], Mapping[str, LineNow]],
        address: Callable[[], tuple[str, int] | None],
        identity: Callable[[], Identity],
        spool: Spool,
        alert: Callable[[str, str, str | None, Mapping[str, float]], None],
        trial_seconds: Callable[[], float],
        others: Callable[[], tuple[int, tuple[SlotStatus, ...]]],
        turns: Turns,
        submit: Callable[[Callable[[], None]], object],
        orders: Orders,
        clock: AwakeClock,
    ) -> None:
        self._clock = clock
        self._home, self._lines, self._address, self._identity = home, lines, address, identity
        self._spool, self._alert, self._submit, self._orders = spool, alert, submit, orders
        self._beside = others
        self._lines_now, self._trial_seconds, self._turns = lines_now, trial_seconds, turns
        self._launched = launched = told(os.environ)
        base = read_base(Path(launched.base)) if launched else None
        self._installer = RuntimeInstaller(home, base=base, launched=launched, inbox=inbox, signed=signed)
        self._watch: Watch | None = None
        if launched is not None and launched.on_trial:
            begun, handover = read_begun(home), read_handover(home)
            self._watch = Watch(handover, clock(), begun.limit_s if begun else handover.limit_s)
        self._next_look = 0.0
        self._looked: tuple[int, ...] | None = None
        self._going_back = False
        self._life, self._since_s = home / FOLDER / LIFE, clock()
        self._unsigned: tuple[str, ...] = ()
        self._asked = self._served = 0
        self.leaving = False
        """This process ends for another version to take its place."""

    def status(self) -> RuntimeStatus:
        return replace(self._installer.status(), unsigned=self._unsigned)

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", "/v1/runtime", self._get)
        routes.add("POST", "/v1/runtime", self._post, max_body=SMALL_BODY)
        routes.add("POST", "/v1/runtime/roll-back", self._roll_back)
        return routes

    def counted(self, route: Route) -> Route:
        """The same route, whose requests tell that a desktop came, and whether it got an answer."""

        def handler(request: Request) -> Response:
            self._asked += 1
            try:
                response = route.handler(request)
            except LinesideError:
                self._served += 1
                raise
            self._served += 1
            return response

        return replace(route, handler=handler)

    def start(self) -> None:
        """Once the spool takes rows: tell what the launcher found."""
        for words in self._launched.said if self._launched else ():
            self._note("runtime.rolled-back", words)
        if self._watch is None:
            self._keep_life(state="up")
        else:
            self._note("runtime.on-trial", f"The version {running_version()} is on trial.")

    def tick(self) -> None:
        """Call a few times a second."""
        now, _ = time.monotonic(), self._clock()
        if self.leaving or now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        self._look_for_signatures()
        if self._going_back:
            self._go()
            return
        if self._watch is not None:
            self._judge(self._watch)
            return
        self._look_after_life()
        if (slot := self._installer.ready) is not None:
            # Where something else is on trial, which an end of this process would cut off, it waits.
            with suppress(BoxBusy), self._turns.begin("program"):
                self._switch(slot)

    @property
    def interrupted(self) -> bool:
        """The life before this one ended with another version on trial, or with one that does not run."""
        return self._launched is not None and bool(self._launched.said)

    @property
    def under_way(self) -> bool:
        """This process is another version on trial, or ends for one."""
        return self.leaving or self._watch is not None

    def close(self) -> None:
        """Where the box was told to stop, that is no fault of a version on trial. Call it before the rest is closed:
        whoever waits for the end may lose patience."""
        if self._orders.told and self._watch is not None:
            self._watch = None
            self._installer.withdraw(STOPPED)
            self._note("runtime.rolled-back", f"The version {running_version()} was given up: {STOPPED}.")
        elif self._watch is None:
            explained = self._orders.end.is_set() or isinstance(sys.exc_info()[1], LinesideError)
            self._keep_life(state="ended" if explained else "failed")

    def follow(self) -> None:
        """Where it was left for another version: become that. Everything in this process is closed by now."""
        self._orders.hold()
        if self._orders.told:
            if self._installer.ready is not None:
                self._installer.reject(STOPPED_BEFORE)
            return
        base, slot = self._installer.base, self._installer.ready
        if not self.leaving or base is None:
            return
        if slot is not None:
            with suppress(LinesideError, OSError):
                note_trial(self._home)
                self._installer.begin_trial()
                become(self._home, base, slot, Launched(base=str(base.folder), slot=slot, on_trial=True))
        # What cannot be written down is not tried.
        begin_anew(self._home, base)

    def _get(self, _request: Request) -> Response:
        base = self._installer.base
        return answer(
            RuntimeAnswer(
                status=self.status(),
                arch=base.arch if base else "",
                python=PYTHON,
                wheels=tuple(sorted(base.wheels)) if base else (),
                free_bytes=shutil.disk_usage(self._home).free,
            )
        )

    def _post(self, request: Request) -> Response:
        asked = wire.decode(request.body, RuntimeRequest, what="version of the box's program")
        finish = self._installer.begin(asked.target, again=asked.again)
        self._spool.audit("runtime.asked", asked.target, who=request.peer)
        try:
            self._submit(lambda: self._install(asked.target, finish))
        except LinesideError as error:
            self._installer.reject(error.message)
            raise
        return answer({}, 202)

    def _roll_back(self, request: Request) -> Response:
        with self._turns.begin("program"):
            left = self._installer.go_back("somebody asked for the version before it")
            self._going_back = True
        self._spool.audit("runtime.rolled-back", f"The version {left} is left for the one before.", who=request.peer)
        return answer({}, 202)

    def _keep_life(self, *, state: Literal["up", "failed", "ended"]) -> None:
        if self._launched is not None and self._life.exists():
            note_life(self._life, replace(read_life(self._life), state=state))

    def _others(self) -> str:
        """Names the configuration and the model with which this version runs."""
        config, models = self._beside()
        model = next((one.bundle for one in models if one.active and one.state == "COMMITTED"), "")
        return f"{config} {model}"

    def _look_after_life(self) -> None:
        """What changes beside this version is suspected before it, and what went well for long is forgiven."""
        if self._launched is None or not self._life.exists():
            return
        life, others = read_life(self._life), self._others()
        if any(one.state == "TRIAL" for one in self._beside()[1]):
            return
        if (now := beside(life, others)) != life:
            note_life(self._life, now)
        elif life.crashes and self._clock() - self._since_s >= FORGIVEN_S:
            note_life(self._life, replace(life, crashes=0))

    def _install(self, target: str, finish: Callable[[], None]) -> None:
        try:
            finish()
        except LinesideError as error:
            self._note("runtime.refused", f"{target}: {error.message}")

    def _look_for_signatures(self) -> None:
        """Where a new root struck off whoever signed what runs: somebody else's signature has to take its place."""
        looked = (
            _written(self._home / "trust" / "root.json"),
            _written(self._home / "inbox" / "metadata" / "timestamp.json"),
        )
        if looked != self._looked:
            with suppress(LinesideError):
                self._submit(self._renew)
                self._looked = looked

    def _renew(self) -> None:
        with suppress(LinesideError, OSError):
            self._installer.renew()
        unsigned = tuple(self._installer.unsigned().values())
        if unsigned and not self._unsigned:
            names = " and ".join(unsigned)
            self._note(
                "runtime.unsigned", f"{names} was signed by a desktop that counts no more: it is not started again."
            )
        self._unsigned = unsigned

    def _switch(self, slot: SlotName) -> None:
        """Leave for the version in a slot: it was loaded once a moment ago, so what it is made of is in memory."""
        lines = self._lines_now()
        paces = {name: lines[name].pace for name in live(lines, time.monotonic())}
        body = wire.encode(handed_over(paces, self._trial_seconds()))
        try:
            write_durably(self._home / FOLDER / HANDOVER, [body], mode=0o600)
        except (LinesideError, OSError) as error:
            _log.error("the switch to the new version waits: %s", error)
            return
        if self._installer.check(slot):
            self._spool.audit("runtime.switch", "The new version is started on trial.", who="box")
            self._go()

    def _go(self) -> None:
        self.leaving = True
        self._orders.end.set()

    def _judge(self, watch: Watch) -> None:
        lines = {line.name: line for line in self._lines()}
        desktops: Literal["none", "served", "failed"] = (
            "none" if not self._asked else "served" if self._served else "failed"
        )
        listening, now_s = self._answers(), self._clock()
        healthy = watch.see(Look(at_s=now_s, listening=listening, desktops=desktops, lines=lines))
        if healthy is None:
            _put_off_alarm(watch.left_s(now_s))
            return
        if not healthy:
            reason = "; ".join(watch.last)
            self._installer.roll_back(reason)
            self._note("runtime.rolled-back", f"The version {running_version()} was given up: {reason}.")
            self._watch = None
            self._go()
            return
        try:
            self._installer.commit(
                sum(line.frames for line in lines.values()),
                sum(line.errors for line in lines.values()),
                watch.handover.unjudged,
            )
        except LinesideError as error:
            # Until the time is up it is tried again; then the version before comes back.
            _log.error("the new version cannot be committed: %s", error)
            return
        self._watch = None
        life = ProgramLife(bundle=self.status().bundle, kernel_boot=kernel_boot(), oom_kills=oom_kills(), state="up")
        before = read_life(self._life)
        note_life(self._life, replace(life, others=self._others(), others_before=before.others))
        words = f"The version {running_version()} runs from now on."
        if watch.handover.unjudged:
            words += f" Not judged, for their frames come too seldom: {', '.join(watch.handover.unjudged)}."
        self._note("runtime.committed", words)

    def _answers(self) -> bool:
        """Whether its own listener gets through a TLS handshake with the box's own key: as far as a stranger gets."""
        address, identity = self._address(), self._identity()
        if address is None:
            return False
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104 - what it listens on
        pem = identity.certificate_pem
        with (
            suppress(OSError, LinesideError),
            socket.create_connection((host, address[1]), GREET_S) as plain,
            client_context(identity, pem).wrap_socket(plain) as greeted,
        ):
            return greeted.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(pem)
        return False

    def _note(self, kind: str, words: str) -> None:
        self._spool.audit(kind, words, who="box")
        self._alert(kind, words, None, {})
        _log.warning("%s", words)


def _put_off_alarm(left_s: float) -> None:
    """Where the process was stopped for a while, the kernel's alarm went on: that comes too early then."""
    alarm_s, _ = signal.getitimer(signal.ITIMER_REAL)
    if 0 < alarm_s < left_s - 1:
        signal.setitimer(signal.ITIMER_REAL, left_s)


def _written(path: Path) -> int:
    """When, in nanoseconds; 0 where there is no such file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
