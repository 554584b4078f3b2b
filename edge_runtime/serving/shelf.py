"""The models that are served, and the workers that run them: what the HTTP and the gRPC listener share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, TypeVarTuple, Unpack

from edge_runtime.contracts.errors import ModelUnusable, NotFound
from edge_runtime.processes import cores
from edge_runtime.serving.messages import InferAnswer, InferRequest
from edge_runtime.serving.model import ServedModel
from edge_runtime.serving.pool import WorkerPool
from edge_runtime.serving.runs import Run, RunEnded
from edge_runtime.serving.statistics import ModelStatistics

State = Literal["loading", "ready", "failed"]
PAST_VERSIONS = 4
"""Of how many versions that answer no more the figures are kept."""
STUCK_S = 30.0
"""When every worker has been at one request for so long, and longer than a run may take, the box no longer calls itself
ready."""
T = TypeVar("T")
How = TypeVarTuple("How")


@dataclass(frozen=True, slots=True)
class Entry:
    """A name on the shelf. Of a model that is replaced, the old one answers until the new one is there."""

    name: str
    version: str
    state: State
    reason: str = ""
    """Why it failed; of a ready model, why the last attempt to replace it failed."""
    model: ServedModel | None = None


class ModelShelf:
    """Models by name; one version of each. Read from any thread without a lock, changed under one.

    :param workers: how many requests run at a time; none: one for each core.
    :param max_waiting: requests that may wait for a worker.
    :param max_run_s: what a model's run on a worker may take.
    """

    def __init__(self, *, workers: int | None = None, max_waiting: int = 64, max_run_s: float = 30.0) -> None:
        self.pool = WorkerPool(workers or cores(), max_waiting, max_run_s=max_run_s)
        self._changing = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._past: dict[tuple[str, str], ModelStatistics] = {}
        """Of versions that answer no more, the latest last."""

    def loading(self, name: str, version: str = "") -> None:
        """A model of this name is on its way; one that answers already goes on answering."""
        with self._changing:
            old = self._entries.get(name)
            if old is None or old.model is None:
                self._set(Entry(name, version, "loading"))

    def put(self, model: ServedModel) -> None:
        """From now on this one answers under its name; requests that were begun finish on the one before."""
        with self._changing:
            old = self._entries.get(model.name)
            # What is counted by name and version goes on, with what is still under way on the old model.
            if old is not None and old.model is not None and old.version == model.version:
                model.statistics = old.model.statistics
            else:
                model.statistics = self._past.pop((model.name, model.version), model.statistics)
                self._lay_aside(old)
            self._set(Entry(model.name, model.version, "ready", model=model))

    def fail(self, name: str, reason: str) -> None:
        """It could not be loaded. Where another version answers, that one stays."""
        with self._changing:
            old = self._entries.get(name)
            if old is not None and old.model is not None:
                self._set(replace(old, reason=reason))
            else:
                self._set(Entry(name, old.version if old else "", "failed", reason))

    def remove(self, name: str) -> None:
        """Nobody may ask for it any more; requests that were begun are answered."""
        with self._changing:
            entries = dict(self._entries)
            self._lay_aside(entries.pop(name, None))
            self._entries = entries

    def index(self) -> tuple[Entry, ...]:
        """Everything on the shelf, by name."""
        return tuple(sorted(self._entries.values(), key=lambda entry: entry.name))

    def counted(self) -> list[tuple[tuple[str, str], ModelStatistics]]:
        """What was counted, by name and version; of the last few versions that answer no more, too."""
        with self._changing:
            present = [((each.name, each.version), each.model.statistics) for each in self.index() if each.model]
            return [*present, *self._past.items()]

    def entry(self, name: str, version: str = "") -> Entry:
        """What stands under a name.

        :raises NotFound: nothing, or another version.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise NotFound(f"There is no model {name[:100]!r} here.")
        if version and version != entry.version:
            raise NotFound(f"Of model {name!r} there is version {entry.version!r} here, not {version[:100]!r}.")
        return entry

    def model(self, name: str, version: str = "") -> ServedModel:
        """The model that answers now.

        :raises NotFound: there is no such model.
        :raises ModelUnusable: it is not ready, and why.
        """
        entry = self._entries.get(name)
        if entry is None or (version and version != entry.version):
            entry = self.entry(name, version)
        if entry.model is None:
            why = f": {entry.reason}" if entry.reason else "."
            raise ModelUnusable(f"Model {name!r} is {entry.state}{why}", hint="Ask again when it is ready.")
        return entry.model

    def ready(self) -> bool:
        """Whether everything on the shelf can answer: something is there, nothing loads or failed, workers work."""
        entries = self._entries.values()
        usable = bool(entries) and all(entry.state == "ready" for entry in entries)
        return usable and self.pool.stuck_for() < max(STUCK_S, self.pool.runs.max_run_s)

    def _lay_aside(self, entry: Entry | None) -> None:
        """Keep what was counted of one that answers no more: totals that vanish look as if nothing had been asked."""
        if entry is not None and entry.model is not None:
            self._past[entry.name, entry.version] = entry.model.statistics
            if len(self._past) > PAST_VERSIONS:
                del self._past[next(iter(self._past))]

    def _set(self, entry: Entry) -> None:
        self._entries = {**self._entries, entry.name: entry}


def answer(
    model: ServedModel,
    decode: Callable[[], InferRequest],
    encode: Callable[[InferAnswer], T],
    *,
    arrived_ns: int,
    run: Run | None = None,
) -> T:
    """Decode, infer, encode on this thread, and count it, well or badly ended.

    :param arrived_ns: ``time.perf_counter_ns()`` of the moment at which the request was here as a whole.
    :raises LinesideError: InputInvalid where the request is at fault.
    :raises RunEnded: the run was ended, perhaps while it waited: then nothing was decoded.
    """
    begin = time.perf_counter_ns()
    try:
        if run is not None and run.why:
            raise RunEnded(f"{model.name} was stopped: {run.why}.")
        request = decode()
    except Exception:
        model.statistics.failed(time.perf_counter_ns() - arrived_ns)
        raise
    decoded = time.perf_counter_ns()
    return answer_decoded(
        model, request, encode, arrived_ns=arrived_ns, queue_ns=begin - arrived_ns, decode_ns=decoded - begin, run=run
    )


def answer_decoded(
    model: ServedModel,
    request: InferRequest,
    encode: Callable[[InferAnswer, Unpack[How]], T],
    *how: *How,
    arrived_ns: int,
    queue_ns: int,
    decode_ns: int,
    run: Run | None = None,
) -> T:
    """As :func:`answer`, for a request that was decoded before, and how long it had waited and been decoded. Its inputs
    are gone when the model has answered.

    :param how: what else ``encode`` wants.
    :raises RunEnded: the run was ended; of a quick one nothing is counted, as it is begun again on a worker.
    """
    begin = time.perf_counter_ns()
    try:
        answered = model.infer(request, run)
        ran = time.perf_counter_ns()
        rows = model.rows(request)
        request.forget()
        body = encode(answered, *how)
    except Exception as error:
        if isinstance(error, RunEnded) and run is not None and run.quick:
            raise
        model.statistics.failed(time.perf_counter_ns() - arrived_ns)
        raise
    end = time.perf_counter_ns()
    model.statistics.succeeded(
        rows,
        total_ns=end - arrived_ns,
        queue_ns=queue_ns,
        decode_ns=decode_ns,
        infer_ns=ran - begin,
        encode_ns=end - ran,
    )
    return body
