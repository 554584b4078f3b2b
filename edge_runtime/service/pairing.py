"""When the daemon takes a one-time code: as long as the box trusts nobody, and never again after that."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge_runtime.config import EdgeConfig, split_address
from edge_runtime.contracts.errors import BoxRefused, LinesideError, TrustRefused
from edge_runtime.enrolment import trust_desktop
from edge_runtime.identity import Identity
from edge_runtime.pairing.code_file import CodeFile
from edge_runtime.pairing.door import PairingServer
from edge_runtime.pairing.messages import BoxFacts, DesktopFacts
from edge_runtime.service.management import listening_socket
from edge_runtime.service.spool import Spool
from edge_runtime.service.trust import TrustStore

RETRY_S = 10.0
"""How often an address that cannot be listened on is tried again."""
_log = logging.getLogger(__name__)


class PairingDoor:
    """Opens the listener, and shuts it.

    :param management: where desktops can call the box; None for as long as they cannot.
    """

    def __init__(
        self,
        home: Path,
        *,
        identity: Callable[[], Identity],
        config: EdgeConfig,
        management: Callable[[], tuple[str, int] | None],
        trust: TrustStore,
        spool: Spool,
    ) -> None:
        self._home, self._identity, self._name = home, identity, config.name
        listen = config.management.pairing
        self._address = split_address(listen) if listen else None
        self._management, self._store, self._spool = management, trust, spool
        self._codes = CodeFile(home)
        self._server: PairingServer | None = None
        self._next_try = 0.0
        self._complained = False

    @property
    def port(self) -> int:
        """Where a code is taken now; 0: nowhere."""
        return self._server.port if self._server and self._server.alive else 0

    def tick(self) -> None:
        """Open or shut. Call a few times a second."""
        if self._store.pinned():
            self._shut()
        elif self._address and not self.port and time.monotonic() >= self._next_try and (where := self._management()):
            self._next_try = time.monotonic() + RETRY_S
            self._open(self._address, where[1])

    def ask_to_stop(self) -> None:
        if self._server:
            self._server.ask_to_stop()

    def close(self, timeout_s: float) -> None:
        """Wait for the end after :meth:`ask_to_stop`, no longer than ``timeout_s``."""
        if self._server:
            self._server.close(timeout_s)

    def _shut(self) -> None:
        if self._server:
            self._server.ask_to_stop()
            if self._server.alive:
                # It may be in a try that has just succeeded, and says so.
                return
            self._server = None
        # What a read-only disk keeps opens nothing: a box that trusts somebody takes no code.
        with suppress(OSError):
            self._codes.remove()

    def _open(self, address: tuple[str, int], management_port: int) -> None:
        try:
            self._codes.stand()
            listener = listening_socket(address)
        except (OSError, LinesideError) as error:
            if not self._complained:
                self._complained = True
                _log.error("no desktop can pair with this box by its code now, it is tried again: %s", error)
            return
        identity = self._identity()
        facts = BoxFacts(certificate=identity.certificate_pem, name=self._name, port=management_port)
        self._server = PairingServer(
            listener,
            box=identity.fingerprint,
            facts=facts,
            codes=self._codes,
            trust=self._trust,
            used_up=self._used_up,
        )
        _log.info("a desktop can pair with this box by its code, on port %d", self._server.port)
        self._show()

    def _trust(self, desktop: DesktopFacts) -> None:
        if self._store.pinned():
            raise TrustRefused(
                "The box has come to trust a desktop meanwhile.", hint="Let that desktop's site admit this one."
            )
        try:
            roots = (*desktop.before, desktop.root)
            who = trust_desktop(self._home, desktop_pem=desktop.certificate, roots=roots)
        except OSError as error:
            raise BoxRefused(
                f"The box could not write down whom it trusts: {error.strerror}.",
                hint="Give it a disk that can be written to, then pair again.",
            ) from error
        self._spool.audit("desktop.paired", "A desktop was paired by the one-time code.", who=who)

    def _used_up(self) -> None:
        _log.warning("three tries with a wrong code: there is a new one")
        self._spool.audit("pairing.code-used-up", "Three tries with a wrong code: there is a new code.")
        self._show()

    def _show(self) -> None:
        """On a terminal the code itself; whatever else stderr is, it may be kept, and others may read it."""
        standing = self._codes.read()
        if standing is None:
            return
        shown = standing.code if sys.stderr.isatty() else f"`lineside-edge code --home {self._home}` shows it"
        sys.stderr.write(f"To pair a desktop with this box it takes a code: {shown}.\n")
        sys.stderr.flush()
