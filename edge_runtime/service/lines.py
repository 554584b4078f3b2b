"""Keeps one pipeline running: a failure costs a pause, never another line and never the daemon."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edge_runtime.config import PipelineConfig
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.pipeline import Pipeline
from edge_runtime.sources.base import Source

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
SOUND_AFTER_S = 60.0
"""A pipeline that ran this long has got over its last failure."""
_log = logging.getLogger(__name__)


class Line:
    """A pipeline's thread.

    :param open_source: called anew for every attempt.
    :param build: makes the pipeline around an open source.
    :param failed: told why, once for every series of failures.
    """

    def __init__(
        self,
        config: PipelineConfig,
        *,
        open_source: Callable[[], Source],
        build: Callable[[Source], Pipeline],
        failed: Callable[[str], None],
        counters: PipelineCounters,
    ) -> None:
        self.config = config
        self.counters = counters
        self._open_source, self._build, self._failed = open_source, build, failed
        self._pipeline: Pipeline | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"line-{config.name}", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end after :meth:`ask_to_stop`; False when it takes longer than this."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self, *, has_model: bool) -> PipelineStatus:
        if (pipeline := self._pipeline) is not None:
            return pipeline.status()
        failing = self.counters.last_failure is not None
        return self.counters.status(self.config.name, self.config.source, has_model=has_model, failing=failing)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            started = time.monotonic()
            try:
                self._attempt()
            except Exception as error:  # noqa: BLE001 - whatever a source or a model does, the other lines go on
                _log.exception("pipeline %s failed", self.config.name)
                reason = str(error) or type(error).__name__
                if pause_s == 0.0 or time.monotonic() - started > SOUND_AFTER_S:
                    pause_s = FIRST_PAUSE_S
                    self._failed(reason)
                else:
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self.counters.failure(reason)
            else:
                return

    def _attempt(self) -> None:
        source = self._open_source()
        try:
            self._pipeline = self._build(source)
            self._pipeline.run(self._stop)
        finally:
            self._pipeline = None
            source.close()
