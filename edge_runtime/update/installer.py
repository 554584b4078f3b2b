"""Installing a model on a running line, one persisted step after the other."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import BoxRefused, LinesideError, NotFound, ProbeFailed
from edge_runtime.contracts.status import ProbeReport, SlotState, SlotStatus, TrialReport
from edge_runtime.update import slots as machine
from edge_runtime.update.bundle import Bundle
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.probe import probe
from edge_runtime.update.refusing import refuse, stage
from edge_runtime.update.root_store import RootStore
from edge_runtime.update.roots import read_root
from edge_runtime.update.slot_files import SlotFiles
from edge_runtime.update.slot_store import SlotStore, looked_into
from edge_runtime.update.slots import Accepted, SlotName, SlotTable, TrustFloor
from edge_runtime.update.trial import Trial, Verdict

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile

    from edge_runtime.update.verify import VerifiedTarget, Verifier

log = logging.getLogger(__name__)


class Installer:
    """The box's models: which one answers, and how a new one takes its place.

    May be called from several threads: one installation at a time, everything else meanwhile.

    :param now_ms: the box's clock, milliseconds since 1970.
    :param trial_frames: live frames after which a trial is decided.
    :param trial_seconds: time after which it is decided, whatever came.
    """

    def __init__(
        self, home: Path, *, inbox: Inbox, now_ms: Callable[[], int], trial_frames: int, trial_seconds: float
    ) -> None:
        self._files = SlotFiles(home / "slots")
        self._inbox = inbox
        self._now_ms = now_ms
        self._trial_frames = trial_frames
        self._trial_seconds = trial_seconds
        self._roots = RootStore(home)
        self._store = SlotStore(home / "state.db")
        opened = self._store.open()
        self._table = opened.table
        self.problem = opened.problem
        """What was wrong with the update state at the start, in words."""
        self._lock = threading.RLock()
        self._installing = threading.Lock()
        self._trial: Trial | None = None

    def recover(self, ended: str = machine.CUT_DURING_TRIAL) -> list[str]:
        """Call once at start: what a power cut interrupted is undone, and the committed model's file is checked.

        :param ended: what a trial ended by that was under way.
        :returns: which committed models were found damaged and given up, in words.
        """
        damaged = []
        with self._lock:
            self._files.tidy()
            self._trial = None
            recovered = self._attributed(machine.recover(self._table, ended))
            if recovered is not self._table:
                self._save_if_possible(recovered)
            for slot in (self._table.a, self._table.b):
                if slot.file is not None:
                    # What a disk that takes no changes keeps lying about is in nobody's way.
                    with suppress(OSError):
                        self._inbox.discard(slot.file)
            while self._table.committed is not None:
                try:
                    self._files.read(self._table, self._table.committed)
                    break
                except LinesideError as error:
                    log.error("the committed model is damaged: %s", error)
                    damaged.append(error.message)
                    self._save_if_possible(
                        machine.discard_committed(self._table, f"its file was damaged: {error.message}")
                    )
        return damaged

    def _attributed(self, table: SlotTable) -> SlotTable:
        """Whose signatures a table of before accepted is not known: of anybody whom the root of those days lists."""
        with suppress(LinesideError):
            roots = self._roots.load()
            if then := roots.get(table.trust.root):
                return machine.attribute(table, frozenset().union(*read_root(then).signers.values()))
        return table

    def slots(self) -> tuple[SlotStatus, ...]:
        """Both slots, with the figures of a trial that runs now."""
        with self._lock:
            status = self._table.status()
            if self._trial is None:
                return status
            figures = self._trial.report()
            return tuple(dataclasses.replace(one, trial=figures) if one.state == "TRIAL" else one for one in status)

    def floors(self) -> dict[str, int]:
        """Lowest release of each model name that is still accepted."""
        with self._lock:
            return dict(self._table.floors)

    def refused(self) -> dict[str, str]:
        """Bundles that were rolled back here and are not taken again, with the reason of each."""
        with self._lock:
            return {entry.bundle: entry.reason for entry in self._table.refused}

    def newest_signature_s(self, signers: Mapping[str, frozenset[str]]) -> int:
        """When the newest release that was accepted here was signed, seconds since 1970; 0 where there is none.

        :param signers: whose signatures count, by role: those that the newest root lists.
        """
        with self._lock:
            return self._table.floor(signers).timestamp

    def active(self) -> Bundle | None:
        """The model that answers for the line now: the one on trial, else the committed one, else none.

        :raises BundleInvalid, BundleTampered: the slot's file was damaged since the start.
        """
        with self._lock:
            where = self._table.active
            return self._files.read(self._table, where) if where else None

    def check_committed(self) -> bool | None:
        """Read the committed model's file again: is it what was installed? None where there is none."""
        table = self._table
        if table.committed is None:
            return None
        try:
            self._files.check(table, table.committed)
        except (LinesideError, OSError):
            return False
        return True

    def try_candidate(self, sha256: str) -> ProbeReport:
        """Run a delivered bundle in the sandbox; changes nothing.

        :raises NotFound: it was not delivered.
        :raises BundleInvalid, BundleTampered: it is no bundle.
        """
        return probe(self._inbox.path(sha256))

    def install(self, target: str, *, baseline: TrialReport | None) -> None:
        """Verify, probe and put on trial; returns when the trial has begun. Again for the same target: nothing happens.

        :param baseline: how the model that answers now does on the line.
        :raises TrustRefused, BundleInvalid, BundleTampered, ProbeFailed, NotFound: refused; the slot says why,
            and the model that answered still does.
        :raises BoxRefused: another model is on trial, or this bundle was rolled back here before.
        """
        with self._installing:
            with self._lock:
                on_trial = self._table.candidate
                if on_trial and self._table.slot(on_trial).target == target:
                    return
                if on_trial:
                    raise BoxRefused(
                        f"{self._table.slot(on_trial).target} is on trial on this box.",
                        hint="Wait until its trial has ended, then try again.",
                    )
            verified = None
            try:
                verified = self._verify(target)
                self._install(verified, baseline)
            except LinesideError as error:
                self._reject(target, verified, error.message)
                raise
            except Exception as error:
                # Whatever went wrong: no installation may stay under way and block the next one.
                self._reject(target, verified, f"the installation broke off: {error!r}")
                raise

    def check_signature(self, target: str) -> VerifiedTarget:
        """What the site's signatures say about a target, by the same rules as for an installation; installs nothing.

        :raises TrustRefused: with the reason in plain words.
        """
        with self._installing:
            verified = self._verify(target)
            with self._lock:
                self._save(machine.raise_trust(self._table, verified.trust))
            return verified

    def signed(self, target: str) -> tuple[TargetFile, Accepted]:
        """What was signed of a target of another kind; nothing older is accepted from now on. Errors as above."""
        with self._installing:
            verifier, _table, floor = self._verifier()
            info, seen = verifier.signed(target, now_ms=self._now_ms(), newest=floor)
            with self._lock:
                self._save(machine.raise_trust(self._table, seen))
            return info, seen

    def _verify(self, target: str) -> VerifiedTarget:
        verifier, table, floor = self._verifier()
        return verifier.verify(target, floors=table.floors, now_ms=self._now_ms(), newest=floor)

    def _verifier(self) -> tuple[Verifier, SlotTable, TrustFloor]:
        # Only now: the TUF client takes a while to load, and with it whatever cloud library lies about.
        from edge_runtime.update.verify import Verifier

        with self._lock:
            table = self._table = looked_into(self._table, self._store)
        roots = self._roots.load()
        newest = roots[max(roots)] if roots else None
        floor = table.floor(read_root(newest).signers if newest else {})
        return Verifier(newest, self._inbox.metadata), table, floor

    def _install(self, verified: VerifiedTarget, baseline: TrialReport | None) -> None:
        table = self._table
        if table.committed and table.slot(table.committed).file == verified.sha256:
            return
        if reason := table.why_refused(verified.bundle):
            raise BoxRefused(
                f"This bundle was rolled back on this box before: {reason}.",
                hint="Mend the model and release it as a new version.",
            )
        delivered = self._inbox.path(verified.sha256)
        with self._lock:
            self._save(stage(self._table, verified))
            where = self._candidate()
        bundle = self._files.put(where, delivered, verified)
        with self._lock:
            self._save(
                machine.verify(
                    self._table, file=verified.sha256, bundle=bundle.id, release=verified.release, trust=verified.trust
                )
            )
        report = probe(self._files.path(where))
        if not report.passed:
            with self._lock:
                self._save(machine.reject(self._table, "; ".join(report.reasons), probe=report))
            self._inbox.discard(verified.sha256)
            raise ProbeFailed(f"{verified.target} failed on this box: {'; '.join(report.reasons)}.")
        with self._lock:
            self._save(machine.prove(self._table, report))
            self._trial = Trial(self._trial_frames, self._trial_seconds, bundle.manifest.latency_budget_ms, baseline)
            self._save(machine.begin_trial(self._table))

    def limit_trials(self, frames: int, seconds: float) -> None:
        """How long those trials last that begin from now on."""
        self._trial_frames, self._trial_seconds = frames, seconds

    def observe(self, bundle: str, *, latency_ms: float, ok: bool, now_s: float) -> SlotState | None:
        """Count a live frame of a trial.

        :param bundle: who answered it; another model's frame says nothing about the one on trial.
        :param now_s: a monotonic clock, seconds.
        :returns: ``COMMITTED`` or ``ROLLED_BACK`` where this frame decided; ask :meth:`active` again then.
        """
        with self._lock:
            trial = self._trial_of(bundle)
            return self._conclude(trial.observe(latency_ms=latency_ms, ok=ok, now_s=now_s)) if trial else None

    def tick(self, bundle: str, now_s: float) -> SlotState | None:
        """Let time decide a trial; returns as :meth:`observe` does. Call about once a second.

        :param bundle: who answers on the line now; the trial's time runs from the first call with the model on trial.
        """
        with self._lock:
            return self._conclude(trial.tick(now_s)) if (trial := self._trial_of(bundle)) else None

    def roll_back(self, reason: str) -> None:
        """End a trial, or go back from the committed model to the one before it.

        :raises NotFound: there is no model to go back to.
        """
        with self._lock:
            if self._trial is not None:
                self._conclude(Verdict(False, reason, self._trial.report()))
                return
            self._save(self._reverted(reason))

    def leave(self, reason: str) -> bool:
        """As :meth:`roll_back` from a committed model, also where the disk takes no changes; False: it stays."""
        with self._lock:
            try:
                reverted = self._reverted(reason)
            except LinesideError as error:
                log.error("the committed model stays: %s", error)
                return False
            self._save_if_possible(reverted)
            return True

    def _reverted(self, reason: str) -> SlotTable:
        try:
            reverted = machine.revert(self._table, reason)
        except machine.SlotRule as error:
            raise NotFound(f"There is no earlier model to go back to: {error}.") from error
        if reverted.committed:
            self._files.check(reverted, reverted.committed)
        return reverted

    def withdraw(self, bundle: str, reason: str) -> bool:
        """Call a bundle back from its trial; False: it is not on trial, and nothing happened.

        It is not held against the bundle; see :func:`edge_runtime.update.slots.withdraw`.
        """
        with self._lock:
            trial = self._trial_of(bundle)
            if trial is None:
                return False
            self._end_trial(machine.withdraw(self._table, reason, trial.report()), may_wait=False)
            log.info("the trial was called off: %s", reason)
            return True

    def forget(self, bundle: str) -> bool:
        """Let a bundle come again that was refused here; False: it was not refused, and nothing happened."""
        with self._lock:
            forgotten = machine.forget(self._table, bundle)
            if forgotten == self._table:
                return False
            self._save(forgotten)
            return True

    def _trial_of(self, bundle: str) -> Trial | None:
        return self._trial if self._trial and self._table.slot(self._candidate()).bundle == bundle else None

    def _conclude(self, verdict: Verdict | None) -> SlotState | None:
        if verdict is None:
            return None
        if verdict.healthy:
            decided = machine.commit(self._table, verdict.report)
        else:
            decided = machine.roll_back(self._table, verdict.reason, verdict.report)
        if not self._end_trial(decided, may_wait=verdict.healthy):
            return None
        log.info("the trial ended: %s", verdict.reason)
        return "COMMITTED" if verdict.healthy else "ROLLED_BACK"

    def _end_trial(self, decided: SlotTable, *, may_wait: bool) -> bool:
        """Put the end of the trial in force; False: it could not be written, and the next frame decides again.

        :param may_wait: otherwise it is in force even so: the row says TRIAL, which a restart undoes just the same.
        """
        delivered = self._table.slot(self._candidate()).file
        try:
            self._save(decided)
        except LinesideError as error:
            log.error("the end of the trial could not be written: %s", error)
            if may_wait:
                return False
            self._table = decided
        self._trial = None
        if delivered:
            self._inbox.discard(delivered)
        return True

    def _reject(self, target: str, verified: VerifiedTarget | None, reason: str) -> None:
        """Leave the reason where the desktop looks for it; the model that answers is not touched."""
        with self._lock:
            self._trial = None
            rejected = refuse(self._table, target, verified, reason)
            if rejected is None:
                return
            # In memory first: on a full disk too the next installation must find the slot free.
            self._table = rejected
            self._store.save(rejected)

    def _candidate(self) -> SlotName:
        candidate = self._table.candidate
        if candidate is None:
            raise machine.SlotRule("no installation is under way")
        return candidate

    def _save(self, table: SlotTable) -> None:
        self._store.save(table)
        self._table = table

    def _save_if_possible(self, table: SlotTable) -> None:
        """At a start: what the disk does not take, the next start finds out again."""
        self._table = table
        try:
            self._store.save(table)
        except LinesideError as error:
            log.error("the slots could not be written: %s", error)
