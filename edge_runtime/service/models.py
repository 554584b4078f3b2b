"""Which model answers now. The next one is loaded before it is switched to, so a swap loses no frame."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.awake import AwakeClock
from edge_runtime.contracts.errors import LinesideError, NotFound
from edge_runtime.contracts.status import SlotState, TrialReport
from edge_runtime.inference.allocator import give_back_freed_memory
from edge_runtime.inference.autotune import TuningStore
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.in_runtime import InRuntime
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.service.crashes import RETURNS_AFTER, Crash
from edge_runtime.update.bundle import Bundle
from edge_runtime.update.installer import Installer
from edge_runtime.update.slots import CUT_DURING_TRIAL

BASELINE_FRAMES = 200
TUNING_EVERY_S = 2.0
_log = logging.getLogger(__name__)

Alert = Callable[[str, str, str | None, Mapping[str, float]], None]
"""kind, message, bundle id, figures."""


@dataclass(frozen=True, slots=True)
class _OnLine:
    """Who answers; replaced as a whole, so that a frame never sees the half of a switch."""

    model: LoadedModel | None = None
    on_trial: bool = False
    previous: LoadedModel | None = None
    """Who answered before the one on trial."""


class ModelKeeper:
    """Between the installer, which decides, and the lines, which ask for every frame.

    :param tunings: the file in which ``lineside-edge bench`` keeps how models run best on this box.
    :param audit: notes (kind, message) of what the box decided by itself.
    :param changed: called when the slots or the answering model are not what they were.
    :param on_line: told the bundle that is about to be loaded for the line, and whether for its trial.
    :param in_runtime: told of every run.
    """

    def __init__(
        self,
        installer: Installer,
        *,
        tunings: Path,
        alert: Alert,
        audit: Callable[[str, str], None],
        changed: Callable[[], None],
        on_line: Callable[[str, bool], None],
        in_runtime: InRuntime,
    ) -> None:
        self._installer, self._alert, self._audit, self._changed = installer, alert, audit, changed
        self._on_line, self._in_runtime = on_line, in_runtime
        self._tuning_file, self._tunings = tunings, TuningStore(tunings)
        self._tuned: tuple[int, int] | None = None
        self._next_look, self._clock = 0.0, AwakeClock()
        self._switching = threading.Lock()
        self._counting = threading.Lock()
        self._line = _OnLine()
        self._latencies: deque[float] = deque(maxlen=BASELINE_FRAMES)
        self._frames = self._errors = 0

    def start(self, crash: Crash | None = None) -> None:
        """Undo what a power cut interrupted and load the model that was committed, or the one before it, where the
        process crashed too often.

        :param crash: by which the last life ended.
        """
        if (problem := self._installer.problem) is not None:
            self._alert("state.unreadable", problem, None, {})
            self._audit("state.unreadable", problem)
        blamed = crash is not None and crash.suspect != "request"
        ended = f"the box crashed during the trial: {crash.how}" if crash and blamed else CUT_DURING_TRIAL
        for damage in self._installer.recover(ended):
            self._alert("model.damaged", f"A committed model's file is damaged and was given up: {damage}", None, {})
        if crash is not None:
            self._heed(crash)
        self._switch()

    def current(self) -> LoadedModel | None:
        return self._line.model

    def workers(self) -> int:
        """How many frames at a time the answering model handles best; one where there is none."""
        current = self._line.model
        return current.engine.tuning.workers if current else 1

    def load(self, bundle: Bundle) -> LoadedModel:
        """Open a bundle's model as it runs best on this box; where that cannot be had, an alert says why.

        :raises ModelUnusable: it cannot be opened.
        """
        manifest = bundle.manifest
        tuning, outdated = self._tunings.look_up(bundle.model)
        engine = Engine(bundle.model, manifest.input, manifest.output, tuning=tuning, in_runtime=self._in_runtime)
        if why := outdated or engine.fallback:
            _log.warning("%s %s does not run as it was tuned: %s", manifest.name, manifest.version, why)
            self._alert("model.fallback", why, bundle.id, {})
        return LoadedModel(bundle.id, engine, manifest.name, manifest.version)

    def instead_of(self, model: LoadedModel) -> LoadedModel | None:
        """Who answers a frame on which ``model`` failed: its successor, or on trial the model before it."""
        line = self._line
        if line.model is not None and line.model.bundle != model.bundle:
            return line.model
        return line.previous

    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None:
        """A live frame was answered, or could not be."""
        line = self._line
        if line.model is None or model.bundle != line.model.bundle:
            return
        with self._counting:
            self._frames += 1
            if ok:
                self._latencies.append(latency_ms)
            else:
                self._errors += 1
        if line.on_trial:
            now_s = self._clock()
            self._decided(self._installer.observe(model.bundle, latency_ms=latency_ms, ok=ok, now_s=now_s))

    def tick(self) -> None:
        """Call a few times a second: time ends a trial too, and a tuning may have been found."""
        now, awake_s = time.monotonic(), self._clock()
        line = self._line
        if line.model is not None and line.on_trial:
            self._decided(self._installer.tick(line.model.bundle, awake_s))
        if now >= self._next_look:
            self._next_look = now + TUNING_EVERY_S
            self._look_for_tuning()

    def install(self, target: str) -> None:
        """Put a delivered target on trial; errors as the installer's, which the slots then show too."""
        try:
            self._installer.install(target, baseline=self._baseline())
        except LinesideError as error:
            self._alert("update.refused", f"{target}: {error.message}", None, {})
            raise
        finally:
            self._changed()
        self._switch()

    def roll_back(self, reason: str) -> None:
        """Return to the model before this one.

        :raises NotFound: there is none.
        """
        before = self._line.model
        self._installer.roll_back(reason)
        self._switch()
        self._alert("update.rolled-back", reason, before.bundle if before else None, {})

    def withdraw(self, bundle: str, reason: str) -> bool:
        """End this bundle's trial without a verdict on it; False where it is not on trial."""
        if not self._installer.withdraw(bundle, reason):
            return False
        self._switch()
        return True

    def _heed(self, crash: Crash) -> None:
        """Leave a model with which the process crashed again and again, before it is loaded once more; say of a
        program's request that it was to blame."""
        slot = next((slot for slot in self._installer.slots() if slot.bundle and slot.bundle == crash.bundle), None)
        title = f"{slot.name} {slot.version}" if slot else (crash.bundle or "no model")[:12]
        if crash.suspect == "request":
            message = (
                f"{crash.how} in what a program beside the lines asked of {title}. No program gets an answer of this "
                "model any more, until another model or another configuration is in force."
            )
            self._alert("inference.crashed", message, crash.bundle, {})
            self._audit("box.crashed", message)
            return
        times = "once" if crash.count == 1 else f"{crash.count} times"
        self._audit("box.crashed", f"{crash.how}, with {title} on the line; so far {times}.")
        if crash.suspect != "model" or crash.count < RETURNS_AFTER:
            return
        if slot is None or not (slot.active and slot.state == "COMMITTED"):
            return
        reason = f"the box crashed {times} while it was on the line, the last time by: {crash.how}"
        if self._installer.leave(reason):
            message = f"{title} was taken off the line: {reason}."
            self._alert("update.rolled-back", message, crash.bundle, {})
            self._audit("update.rolled-back", message)
        elif crash.count == RETURNS_AFTER:
            message = f"{title}: {reason}. There is no model before it to return to."
            self._alert("model.crashing", message, crash.bundle, {})

    def _look_for_tuning(self) -> None:
        """Where the tunings were written since the last look: the model on the line opened anew, as they say."""
        try:
            found = self._tuning_file.stat()
            written = found.st_mtime_ns, found.st_ino
        except OSError:
            written = None
        if written == self._tuned:
            return
        self._tuned = written
        with self._switching:
            current = self._line.model
            try:
                bundle = self._installer.active() if current else None
                if bundle is None or current is None or bundle.id != current.bundle:
                    return
                if self._tunings.of(bundle.model) == current.engine.tuning:
                    return
                tuned = self.load(bundle)
                self._line = replace(self._line, model=tuned)
            except LinesideError as error:
                _log.error("the model goes on as it was tuned before: %s", error)
                return
            self._forget_figures()
        _log.info("the model on the line was tuned anew: %s", tuned.engine.tuning)
        self._changed()

    def _baseline(self) -> TrialReport | None:
        with self._counting:
            latencies, frames, errors = list(self._latencies), self._frames, self._errors
        if not latencies:
            return None
        return TrialReport(frames=frames, errors=errors, latency_ms_p95=float(np.percentile(latencies, 95)))

    def _forget_figures(self) -> None:
        with self._counting:
            self._latencies.clear()
            self._frames = self._errors = 0

    def _decided(self, state: SlotState | None) -> None:
        if state is None:
            return
        tried = self._line.model
        if state == "ROLLED_BACK" and tried is not None:
            reasons = {slot.bundle: slot.reason for slot in self._installer.slots() if slot.state == "ROLLED_BACK"}
            reason = reasons.get(tried.bundle) or "the trial on the line failed"
            message = f"{tried.name} {tried.version} was taken off the line: {reason}."
            self._alert("update.rolled-back", message, tried.bundle, {})
            self._audit("update.rolled-back", message)
        elif tried is not None:
            self._audit("update.committed", f"{tried.name} {tried.version} ({tried.bundle[:12]})")
        self._switch()

    def _switch(self) -> None:
        """Load what the installer says must answer; a model that cannot be loaded is rolled back at once."""
        with self._switching:
            while True:
                try:
                    self._put_on_line(self._installer.active())
                    break
                except LinesideError as error:
                    _log.error("the model cannot be loaded: %s", error)
                    self._alert("model.unusable", error.message, None, {})
                    try:
                        self._installer.roll_back(f"it could not be loaded: {error.message}")
                    except NotFound:
                        break
                    except (LinesideError, OSError) as stuck:
                        message = f"The way back to the model before could not be taken: {stuck}"
                        _log.error("%s", message)
                        self._alert("model.unusable", message, None, {})
                        break
        self._changed()

    def _put_on_line(self, bundle: Bundle | None) -> None:
        line = self._line
        current = line.model
        on_trial = bundle is not None and any(
            slot.state == "TRIAL" and slot.bundle == bundle.id for slot in self._installer.slots()
        )
        if bundle is not None and current is not None and bundle.id == current.bundle:
            self._line = _OnLine(current, on_trial, line.previous if on_trial else None)
            return
        if bundle is None:
            loaded = None
        else:
            self._on_line(bundle.id, on_trial)
            previous = line.previous
            loaded = previous if previous is not None and previous.bundle == bundle.id else self.load(bundle)
            del previous
        self._forget_figures()
        # Only now: until it is loaded the model before it answers, and its frames are not the trial's.
        self._line = _OnLine(loaded, on_trial, current if on_trial else None)
        del line, current
        give_back_freed_memory()
        _log.info("model on the line: %s", loaded.bundle if loaded else "none")
