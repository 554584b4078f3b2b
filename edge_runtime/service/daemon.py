"""``lineside-edge run``: everything a box does, in one process, until it is told to stop."""

from __future__ import annotations

import logging
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.awake import AwakeClock
from edge_runtime.config import KEYS
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.drills.box_time import BoxTime
from edge_runtime.enrolment import require_home
from edge_runtime.identity import Identity, load_identity
from edge_runtime.inference.autotune import TUNING_NAME
from edge_runtime.renewal import forget_others, former_ids
from edge_runtime.runtime.launcher import end_life
from edge_runtime.service.alerts import Alerts
from edge_runtime.service.api import BoxApi
from edge_runtime.service.clock import ClockApi, keep_from_children, may_set_clock
from edge_runtime.service.config_api import ConfigApi
from edge_runtime.service.config_parts import Parts
from edge_runtime.service.configuration import Configuration
from edge_runtime.service.crash_trace import last_trace
from edge_runtime.service.crashes import CrashWatch
from edge_runtime.service.drills import DrillKeeper
from edge_runtime.service.house import House
from edge_runtime.service.http import Routes
from edge_runtime.service.inference import InferenceListeners
from edge_runtime.service.installing import Installations
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.lock import only_one
from edge_runtime.service.logs import LogRing, start_logging, stop_logging
from edge_runtime.service.machine import read_machine
from edge_runtime.service.management import ManagementApp, ManagementDoor, ManagementServer
from edge_runtime.service.models import ModelKeeper
from edge_runtime.service.object_api import ObjectApi
from edge_runtime.service.orders import Orders
from edge_runtime.service.pairing import PairingDoor
from edge_runtime.service.renewal import RenewalApi
from edge_runtime.service.root_api import RootApi
from edge_runtime.service.root_ledger import RootLedger
from edge_runtime.service.runtime import RuntimeKeeper
from edge_runtime.service.serial import Serial
from edge_runtime.service.shadows import ShadowKeeper
from edge_runtime.service.spool import Spool
from edge_runtime.service.start_checks import check_home, check_lines
from edge_runtime.service.trust import TrustStore
from edge_runtime.service.turns import Turns
from edge_runtime.service.whereabouts import Whereabouts
from edge_runtime.service.witness import Witness
from edge_runtime.service.worker import Worker
from edge_runtime.sources.push import PushBoard
from edge_runtime.update.holdings import Holdings, bundle_folders
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.installer import Installer
from edge_runtime.update.shadow import ShadowSlot

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

STOP_S = 0.5
"""How long each part gets to stop; all together stay under two seconds."""
_log = logging.getLogger(__name__)


def run(home: Path) -> int:
    """Run the box in ``home`` until SIGTERM or SIGINT; the process's exit status.

    :raises NotFound: the box was not initialised.
    :raises ConfigInvalid: ``edge.toml`` cannot be used.
    :raises AlreadyExists: another daemon runs in this home.
    """
    require_home(home)
    keep_from_children()
    orders = Orders()
    orders.listen()
    with only_one(home):
        ring = start_logging(home / "log")
        try:
            daemon = Daemon(home, ring, orders)
            status = daemon.run()
        except LinesideError as error:
            _log.error("the box cannot run: %s", error)
            end_life(home)
            raise
        finally:
            stop_logging()
    daemon.runtime.follow()
    return status


class Daemon:
    """The parts of a running box, wired together.

    :param orders: by which it is to end.
    """

    def __init__(self, home: Path, ring: LogRing, orders: Orders) -> None:
        self._home, self._orders = home, orders
        forget_others(home)
        self._identity, self._former = load_identity(home / KEYS), former_ids(home)
        self._machine = read_machine()
        self._sets_clock = may_set_clock()
        self._configuration = Configuration(home)
        config = self._configuration.current
        self._boot, self._started = uuid.uuid4().hex, time.monotonic()
        self._stopping = False
        self._serial, self._time = Serial(), BoxTime()
        self._trust = TrustStore(home)
        self._inbox = Inbox(home / "inbox", Holdings(bundle_folders(home)))
        self._installer = Installer(
            home,
            inbox=self._inbox,
            now_ms=self._time,
            trial_frames=config.update.trial_frames,
            trial_seconds=config.update.trial_seconds,
        )
        self._spool = Spool(
            home,
            box=self._identity.fingerprint,
            boot=self._boot,
            limits=config.spool,
            now_ms=self._time,
        )
        self._alerts = Alerts(self._spool, self._serial.bump)
        self._board = PushBoard(lambda count, size: self._spool.lose_frames(count, size, "push.dropped"))
        self._crashes = CrashWatch(home, kernel_boot=self._machine.kernel_boot)
        trace = last_trace(home)
        blame = trace is None or not trace.by_request
        self._inference = InferenceListeners(
            config.inference,
            door=self._board,
            collectors=self._collectors,
            barred=self._crashes.is_barred,
            alert=self._alerts.tell,
        )
        self._models = ModelKeeper(
            self._installer,
            tunings=home / TUNING_NAME,
            alert=self._alerts.put,
            audit=self._spool.audit,
            changed=self._models_changed,
            on_line=self._crashes.on_line,
            in_runtime=self._crashes.in_runtime,
        )
        self._shadows = ShadowKeeper(
            ShadowSlot(home, inbox=self._inbox, installer=self._installer),
            load=self._models.load,
            alert=self._alerts.put,
            changed=self._serial.bump,
            blame=blame,
        )
        clock = AwakeClock()
        self._lines = LineUp(
            memory=home / "sources",
            models=self._models,
            sink=self._spool,
            seed=int(self._boot[:8], 16),
            failed=lambda name, why: self._alerts.tell("pipeline.failing", f"{name}: {why}"),
            changed=self._serial.bump,
            board=self._board,
            workers=self._models.workers,
            shadow=self._shadows.runner,
            blame=blame and not self._shadows.interrupted,
            clock=clock,
        )
        self._turns = Turns(
            {
                "configuration": lambda: self._configuration.on_trial,
                "model": lambda: installations.under_way,
                "drill": lambda: self._drills.under_way,
                "program": lambda: self.runtime.under_way,
            }
        )
        self._slow = Worker("trials")
        installations = Installations(self._models, self._installer, turns=self._turns, worker=self._slow)
        api = BoxApi(
            status=self.status,
            spool=self._spool,
            inbox=self._inbox,
            installer=self._installer,
            models=self._models,
            shadows=self._shadows,
            logs=ring,
            start_install=installations.start,
        )
        self._whereabouts = Whereabouts(
            home,
            identity=lambda: self._identity,
            config=lambda: self._configuration.current,
            enrolled=lambda: bool(self._trust.pinned()),
            pair=lambda: self._pairing.port,
            alert=self._alerts.tell,
        )
        self._management = ManagementDoor(self._listen, opened=self._opened, problem=self._whereabouts.unreachable)
        self._pairing = PairingDoor(
            home,
            identity=lambda: self._identity,
            config=config,
            management=lambda: self._management.address,
            trust=self._trust,
            spool=self._spool,
        )
        clock_api = ClockApi(signed_s=self._signed_s, spool=self._spool, changed=self._serial.bump)
        renewal = RenewalApi(
            home,
            home / KEYS,
            name=lambda: self._configuration.current.name,
            rename=self._configuration.rename,
            taken=self._take_identity,
        )
        self._ledger = RootLedger(home, self._trust, audit=self._spool.audit, flush=self._spool.flush)
        self._objects = ObjectApi(
            self._inbox, identity=lambda: self._identity, spool=self._spool, changed=self._serial.bump
        )
        roots = RootApi(self._trust, self._ledger, changed=self._serial.bump)
        witness = Witness(home, self._trust, now_ms=self._time, audit=self._spool.audit)
        self._drills = DrillKeeper(
            home,
            clock=self._time,
            door=self._management,
            lines=self._lines,
            installer=self._installer,
            spool=self._spool,
            identity=lambda: self._identity,
            kernel_boot=self._machine.kernel_boot,
            turns=self._turns,
        )
        configs = ConfigApi(self._configuration)
        self._parts = Parts(
            door=self._management,
            lines=self._lines,
            inference=self._inference,
            installer=self._installer,
            spool=self._spool,
            turns=self._turns,
            crashes=self._crashes,
            alert=self._alerts.tell,
            changed=self._serial.bump,
            now_ms=self._time,
        )
        self.runtime = RuntimeKeeper(
            home,
            inbox=self._inbox,
            signed=self._installer.signed,
            lines=self._lines.status,
            lines_now=self._lines.now,
            address=lambda: self._management.address,
            identity=lambda: self._identity,
            spool=self._spool,
            alert=self._alerts.put,
            trial_seconds=lambda: self._configuration.current.update.trial_seconds,
            turns=self._turns,
            submit=self._slow.submit,
            others=lambda: (self._configuration.last_change, self._installer.slots()),
            orders=orders,
            clock=clock,
        )
        self._house = House(
            orders=orders,
            lines=self._lines,
            crashes=self._crashes,
            changed=self._serial.bump,
            ticks=(
                *(self._models.tick, self._crashes.tick, self._inference.tick, self._drills.tick),
                *(self._configuration.tick, self._management.tick, self._ledger.tick, self._pairing.tick),
                *(self._objects.guests.tick, self._lines.tick, self._shadows.runner.tick, self.runtime.tick),
                lambda: self._whereabouts.tell(self._management.address),
            ),
        )
        parts = (roots, api, configs, self._objects, clock_api, renewal, witness, self._drills, self.runtime)
        self._routes = Routes([self.runtime.counted(route) for part in parts for route in part.routes().routes])

    def run(self) -> int:
        """Serve until told to stop; the process's exit status."""
        try:
            try:
                check_home(self._home)
                self._configuration.start(self._parts)
                # Who was new in the life before is suspected before the model is.
                suspects = self._shadows, self._configuration, self.runtime
                crash = self._configuration.heed_crash(
                    excused=any(one.interrupted for one in suspects), program=self.runtime.status().bundle
                )
                self._inference.tick()
                self._models.start(crash)
                if crash is not None:
                    # Now: this life may be as short as the one before.
                    self._spool.flush()
                self._shadows.start()
                check_lines(self._configuration.found, self._alerts.put)
                self._lines.apply(self._configuration.current)
                self._drills.recover()
                self._spool.audit("box.started", f"lineside-edge {version('lineside')}")
                self.runtime.start()
                self._ledger.tick()
                self._management.tick()
                self._house.keep()
            finally:
                self._stopping = True
                self._crashes.close()
                self.runtime.close()
                self._drills.close()
                if not self.runtime.leaving:
                    # The same process goes on as another version: for systemd nothing stops.
                    self._house.tell_stopping()
                self._whereabouts.ask_to_stop()
                self._pairing.ask_to_stop()
                self._management.ask_to_stop()
                self._inference.ask_to_stop()
                self._objects.close()
                self._serial.close()
                self._lines.stop(STOP_S, self._house.hangs_after_s)
                self._shadows.close(STOP_S)
                self._pairing.close(STOP_S)
                self._management.close(STOP_S)
                self._inference.close(STOP_S)
                self._board.keep(())
                self._whereabouts.close(STOP_S)
        finally:
            self._spool.close()
            _log.info("stopped")
        return self._house.exit_status

    def status(self) -> BoxStatus:
        # The serial first: what changes after it was read is told by the next one.
        serial = self._serial.value
        return BoxStatus(
            box=self._identity.fingerprint,
            name=self._configuration.current.name,
            version=version("lineside"),
            boot=self._boot,
            at_ms=self._time(),
            uptime_s=round(time.monotonic() - self._started, 3),
            serial=serial,
            pipelines=self._lines.status(),
            slots=self._installer.slots(),
            shadow=self._shadows.status(),
            inference=self._inference.addresses,
            spool=self._spool.status(),
            floors=self._installer.floors(),
            refused=self._installer.refused(),
            machine=self._machine.machine,
            host_key=self._machine.host_key,
            kernel_boot=self._machine.kernel_boot,
            former=self._former,
            root=self._trust.version,
            root_digest=self._trust.digest,
            signed_s=self._signed_s(),
            sets_clock=self._sets_clock,
            arch=self._machine.arch,
            config=self._configuration.status(),
            runtime=self.runtime.status(),
        )

    def _signed_s(self) -> int:
        return self._installer.newest_signature_s(self._trust.signers)

    def _take_identity(self, identity: Identity, who: str) -> None:
        """Go on as another box; the lines take no notice."""
        before, self._former = self._identity.fingerprint, former_ids(self._home)
        self._identity = identity
        self._spool.rename(identity.fingerprint)
        self._spool.audit(
            "identity.renewed", f"This box was {before} before, as is the one that it was copied from.", who=who
        )
        self._spool.flush()
        self._management.reopen()
        self._serial.bump()

    def _listen(self) -> ManagementServer:
        return ManagementServer(
            ManagementApp(
                self._routes, trust=self._trust, guests=self._objects.guests, serial=self._serial, slow=self._slow
            ),
            identity=self._identity,
            trust=self._trust,
            guests=self._objects.guests,
            # Opened anew it stays where desktops have found it.
            address=self._configuration.where(),
            ended=self._listener_ended,
        )

    def _opened(self, host: str, port: int) -> None:
        self._configuration.opened((host, port))
        self._whereabouts.begin(host, port)

    def _listener_ended(self) -> None:
        if not (self._stopping or self._management.reopening):
            # Without its listener nobody can reach the box: better to be started again.
            self._house.end(1)

    def _models_changed(self) -> None:
        self._inference.show(self._models.current())
        self._serial.bump()

    def _collectors(self) -> tuple[Collector, ...]:
        from edge_runtime.service.metrics import BoxCollector

        return (BoxCollector(self.status),)
