"""The bundle that sees the line and answers for nothing: checked like an installation, kept apart from the slots."""

from __future__ import annotations

import dataclasses
import logging
import threading
from pathlib import Path

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BundleTampered, LinesideError, ProbeFailed
from edge_runtime.contracts.rows import Digest
from edge_runtime.contracts.status import ShadowStatus
from edge_runtime.update.bundle import Bundle, check_copy, read_bundle
from edge_runtime.update.durable import file_digest, read_chunks, remove_unfinished, write_durably
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.installer import Installer
from edge_runtime.update.probe import probe

MAX_STATE_BYTES = 2**20
_SUFFIX = ".bundle"
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """``shadow.json``; the bundle lies beside it under its digest."""

    file: Digest
    status: ShadowStatus


class ShadowSlot:
    """At most one bundle. Signature, floors and sandbox are those of an installation; there is no trial, for it
    answers for nothing, and neither slots nor floors change."""

    def __init__(self, home: Path, *, inbox: Inbox, installer: Installer) -> None:
        self._folder = home / "shadow"
        self._state = self._folder / "shadow.json"
        self.in_hand = self._folder / "shadow.hand"
        """Where it is written down that the model has a frame in hand."""
        self._inbox, self._installer = inbox, installer
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def recover(self) -> Bundle | None:
        """Call once at start: the bundle that was kept, where it is whole and was not given up.

        :raises LinesideError, OSError: it is damaged or cannot be read, and is kept no longer.
        """
        if not self._folder.is_dir():
            return None
        with self._lock:
            try:
                with self._state.open("rb") as file:
                    self._kept = wire.decode(file.read(MAX_STATE_BYTES), _Kept, what="shadow's state")
                bundle = self._read(self._kept)
            except FileNotFoundError:
                self._tidy()
                return None
            except (LinesideError, OSError) as error:
                _log.error("the shadow model is damaged and was let go: %s", error)
                self._kept = None
                self._tidy()
                raise
            self._tidy()
            return bundle if self._kept.status.state == "running" else None

    def status(self) -> ShadowStatus | None:
        kept = self._kept
        return kept.status if kept else None

    def put(self, target: str) -> Bundle:
        """Check a delivered target and keep it in place of what was kept before; a refusal changes nothing.

        :raises TrustRefused, BundleInvalid, BundleTampered, ProbeFailed, NotFound: as for an installation.
        """
        verified = self._installer.check_signature(target)
        path = self._path(verified.sha256)
        with self._lock:
            write_durably(path, read_chunks(self._inbox.path(verified.sha256)))
            try:
                bundle = check_copy(path, verified)
                report = probe(path)
                if not report.passed:
                    raise ProbeFailed(f"{target} failed on this box: {'; '.join(report.reasons)}.")
                status = ShadowStatus(
                    target=target,
                    bundle=bundle.id,
                    name=verified.model_name,
                    version=verified.version,
                    release=verified.release,
                    state="running",
                    probe=report,
                )
                self._keep(_Kept(file=verified.sha256, status=status))
            except LinesideError:
                if self._kept is None or self._kept.file != verified.sha256:
                    path.unlink(missing_ok=True)
                raise
            self._sweep()
            self._inbox.discard(verified.sha256)
            return bundle

    def give_up(self, bundle: str, reason: str) -> None:
        """It did badly: remember that, and do not take it up again by itself.

        :raises DiskFull, OSError: it is known until the next start only.
        """
        with self._lock:
            if self._kept is None or self._kept.status.bundle != bundle:
                return
            status = dataclasses.replace(self._kept.status, state="given-up", reason=reason[:500])
            self._kept = dataclasses.replace(self._kept, status=status)
            self._keep(self._kept)

    def clear(self) -> None:
        """Keep none any more."""
        with self._lock:
            self._forget()

    def _read(self, kept: _Kept) -> Bundle:
        path = self._path(kept.file)
        if not path.is_file() or file_digest(path) != kept.file:
            raise BundleTampered("The shadow model's file is not the one that was checked.")
        return read_bundle(path)

    def _keep(self, kept: _Kept) -> None:
        write_durably(self._state, [wire.encode(kept)])
        self._kept = kept

    def _forget(self) -> None:
        self._kept = None
        self._state.unlink(missing_ok=True)
        self._sweep()

    def _tidy(self) -> None:
        """At a start: what a disk that takes no changes keeps lying about is in nobody's way."""
        try:
            remove_unfinished(self._folder)
            if self._kept is None:
                self._forget()
            self._sweep()
        except OSError as error:
            _log.error("the shadow's folder could not be tidied: %s", error)

    def _sweep(self) -> None:
        """Remove the bundles that are no longer the one."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if self._kept is None or path.name != f"{self._kept.file}{_SUFFIX}":
                path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}{_SUFFIX}"
