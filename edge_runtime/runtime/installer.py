"""Putting a version of the box's own program into a slot while another one runs, one persisted step after the other."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.children import wait_for
from edge_runtime.contracts import wire
from edge_runtime.contracts.enrolment_errors import EdgeInstallDoesNotStart
from edge_runtime.contracts.errors import BundleTampered, DiskFull, InputInvalid, LinesideError, TrustRefused
from edge_runtime.contracts.runtime import PROGRAM, RuntimeFacts
from edge_runtime.contracts.runtime_errors import RuntimeNoLauncher, RuntimeRefused, RuntimeUnusable
from edge_runtime.contracts.status import RuntimeStatus, TrialReport
from edge_runtime.runtime import slot as slots
from edge_runtime.runtime.base import Base
from edge_runtime.runtime.launcher import FOLDER, STATE, Launched, slot_folder
from edge_runtime.runtime.manifest import RuntimeManifest, Wheel, read_manifest
from edge_runtime.runtime.wheels import Member, digest_of, read_wheel, unpack
from edge_runtime.update import slots as machine
from edge_runtime.update.durable import lacks_room, sync_folder, write_durably
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.slot_store import SlotStore, looked_into
from edge_runtime.update.slots import SLOTS, Accepted, SlotName, SlotTable

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile

SPARE_BYTES = 16 * 2**20
"""What is left free on the disk."""
TRY_OUT_S = 120
TRY_OUT = """\
import sys
sys.path[:0] = sys.argv[1:]
import edge_runtime.service.daemon, edge_runtime.serving.grpc
"""
"""Loads every native library that the box needs."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What was signed."""

    target: str
    facts: RuntimeFacts
    bundle: str
    """sha256 of the manifest."""
    length: int
    accepted: Accepted


class RuntimeInstaller:
    """The two slots for versions of the box's program.

    May be called from several threads; one installation at a time.

    :param base: the version that is installed on the machine; None: there is none.
    :param launched: what the launcher said; None: this process was started without.
    :param signed: what the site signed of a target, and by whom.
    """

    def __init__(
        self,
        home: Path,
        *,
        base: Base | None,
        launched: Launched | None,
        inbox: Inbox,
        signed: Callable[[str], tuple[TargetFile, Accepted]],
    ) -> None:
        self._home, self._base, self._launched, self._inbox, self._signed = home, base, launched, inbox, signed
        self._store = SlotStore(home / FOLDER / STATE)
        self._table = self._store.open().table if self._able else SlotTable()
        self._lock = threading.RLock()

    @property
    def _able(self) -> bool:
        return self._base is not None and self._launched is not None

    def status(self) -> RuntimeStatus:
        with self._lock:
            table, base, launched = self._table, self._base, self._launched
        slot = launched.slot if launched else ""
        return RuntimeStatus(
            problem=self._problem(),
            base=base.version if base else "",
            release=self._floor(table),
            slot=slot,
            bundle=(table.slot(slot).bundle or "") if slot else "",
            slots=table.status(),
            refused={entry.bundle: entry.reason for entry in table.refused},
        )

    @property
    def base(self) -> Base | None:
        return self._base

    @property
    def ready(self) -> SlotName | None:
        """The slot whose version waits for the switch; None: there is none."""
        with self._lock:
            candidate = self._table.candidate
            return candidate if candidate and self._table.slot(candidate).state == "PROBED" else None

    def check(self, slot: SlotName) -> bool:
        """Hold every file of a version that waits against the signatures once more; False: it was rejected."""
        try:
            slots.check_slot(slot_folder(self._home, slot), self._require_able(), self._home)
        except LinesideError as error:
            self.reject(error.message)
            return False
        return True

    def begin_trial(self) -> None:
        """From here on whoever finds this at a start gives the version up.

        :raises LinesideError: it could not be written.
        """
        with self._lock:
            self._save(machine.begin_trial(self._table))

    def begin(self, target: str, *, again: bool) -> Callable[[], None]:
        """Follow the signatures to a version and note that it is on its way; what comes back unpacks it and loads it
        once, and raises as said there. It is ready for the switch when that has returned.

        :param again: even though it was refused here before.
        :raises RuntimeNoLauncher, TrustRefused, RuntimeRefused: it was not begun, and nothing was changed.
        """
        base = self._require_able()
        with self._lock:
            self._table = looked_into(self._table, self._store)
            if self._table.candidate is not None:
                raise RuntimeRefused("Another version is on its way or on trial on this box.")
        info, accepted = self._signed(target)
        try:
            facts = wire.from_dict(info.custom, RuntimeFacts, what=f"signed facts of {target}")
        except InputInvalid as error:
            raise TrustRefused(error.message) from error
        bundle = info.hashes.get("sha256", "")
        with self._lock:
            table = self._table
            if table.candidate is not None:
                raise RuntimeRefused("Another version is on its way or on trial on this box.")
            if facts.release < self._floor(table):
                words = f"Rollback refused: {facts.version} was built before the version that this box has run."
                raise TrustRefused(words)
            if again:
                table = machine.forget(table, bundle)
            elif reason := table.why_refused(bundle):
                raise RuntimeRefused(f"{facts.version} was rolled back on this box before: {reason}.")
            self._save(
                machine.stage(
                    table, target=target, name=PROGRAM, version=facts.version, bundle=bundle, release=facts.release
                )
            )
        offer = _Offer(target, facts, bundle, info.length, accepted)
        return lambda: self._finish(offer, base)

    def _finish(self, offer: _Offer, base: Base) -> None:
        """Errors: RuntimeUnusable, BundleTampered, NotFound, DiskFull, EdgeInstallDoesNotStart; it was rejected then,
        and the slot says why."""
        try:
            self._install(offer, base)
        except LinesideError as error:
            self.reject(error.message)
            raise
        except Exception as error:
            # Whatever went wrong: no installation may stay under way and block the next one.
            self.reject(f"the installation broke off: {error!r}")
            raise

    def _install(self, offer: _Offer, base: Base) -> None:
        facts, where = offer.facts, self._candidate()
        body = self._manifest(offer.bundle, offer.length)
        manifest = read_manifest(body)
        if (manifest.version, manifest.arch) != (facts.version, facts.arch):
            raise TrustRefused(f"{offer.target} was signed as another version than its manifest says.")
        slots.require_fit(manifest, base)
        self._unpack(where, manifest, body, offer, base)
        slots.check_slot(slot_folder(self._home, where), base, self._home)
        with self._lock:
            self._save(
                machine.verify(
                    self._table, file=offer.bundle, bundle=offer.bundle, release=facts.release, trust=offer.accepted
                )
            )
        self._try_out(where, base)
        for digest in (offer.bundle, *(one.sha256 for one in slots.own_wheels(manifest, base))):
            self._inbox.discard(digest)
        with self._lock:
            self._save(machine.prove(self._table, None))

    def _manifest(self, bundle: str, length: int) -> bytes:
        body = self._inbox.path(bundle).read_bytes()
        if len(body) != length or hashlib.sha256(body).hexdigest() != bundle:
            raise BundleTampered("The manifest that was brought is not the one that was signed.")
        return body

    def _unpack(self, where: SlotName, manifest: RuntimeManifest, body: bytes, offer: _Offer, base: Base) -> None:
        folder = slot_folder(self._home, where)
        part = folder.with_name(f".{where}.part")
        if part.exists():
            shutil.rmtree(part)
        try:
            wheels = {one: self._wheel(one) for one in slots.own_wheels(manifest, base)}
            self._require_room(wheels)
            (part / slots.WHEELS).mkdir(parents=True, mode=0o700)
            (part / slots.LIBRARY).mkdir(mode=0o700)
            for one, members in wheels.items():
                path = slots.wheel_file(part, one.sha256)
                shutil.copyfile(self._inbox.path(one.sha256), path)
                unpack(path, Path(one.path).name, members, part)
            made = slots.Made(target=offer.target, base=base.id)
            write_durably(part / slots.MANIFEST, [body])
            write_durably(part / slots.TARGETS, [self._signature(offer.accepted)])
            write_durably(part / slots.MADE, [wire.encode(made)])
            # Before the rename, or a power cut could leave a slot with the right name and empty files.
            os.sync()
            # Only now: of an earlier attempt it may have had the wheels that were not brought again.
            if folder.exists():
                shutil.rmtree(folder)
            part.rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise _explained(error, folder) from error
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def _signature(self, accepted: Accepted) -> bytes:
        newest = max((versions.targets for versions in accepted.signed.values()), default=0)
        return self._inbox.metadata(f"{newest}.targets.json")

    def go_back(self, reason: str) -> str:
        """The version before the one that runs comes back, which lies here still; returns the one that is left. It is
        not taken again unless somebody asks for that, and what is taken at all stays as it is.

        :raises RuntimeRefused: there is none, or another one is on its way.
        """
        self._require_able()
        with self._lock:
            table = self._table
            if table.candidate is not None:
                raise RuntimeRefused("Another version is on its way or on trial on this box.")
            if table.committed is None:
                raise RuntimeRefused("The version that is installed on the machine runs: there is none before it.")
            self._save(machine.revert(table, reason, to_none=True))
            return table.slot(table.committed).version or ""

    def unsigned(self) -> dict[SlotName, str]:
        """Versions that were committed and that nobody has signed whom the newest root lists, by their targets: they
        are not started again."""
        base = self._base
        if base is None or not self._able:
            return {}
        found: dict[SlotName, str] = {}
        for name in SLOTS:
            with self._lock, suppress(OSError, LinesideError):
                if self._table.slot(name).state == "COMMITTED":
                    target, counts = slots.signed_target(slot_folder(self._home, name), base, self._home)
                    if not counts:
                        found[name] = target
        return found

    def renew(self) -> None:
        """Take the newest signatures over that were brought for what :meth:`unsigned` names.

        :raises TrustRefused: there are none.
        """
        for name, target in self.unsigned().items():
            info, accepted = self._signed(target)
            with self._lock:
                if info.hashes.get("sha256") == self._table.slot(name).bundle:
                    write_durably(slot_folder(self._home, name) / slots.TARGETS, [self._signature(accepted)])

    def _wheel(self, wheel: Wheel) -> list[Member]:
        path = self._inbox.path(wheel.sha256)
        if path.stat().st_size != wheel.size or digest_of(path) != wheel.sha256:
            raise BundleTampered(f"{wheel.path} is not the file that was signed.")
        return read_wheel(path, Path(wheel.path).name)

    def _require_room(self, wheels: dict[Wheel, list[Member]]) -> None:
        sizes = [one.size for one in wheels] + [member.size for members in wheels.values() for member in members]
        needed = SPARE_BYTES + sum((size // 4096 + 1) * 4096 for size in sizes)
        free = shutil.disk_usage(self._home).free
        if free < needed:
            raise DiskFull(f"The version needs {needed // 2**20} MiB, and {free // 2**20} MiB are free.")

    def _try_out(self, where: SlotName, base: Base) -> None:
        """Load everything of a version once: what cannot be loaded here comes nowhere near the line, and what was read
        for it is in memory when it is started."""
        library = slot_folder(self._home, where) / slots.LIBRARY
        command = [sys.executable, "-ISB", "-c", TRY_OUT, str(library), str(base.library)]
        # A file, not a pipe: whoever writes without end must not fill our memory.
        with tempfile.TemporaryFile() as complaints:
            child = subprocess.Popen(  # noqa: S603 - this very interpreter, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                cwd="/",
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            )
            try:
                status = wait_for(child, TRY_OUT_S)
            except subprocess.TimeoutExpired as error:
                raise EdgeInstallDoesNotStart(f"It took longer than {TRY_OUT_S} s to load.") from error
            finally:
                child.kill()
                child.wait()
            complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 4096))
            said = complaints.read(4096).decode(errors="replace").strip().splitlines()
        if status:
            raise EdgeInstallDoesNotStart(f"Loading it failed: {(said or [f'status {status}'])[-1][:500]}.")

    def commit(self, frames: int, errors: int, unjudged: tuple[str, ...] = ()) -> None:
        """The version on trial runs from now on.

        :param unjudged: lines of which nothing could be told.
        :raises LinesideError: it could not be written; the trial goes on.
        """
        with self._lock:
            report = TrialReport(frames=frames, errors=errors, latency_ms_p95=0.0, unjudged=unjudged)
            self._save(machine.commit(self._table, report))
        # Only now: until it was written the kernel's alarm is what brings the version before back.
        signal.alarm(0)

    def roll_back(self, reason: str) -> None:
        """The version on trial is given up; whatever the disk says, a start will find the same."""
        with self._lock:
            rolled_back = machine.roll_back(self._table, reason)
            try:
                self._save(rolled_back)
            except LinesideError as error:
                _log.error("the end of the trial could not be written: %s", error)
                self._table = rolled_back

    def withdraw(self, reason: str) -> None:
        """The version on trial is given up, and may come again: nothing was found against it."""
        with self._lock, suppress(LinesideError):
            self._save(machine.withdraw(self._table, reason))

    def _problem(self) -> str:
        if self._base is None:
            return "Its program was not installed from an edge bundle."
        if self._launched is None:
            return "Its program was not started by its launcher."
        if not slots.is_anchored(self._base, self._home):
            return "The machine keeps no root of this box's site that only an administrator can change."
        return ""

    def _require_able(self) -> Base:
        if problem := self._problem():
            raise RuntimeNoLauncher(problem)
        assert self._base is not None  # noqa: S101 - that would have been the problem
        return self._base

    def _floor(self, table: SlotTable) -> int:
        return max(table.floors.get(PROGRAM, 0), self._base.release if self._base else 0)

    def reject(self, reason: str) -> None:
        """What is on its way does not come near the line."""
        with self._lock:
            # In memory first: on a full disk too the next installation must find the slot free.
            self._table = machine.reject(self._table, reason)
            with suppress(LinesideError):
                self._store.save(self._table)

    def _candidate(self) -> SlotName:
        candidate = self._table.candidate
        if candidate is None:
            raise machine.SlotRule("no installation is under way")
        return candidate

    def _save(self, table: SlotTable) -> None:
        self._store.save(table)
        self._table = table


def _explained(error: OSError, folder: Path) -> LinesideError:
    if lacks_room(error, folder):
        return DiskFull("The version could not be unpacked: no space left on the box.")
    return RuntimeUnusable(f"It could not be unpacked: {error}.")
