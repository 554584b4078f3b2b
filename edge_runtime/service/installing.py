"""Installations of models that were asked for: done one after the other, beside all else."""

from __future__ import annotations

import logging
from concurrent.futures import Future

from edge_runtime.service.models import ModelKeeper
from edge_runtime.service.turns import Turns
from edge_runtime.service.worker import Worker
from edge_runtime.update.installer import Installer
from edge_runtime.update.slots import IN_FLIGHT

_log = logging.getLogger(__name__)


class Installations:
    """:param worker: in whose thread they are done."""

    def __init__(self, models: ModelKeeper, installer: Installer, *, turns: Turns, worker: Worker) -> None:
        self._models, self._installer, self._turns, self._worker = models, installer, turns, worker
        self._asked: set[Future[None]] = set()
        """Those that have not come to an end or to a trial."""

    @property
    def under_way(self) -> bool:
        return bool(self._asked) or any(one.state in IN_FLIGHT for one in self._installer.slots())

    def start(self, target: str) -> None:
        """:raises BoxBusy: something else is on trial."""
        with self._turns.begin("model"):
            future = self._worker.submit(lambda: self._models.install(target))
            self._asked.add(future)
        future.add_done_callback(self._asked.discard)
        future.add_done_callback(
            lambda done: (
                _log.warning("%s was not installed: %s", target, error) if (error := done.exception()) else None
            )
        )
