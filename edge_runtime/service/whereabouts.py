"""Where desktops reach this box: told in a file of its home, and to whoever listens on the network."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from edge_runtime.config import EdgeConfig
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.status import Announcement
from edge_runtime.enrolment import address_file, forget_address, tell_address
from edge_runtime.identity import Identity
from edge_runtime.service.announce import Beacon

_log = logging.getLogger(__name__)


class Whereabouts:
    """Used by the main thread.

    :param enrolled: whether a desktop is trusted.
    :param pair: the port at which a code may be typed; 0 where none is open.
    :param alert: tells a person, by kind and message.
    """

    def __init__(
        self,
        home: Path,
        *,
        identity: Callable[[], Identity],
        config: Callable[[], EdgeConfig],
        enrolled: Callable[[], bool],
        pair: Callable[[], int],
        alert: Callable[[str, str], None],
    ) -> None:
        self._home, self._identity, self._config = home, identity, config
        self._enrolled, self._pair, self._alert = enrolled, pair, alert
        self._beacon = Beacon()

    def begin(self, host: str, port: int) -> None:
        """Desktops reach the box there from now on."""
        tell_address(self._home, host, port)
        _log.info("box %s listens on %s port %d", self._identity().fingerprint[:12], host, port)
        announce = self._config().management.announce
        self._beacon.begin(self._announcement(host, port) if announce else None)

    def unreachable(self, error: LinesideError) -> None:
        """Nobody reaches it: the lines matter more, but whoever started this by hand sees it at once."""
        sys.stderr.write(f"{error.message} It is tried again; the lines run meanwhile. {error.hint}\n")
        _log.error("no desktop can reach the box: %s", error)
        self._alert("management.not-listening", f"{error.message} {error.hint}")

    def tell(self, address: tuple[str, int] | None) -> None:
        """Call a few times a second: what is told may have changed, or the file may be gone."""
        if address is not None:
            if not address_file(self._home).exists():
                tell_address(self._home, *address)
            self._beacon.update(self._announcement(*address))

    def ask_to_stop(self) -> None:
        """Nothing is told any more; :meth:`close` waits for it."""
        forget_address(self._home)
        self._beacon.ask_to_stop()

    def close(self, timeout_s: float) -> None:
        self._beacon.close(timeout_s)

    def _announcement(self, host: str, port: int) -> Announcement:
        return Announcement(
            box=self._identity().fingerprint,
            name=self._config().name,
            host=host,
            port=port,
            enrolled=self._enrolled(),
            pair=self._pair(),
        )
