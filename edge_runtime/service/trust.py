"""Whom this box trusts: desktops by their certificates, releases by the site's root metadata."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from edge_runtime.contracts.errors import InputInvalid, LinesideError, TrustRefused
from edge_runtime.enrolment import MAX_ROOT_BYTES
from edge_runtime.identity import MAX_CERTIFICATE_BYTES, certificate_der, fingerprint_of
from edge_runtime.update.durable import make_folder, write_durably

_log = logging.getLogger(__name__)


class TrustStore:
    """``H/trust``: ``desktops/FINGERPRINT.pem`` and ``root.json``. Reads the folder anew whenever it has changed."""

    def __init__(self, home: Path) -> None:
        self._desktops = home / "trust" / "desktops"
        self._root = home / "trust" / "root.json"
        make_folder(self._desktops)
        self._lock = threading.Lock()
        self._seen: frozenset[tuple[str, int, int]] = frozenset()
        self._pinned: dict[str, bytes] = {}

    def add_desktop(self, certificate_pem: str) -> str:
        """Trust a desktop from now on; returns its fingerprint. Again for the same one: nothing happens.

        :raises InputInvalid: not a certificate.
        """
        fingerprint = fingerprint_of(certificate_pem)
        write_durably(self._desktops / f"{fingerprint}.pem", [certificate_pem.encode("ascii")])
        return fingerprint

    def set_root(self, body: bytes) -> None:
        """Trust releases that this root metadata leads to.

        :raises InputInvalid: not root metadata that is signed as it says itself.
        :raises TrustRefused: the box trusts another root already.
        """
        if self._root.exists():
            if self._root.read_bytes() != body:
                raise TrustRefused(
                    "This box trusts another site's root already.",
                    hint="Initialise the box anew if it really moves to another site.",
                )
            return
        # Only here: it takes a while to load, and the daemon does without.
        from tuf.api.exceptions import RepositoryError
        from tuf.api.metadata import Metadata, Root

        if len(body) > MAX_ROOT_BYTES:
            raise InputInvalid(f"Root metadata of {len(body)} bytes is not accepted.")
        try:
            root = Metadata[Root].from_bytes(body)
            if not isinstance(root.signed, Root):
                raise InputInvalid("This is metadata of another role, not a root.")
            root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
        except (RepositoryError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise InputInvalid(f"This is not the root metadata of a site: {error}.") from error
        write_durably(self._root, [body])

    def pinned(self) -> dict[str, bytes]:
        """The desktops trusted at this moment: DER certificate by fingerprint."""
        with self._lock:
            try:
                files = [path for path in self._desktops.iterdir() if path.suffix == ".pem"]
                stats = [(path.name, stat.st_mtime_ns, stat.st_size) for path in files if (stat := path.stat())]
            except FileNotFoundError:
                return {}
            if (seen := frozenset(stats)) != self._seen:
                self._pinned = dict(pin for path in files if (pin := _read_pin(path)))
                self._seen = seen
            return self._pinned


def _read_pin(path: Path) -> tuple[str, bytes] | None:
    """A file of the trust folder; one that is not what its name says trusts nobody."""
    try:
        with path.open("r", encoding="ascii") as file:
            pem = file.read(MAX_CERTIFICATE_BYTES + 1)
        if fingerprint_of(pem) != path.stem:
            raise InputInvalid("The certificate is not the one of the file's name.")
        return path.stem, certificate_der(pem)
    except (OSError, ValueError, LinesideError) as error:
        _log.warning("%s in the trust folder is left out: %s", path.name, error)
        return None
