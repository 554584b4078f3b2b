"""What the rest of a box does for its configuration: takes it, shows how it does, and tells of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.config import CONFIG_NAME, MAX_CONFIG_BYTES, EdgeConfig, config_error, parse_config, split_address
from edge_runtime.configuring.trial import LineNow
from edge_runtime.contracts.configuring import ConfigVersion
from edge_runtime.contracts.errors import ConfigInvalid, DiskFull, LinesideError
from edge_runtime.service.crashes import CrashWatch
from edge_runtime.service.inference import InferenceListeners
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.management import ManagementDoor, listening_socket
from edge_runtime.service.spool import Spool
from edge_runtime.service.turns import Turns
from edge_runtime.sources import check_pipelines
from edge_runtime.update.durable import write_durably
from edge_runtime.update.installer import Installer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the running box that go by its configuration."""

    door: ManagementDoor
    lines: LineUp
    inference: InferenceListeners
    installer: Installer
    spool: Spool
    turns: Turns
    crashes: CrashWatch
    alert: Callable[[str, str], None]
    """kind, message."""
    changed: Callable[[], None]
    now_ms: Callable[[], int]

    def apply(self, before: EdgeConfig, after: EdgeConfig, *, trial: bool = False) -> None:
        """Have every part go by ``after``; what it does not change runs on.

        :param trial: it may have to be taken back: lines of before run on beside until :meth:`settle`, and no limit
            of the spool lets anything go, as that could not be brought back.
        """
        if not trial:
            self.spool.limit_to(after.spool)
        self.go_by(after)
        self.lines.apply(after, beside=trial)
        if before.management != after.management:
            self.door.reopen()

    def go_by(self, after: EdgeConfig) -> None:
        """Have all go by it but the lines, the limits of the spool, and the listener for desktops."""
        self.installer.limit_trials(after.update.trial_frames, after.update.trial_seconds)
        self.inference.reconfigure(after.inference)

    def settle(self, after: EdgeConfig) -> None:
        """The trial of ``after`` is over, and it is in force."""
        self.lines.finish()
        self.spool.limit_to(after.spool)

    def lines_now(self) -> dict[str, LineNow]:
        """Those of the configuration that runs."""
        return self.lines.now()

    def missing(self) -> tuple[str, ...]:
        """Listeners for programs that are asked for and are not open."""
        return self.inference.missing

    def audit(self, kind: str, message: str, who: str = "box") -> None:
        self.spool.audit(kind, message, who=who)

    def tell_committed(self, version: ConfigVersion) -> None:
        _log.info("a new configuration is in force")
        self.audit("config.changed", f"{CONFIG_NAME} with {named(version.digest)} is in force.", version.who)

    def tell_returned(self, version: ConfigVersion) -> None:
        message = f"{CONFIG_NAME} with {named(version.digest)} was given up: {version.reason}"
        _log.warning("%s", message)
        self.audit("config.returned", message)
        self.alert("config.returned", message)

    def put_back(self, path: Path, text: bytes, digest: str) -> None:
        """``edge.toml`` is gone, and with it what is in force: it could not be changed any more."""
        words = f"There was no {path.name} any more: the one in force, with the digest {digest}, "
        try:
            write_durably(path, [text], mode=0o600)
            words += "was put back."
        except (DiskFull, OSError) as error:
            words += f"runs, and could not be put back: {error}"
        self.audit("config.lost", words)
        self.alert("config.lost", words)

    def require_listenable(self, before: EdgeConfig, after: EdgeConfig, text: str, known: Container[str]) -> None:
        """Whether the addresses that ``after`` changes can be listened on.

        :param known: those at which this box has listened.
        :raises ConfigInvalid: one of them cannot: programs would not be answered for as long as the trial takes, or the
            box would be lost.
        """
        own = (self.door.address, *map(split_address, self.inference.addresses.values()))
        held = {address[1] for address in own if address}
        for field, was, now in (
            ("management.listen", before.management.listen, after.management.listen),
            ("inference.http", before.inference.http, after.inference.http),
            ("inference.grpc", before.inference.grpc, after.inference.grpc),
        ):
            if not now or now == was or now in known:
                continue
            host, port = split_address(now)
            try:
                # A port that this box itself holds is free by then: only the host is in question.
                listening_socket((host, 0 if port in held else port)).close()
            except LinesideError as error:
                raise config_error(text, field, error.message) from error


def named(digest: str) -> str:
    return f"the digest {digest}"


def problem_of(body: bytes) -> str:
    """Why a text cannot be used; nothing where it can."""
    if len(body) > MAX_CONFIG_BYTES:
        return f"{CONFIG_NAME} is longer than {MAX_CONFIG_BYTES} bytes."
    try:
        text = body.decode()
        check_pipelines(parse_config(text), text)
    except UnicodeDecodeError:
        return f"{CONFIG_NAME} is not UTF-8 text."
    except ConfigInvalid as error:
        return error.message
    return ""
