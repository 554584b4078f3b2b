"""``lineside-edge run``: everything a box does, in one process, until it is told to stop."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from edge_runtime.config import CONFIG_NAME, KEYS, config_error, load_config, parse_config
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, LinesideError
from edge_runtime.contracts.rows import AlertRow
from edge_runtime.contracts.status import Announcement, BoxStatus
from edge_runtime.enrolment import address_file, read_home
from edge_runtime.identity import load_identity
from edge_runtime.service.announce import Announcer
from edge_runtime.service.api import BoxApi
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.logs import LogRing, start_logging, stop_logging
from edge_runtime.service.management import ManagementApp, ManagementServer
from edge_runtime.service.models import ModelKeeper
from edge_runtime.service.serial import Serial
from edge_runtime.service.spool import Spool
from edge_runtime.service.trust import TrustStore
from edge_runtime.service.worker import Worker
from edge_runtime.sources import check_source
from edge_runtime.update.durable import write_durably
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.installer import Installer

TICK_S = 0.2
TELL_COUNTERS_EVERY_S = 1.0
STOP_S = 0.5
"""How long each part gets to stop; all together stay under two seconds."""
_log = logging.getLogger(__name__)


def now_ms() -> int:
    """The box's clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def run(home: Path) -> int:
    """Run the box in ``home`` until SIGTERM or SIGINT; the process's exit status.

    :raises NotFound: the box was not initialised.
    :raises ConfigInvalid: ``edge.toml`` cannot be used.
    :raises AlreadyExists: another daemon runs in this home, or the port is taken.
    """
    read_home(home)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with _only_one(home):
        ring = start_logging(home / "log")
        try:
            return Daemon(home, ring, stop).run()
        except LinesideError as error:
            _log.error("the box cannot run: %s", error)
            raise
        finally:
            stop_logging()


class Daemon:
    """The parts of a running box, wired together.

    :param stop: set by whoever wants it to end.
    """

    def __init__(self, home: Path, ring: LogRing, stop: threading.Event) -> None:
        self._home, self._stop = home, stop
        self._identity = load_identity(home / KEYS)
        self._config = load_config(home / CONFIG_NAME)
        self._boot, self._started = uuid.uuid4().hex, time.monotonic()
        self._configuring = threading.Lock()
        self._exit_status = 0
        self._stopping = False
        self._serial = Serial()
        self._trust = TrustStore(home)
        self._inbox = Inbox(home / "inbox")
        self._installer = Installer(
            home,
            inbox=self._inbox,
            now_ms=now_ms,
            trial_frames=self._config.update.trial_frames,
            trial_seconds=self._config.update.trial_seconds,
        )
        self._spool = Spool(
            home, box=self._identity.fingerprint, boot=self._boot, limits=self._config.spool, now_ms=now_ms
        )
        self._models = ModelKeeper(self._installer, alert=self._alert, changed=self._serial.bump)
        self._lines = LineUp(
            memory=home / "sources",
            models=self._models,
            sink=self._spool,
            seed=int(self._boot[:8], 16),
            failed=lambda name, why: self._alert("pipeline.failing", f"{name}: {why}", None, {}),
            changed=self._serial.bump,
        )
        self._slow = Worker("trials")
        api = BoxApi(
            status=self.status,
            spool=self._spool,
            inbox=self._inbox,
            installer=self._installer,
            models=self._models,
            logs=ring,
            configurable=self,
            start_install=self._start_install,
        )
        self._app = ManagementApp(api.routes(), trust=self._trust, serial=self._serial, slow=self._slow)

    def run(self) -> int:
        """Serve until told to stop; the process's exit status."""
        where = address_file(self._home)
        announcer: Announcer | None = None
        try:
            server = self._listen()
            try:
                self._models.start()
                self._lines.apply(self._config)
                server.start()
                host, port = server.address
                write_durably(where, [json.dumps({"host": host, "port": port, "pid": os.getpid()}).encode()])
                _log.info("box %s listens on %s port %d", self._identity.fingerprint[:12], host, port)
                if self._config.management.announce:
                    announcer = Announcer(self._announcement(host, port))
                self._keep_house(announcer, host, port)
            finally:
                self._stopping = True
                where.unlink(missing_ok=True)
                server.ask_to_stop()
                if announcer:
                    announcer.ask_to_stop()
                self._serial.close()
                self._lines.stop(STOP_S)
                server.close(STOP_S)
                if announcer:
                    announcer.close(STOP_S)
        finally:
            self._spool.close()
            _log.info("stopped")
        return self._exit_status

    def status(self) -> BoxStatus:
        # The serial first: what changes after it was read is told by the next one.
        serial = self._serial.value
        return BoxStatus(
            box=self._identity.fingerprint,
            name=self._config.name,
            version=version("lineside"),
            boot=self._boot,
            at_ms=now_ms(),
            uptime_s=round(time.monotonic() - self._started, 3),
            serial=serial,
            pipelines=self._lines.status(),
            slots=self._installer.slots(),
            spool=self._spool.status(),
            floors=self._installer.floors(),
        )

    def config_text(self) -> str:
        """``edge.toml`` as it stands."""
        return (self._home / CONFIG_NAME).read_text("utf-8")

    def reconfigure(self, text: str) -> None:
        """Check a configuration, put it in force and restart the lines; listener and trials follow at the next start.

        :raises ConfigInvalid: nothing was changed.
        """
        config = parse_config(text)
        for position, pipeline in enumerate(config.pipeline):
            try:
                check_source(pipeline.source)
            except InputInvalid as error:
                raise config_error(text, f"pipeline[{position}].source", error.message) from error
        with self._configuring:
            write_durably(self._home / CONFIG_NAME, [text.encode()])
            self._config = config
            self._spool.limits = config.spool
            self._lines.apply(config)
        self._serial.bump()
        _log.info("a new configuration is in force")

    def _listen(self) -> ManagementServer:
        try:
            return ManagementServer(
                self._app,
                identity=self._identity,
                trust=self._trust,
                address=self._config.management.address,
                ended=self._listener_ended,
            )
        except OSError as error:
            listen = self._config.management.listen
            raise AlreadyExists(
                f"The box cannot listen on {listen}: {error.strerror or error}.",
                hint="Stop the program that uses this port, or change `listen` in edge.toml.",
            ) from error

    def _listener_ended(self) -> None:
        if not self._stopping:
            # Without its listener nobody can reach the box: better to be started again.
            self._exit_status = 1
            self._stop.set()

    def _start_install(self, target: str) -> None:
        future = self._slow.submit(lambda: self._models.install(target))
        future.add_done_callback(
            lambda done: (
                _log.warning("%s was not installed: %s", target, error) if (error := done.exception()) else None
            )
        )

    def _alert(self, kind: str, message: str, model: str | None, facts: Mapping[str, float]) -> None:
        stamp = self._spool.stamp("alerts")
        self._spool.put_alert(AlertRow(**stamp, kind=kind, message=message, model=model, facts=dict(facts)))
        self._serial.bump()

    def _keep_house(self, announcer: Announcer | None, host: str, port: int) -> None:
        """Until told to stop: let time end a trial, tell what has changed."""
        told: object = None
        next_tell = 0.0
        while not self._stop.wait(TICK_S):
            self._models.tick()
            if announcer:
                announcer.update(self._announcement(host, port))
            now = time.monotonic()
            news = self._lines.changes(), tuple(line.state for line in self._lines.status())
            if news != told and now >= next_tell:
                told, next_tell = news, now + TELL_COUNTERS_EVERY_S
                self._serial.bump()

    def _announcement(self, host: str, port: int) -> Announcement:
        return Announcement(
            box=self._identity.fingerprint,
            name=self._config.name,
            host=host,
            port=port,
            enrolled=bool(self._trust.pinned()),
        )


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Hold the lock of this home; the system lets it go with the process, however that ends."""
    (home / "run").mkdir(parents=True, exist_ok=True)
    with (home / "run" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyExists(
                f"A box runs in {home} already.", hint="Stop it first; one home belongs to one daemon."
            ) from error
        yield
