"""The box's inference listeners: what programs beside the line ask the model that is on the line now."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge_runtime.config import Inference, join_address
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.serving.application import Door
from edge_runtime.serving.listener import InferenceServer
from edge_runtime.serving.listeners import Listener, open_grpc
from edge_runtime.serving.model import ServedModel
from edge_runtime.serving.shelf import ModelShelf

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

RETRY_S = 10.0
HANGS_S = 10.0
"""A run that goes on for so long after it was told to end hangs."""
CLOSE_S = 1.0
"""For answers that are under way when it is configured anew."""
_HANGS = (
    "{model} does not come back from what a program asked it, and holds one of the threads that answer programs. The "
    "lines go on. Where programs get no answers any more, start the box anew."
)
_BARRED = (
    "what a program asked of it crashed the box; so that the lines are not stopped again, no program gets an answer "
    "until another model or another configuration is in force"
)
_log = logging.getLogger(__name__)


class InferenceListeners:
    """Opens what the configuration asks for; what cannot be opened now is tried again, and the line goes on without.

    A model that hangs in what a program asked is told of and left alone: the line answers with the same model, and no
    program may have the box take it off or start anew.

    :param door: takes frames that are pushed to a pipeline.
    :param collectors: whose figures ``/metrics`` shows besides the models' own; asked at the first scrape.
    :param barred: whether programs get no answers of this bundle's model, as one has crashed the box with it.
    :param alert: told by its kind, and once, why a listener cannot be opened or which model hangs.
    """

    def __init__(
        self,
        settings: Inference,
        *,
        door: Door,
        collectors: Callable[[], Sequence[Collector]],
        barred: Callable[[str], bool],
        alert: Callable[[str, str], None],
    ) -> None:
        self._settings, self._door, self._collectors, self._alert = settings, door, collectors, alert
        self._barred = barred
        self._shelf = ModelShelf(max_waiting=settings.max_queue, max_run_s=settings.max_run_s)
        self._open: dict[str, Listener] = {}
        self._missing = {kind: make for kind, listen, make in self._kinds() if listen}
        self._next_try = 0.0
        self._told: set[str] = set()
        self._hanging: frozenset[str] = frozenset()
        self._showing = threading.Lock()
        self._shown: LoadedModel | None = None
        self._is_shut = False
        """Programs get no answers of what is shown."""

    @property
    def addresses(self) -> dict[str, str]:
        """``host:port`` of each listener that is open, by ``http`` and ``grpc``."""
        return {kind: join_address(*listener.address) for kind, listener in self._open.items()}

    def tick(self) -> None:
        """Open what is not open yet, and look whether a model hangs or may answer again. Call a few times a second."""
        self._look_for_hangs()
        if self._is_shut:
            with self._showing:
                if self._shown is not None and not self._barred(self._shown.bundle):
                    self._put(self._shown)
        if not self._missing or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + RETRY_S
        for kind, make in list(self._missing.items()):
            try:
                listener = make()
            except LinesideError as error:
                if kind not in self._told:
                    self._told.add(kind)
                    self._alert("inference.not-listening", f"{error.message} {error.hint}")
                continue
            listener.start()
            self._open[kind] = listener
            del self._missing[kind]
            _log.info("programs are answered over %s at %s", kind, self.addresses[kind])

    @property
    def missing(self) -> tuple[str, ...]:
        """Kinds that are asked for and are not open."""
        return tuple(self._missing)

    def reconfigure(self, settings: Inference) -> None:
        """Go by other settings: what is open is closed and opened anew. From the thread that calls :meth:`tick`."""
        if settings == self._settings:
            return
        with self._showing:
            self.ask_to_stop()
            self.close(CLOSE_S)
            shown, self._shown = self._shown, None
            self._settings = settings
            self._shelf = ModelShelf(max_waiting=settings.max_queue, max_run_s=settings.max_run_s)
            self._open = {}
            self._missing = {kind: make for kind, listen, make in self._kinds() if listen}
            self._next_try = 0.0
            self._told.clear()
        self.show(shown)
        self.tick()

    def show(self, model: LoadedModel | None) -> None:
        """From now on this model answers; requests that were begun finish on the one before."""
        with self._showing:
            before = self._shown
            if model is before:
                return
            self._shown = model
            if model is not None:
                self._put(model)
            if before is not None and (model is None or model.name != before.name):
                self._shelf.remove(before.name)

    def _put(self, model: LoadedModel) -> None:
        self._is_shut = self._barred(model.bundle)
        if self._is_shut:
            self._shelf.fail(model.name, _BARRED)
            return
        self._shelf.pool.resize(model.engine.tuning.workers)
        try:
            self._shelf.put(_served(model))
        except LinesideError as error:
            self._shelf.fail(model.name, error.message)

    def ask_to_stop(self) -> None:
        """Take no more requests and answer those under way; :meth:`close` waits for it."""
        for listener in self._open.values():
            listener.ask_to_stop()

    def close(self, timeout_s: float) -> None:
        for listener in self._open.values():
            listener.close(timeout_s)
        self._shelf.pool.close(timeout_s)

    def _look_for_hangs(self) -> None:
        hanging = self._shelf.pool.runs.overdue(HANGS_S)
        for model in sorted(hanging - self._hanging):
            words = _HANGS.format(model=model)
            _log.error("%s", words)
            self._alert("inference.hangs", words)
        self._hanging = hanging

    def _kinds(self) -> tuple[tuple[str, str, Callable[[], Listener]], ...]:
        return ("http", self._settings.http, self._http), ("grpc", self._settings.grpc, self._grpc)

    def _http(self) -> Listener:
        return InferenceServer(self._shelf, self._settings, door=self._door, collectors=self._collectors)

    def _grpc(self) -> Listener:
        return open_grpc(self._shelf, self._settings)


def _served(model: LoadedModel) -> ServedModel:
    engine = model.engine
    return ServedModel(model.name, model.version, engine.session, empty=engine.empty, in_runtime=engine.in_runtime)
