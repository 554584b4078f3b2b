"""What the rest of a box does for its configuration: takes it, shows how it does, and tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.config import CONFIG_NAME, MAX_CONFIG_BYTES, EdgeConfig, Management, config_error, parse_config
from edge_runtime.configuring.trial import LineNow
from edge_runtime.contracts.errors import ConfigInvalid, LinesideError
from edge_runtime.service.inference import InferenceListeners
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.management import ManagementDoor, listening_socket
from edge_runtime.service.spool import Spool
from edge_runtime.sources import check_pipelines
from edge_runtime.update.installer import Installer
from edge_runtime.update.slots import IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the running box that go by its configuration."""

    door: ManagementDoor
    lines: LineUp
    inference: InferenceListeners
    installer: Installer
    spool: Spool
    alert: Callable[[str, str], None]
    """kind, message."""
    changed: Callable[[], None]
    now_ms: Callable[[], int]

    def apply(self, before: EdgeConfig, after: EdgeConfig) -> None:
        """Have every part go by ``after``; what it does not change runs on."""
        self.spool.limit_to(after.spool)
        self.installer.limit_trials(after.update.trial_frames, after.update.trial_seconds)
        self.inference.reconfigure(after.inference)
        self.lines.apply(after)
        if before.management != after.management:
            self.door.reopen()

    def lines_now(self) -> dict[str, LineNow]:
        """Those of the configuration that runs."""
        return self.lines.now()

    def missing(self) -> tuple[str, ...]:
        """Listeners for programs that are asked for and are not open."""
        return self.inference.missing

    def busy(self) -> str:
        """Why none may be tried now; nothing where one may."""
        on_trial = any(slot.state in IN_FLIGHT for slot in self.installer.slots())
        return "A model is being installed or on trial on this box." if on_trial else ""

    def audit(self, kind: str, message: str, who: str = "box") -> None:
        self.spool.audit(kind, message, who=who)

    def require_listenable(self, wanted: Management, text: str) -> None:
        """:raises ConfigInvalid: a new address for desktops that could not be listened on: the box would be lost."""
        host, port = wanted.address
        own = self.door.address
        try:
            # The port that this box itself holds is free by then: only the host is in question.
            listening_socket((host, 0 if own and own[1] == port else port)).close()
        except LinesideError as error:
            raise config_error(text, "management.listen", error.message) from error


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
