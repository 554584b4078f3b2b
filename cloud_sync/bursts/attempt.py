"""An attempt's side of the object store: what it reads, and what it leaves for those who watch or come after."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

from cloud_sync.bursts import spec as layout
from cloud_sync.bursts.spec import BurstSpec, Commit, CurvePoint, Done, Heartbeat, LogSegment, Phase, Stored
from cloud_sync.objects import ObjectStore
from cloud_sync.recipes.base import Arrays, TrainingItem, TrainingReport, pack_arrays, unpack_arrays
from cloud_sync.transfer import get_object, get_object_file
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, LinesideError, ObjectCorrupt, ObjectMissing, StoreUnreachable

T = TypeVar("T")

MAX_STATE_BYTES = 8 * 2**30
"""Largest checkpoint that is read."""
_BEAT_EVERY_S = 2.0
_RETRY_EVERY_S = 2.0
_PARALLEL = 8
_MAX_WAITING_LINES = 10_000
_KEPT_CHECKPOINTS = 2


StopReason = Literal["deadline", "asked"]


class Stopped(Exception):
    """The attempt was to stop before it had a result."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class StopRequest:
    """Set once, by a signal or the deadline; the first reason stands."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason: StopReason = "asked"

    def ask(self, reason: StopReason) -> None:
        if not self._event.is_set():
            self._reason = reason
            self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """:raises Stopped: when asked."""
        if self._event.is_set():
            raise Stopped(self._reason)

    def insist(self, action: Callable[[], T]) -> T:
        """Do it, again and again while the store does not answer; a stop ends the waiting.

        :raises Stopped: asked to stop while waiting.
        """
        while True:
            try:
                return action()
            except StoreUnreachable:
                if self._event.wait(_RETRY_EVERY_S):
                    raise Stopped(self._reason) from None


class Reporter:
    """Heartbeat, log and curve: written in a thread of their own, and never a reason to stop training."""

    def __init__(self, store: ObjectStore, burst: str, attempt: int) -> None:
        self._store = store
        self._burst = burst
        self._attempt = attempt
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._beat = Heartbeat(burst=burst, attempt=attempt, beat=0, at_ms=0, phase="starting")
        self._lines: list[str] = []
        self._points: list[CurvePoint] = []
        self._next_segment: int | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what is left and end."""
        self._closing.set()
        self._thread.join()

    def say(self, line: str) -> None:
        """A line of the burst's log."""
        stamped = f"{time.strftime('%H:%M:%S', time.gmtime())} {line}"
        with self._lock:
            self._lines.append(stamped[:2000])
            del self._lines[:-_MAX_WAITING_LINES]

    def phase(self, phase: Phase) -> None:
        with self._lock:
            self._beat = replace(self._beat, phase=phase)

    def progress(self, report: TrainingReport) -> None:
        """What a recipe reports."""
        with self._lock:
            self._beat = replace(
                self._beat,
                step=report.step,
                steps=report.steps,
                loss=self._beat.loss if report.loss is None else report.loss,
                accuracy=self._beat.accuracy if report.accuracy is None else report.accuracy,
            )
            if report.loss is not None:
                self._points.append(CurvePoint(step=report.step, loss=report.loss, accuracy=report.accuracy))
                del self._points[:-_MAX_WAITING_LINES]
        if report.message:
            self.say(report.message)
        if report.accuracy is not None and report.loss is not None:
            self.say(
                f"step {report.step} of {report.steps}: loss {report.loss:.3f}, "
                f"{report.accuracy:.1%} of the held-out samples right"
            )

    def _run(self) -> None:
        while True:
            closing = self._closing.is_set()
            self.flush()
            if closing:
                return
            self._closing.wait(_BEAT_EVERY_S)

    def flush(self) -> None:
        """Write what there is now, if the store answers; else it stays for the next beat."""
        with self._writing, suppress(LinesideError):
            self._write()

    def _write(self) -> None:
        with self._lock:
            self._beat = replace(self._beat, beat=self._beat.beat + 1, at_ms=now_ms())
            beat, lines, points = self._beat, tuple(self._lines), tuple(self._points)
        self._store.put(layout.heartbeat_key(self._burst, self._attempt), wire.encode(beat))
        if not lines and not points:
            return
        if self._next_segment is None:
            self._next_segment = self._segments_there()
        segment = LogSegment(
            burst=self._burst, attempt=self._attempt, seq=self._next_segment, lines=lines, points=points
        )
        self._store.put(layout.log_key(self._burst, self._attempt, segment.seq), wire.encode(segment))
        self._next_segment += 1
        with self._lock:
            del self._lines[: len(lines)]
            del self._points[: len(points)]

    def _segments_there(self) -> int:
        """The first free number: the same attempt may have been launched twice, one after the other."""
        first = layout.log_key(self._burst, self._attempt, 0).removesuffix("00000000.json")
        taken = [info.key for info in self._store.list(layout.log_prefix(self._burst)) if info.key.startswith(first)]
        return max((int(key[len(first) : len(first) + 8]) for key in taken), default=-1) + 1


class Checkpoints:
    """A burst's checkpoints: the state first, ``COMMIT.json`` last, so that a torn one is never taken for whole."""

    def __init__(self, store: ObjectStore, burst: str, attempt: int) -> None:
        self._store = store
        self._burst = burst
        self._attempt = attempt
        self._own: list[int] = []

    def commit(self, step: int, state: Arrays) -> None:
        """Keep the state of this step; the newest few of this attempt stay."""
        body = pack_arrays(state)
        stored = Stored(sha256=hashlib.sha256(body).hexdigest(), size=len(body))
        commit = Commit(burst=self._burst, attempt=self._attempt, step=step, state=stored)
        self._store.put(self._key(step, "state.npz"), body)
        self._store.put(self._key(step, "COMMIT.json"), wire.encode(commit))
        self._own = [*(old for old in self._own if old != step), step]
        while len(self._own) > _KEPT_CHECKPOINTS:
            old = self._own.pop(0)
            self._store.delete(self._key(old, "COMMIT.json"))
            self._store.delete(self._key(old, "state.npz"))

    def newest(self) -> tuple[Commit, Arrays] | None:
        """The state of the highest step that any attempt committed and that is whole; None where there is none."""
        keys = [info.key for info in self._store.list(layout.checkpoint_prefix(self._burst))]
        for key in sorted((key for key in keys if key.endswith("/COMMIT.json")), reverse=True):
            try:
                commit = wire.decode(self._store.get(key, max_bytes=layout.MAX_MESSAGE_BYTES), Commit, what="COMMIT")
                if key != layout.checkpoint_key(self._burst, commit.step, commit.attempt, "COMMIT.json"):
                    continue
                name = key.removesuffix("COMMIT.json") + "state.npz"
                body = self._store.get(name, max_bytes=min(commit.state.size, MAX_STATE_BYTES))
                if hashlib.sha256(body).hexdigest() == commit.state.sha256:
                    return commit, unpack_arrays(body)
            except (InputInvalid, ObjectMissing):
                # Damaged, or just cleared away by its own attempt: an older one will do.
                continue
        return None

    def _key(self, step: int, name: str) -> str:
        return layout.checkpoint_key(self._burst, step, self._attempt, name)


def fetch_items(store: ObjectStore, spec: BurstSpec, folder: Path, stop: StopRequest) -> list[TrainingItem]:
    """The dataset's samples, verified, in ``folder``; those that are there already are not fetched again.

    :raises ObjectMissing: a sample, or the dataset, is not in the store.
    :raises ObjectCorrupt: the store's bytes are not those of the digest.
    :raises Stopped: asked to stop meanwhile.
    """
    body = stop.insist(lambda: get_object(store, spec.dataset, max_bytes=layout.MAX_DATASET_BYTES))
    entries = layout.decode_dataset(body)
    folder.mkdir(parents=True, exist_ok=True)

    def fetch(entry: layout.DatasetEntry) -> TrainingItem:
        stop.check()
        path = folder / entry.sample
        if not (path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry.sample):
            stop.insist(lambda: get_object_file(store, entry.sample, path))
        return TrainingItem(sample=entry.sample, label=entry.label, split=entry.split, path=path)

    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="fetch") as pool:
        return list(pool.map(fetch, entries))


def put_artifacts(store: ObjectStore, burst: str, artifacts: Iterable[tuple[str, bytes]]) -> dict[str, Stored]:
    """Bring the artifacts into the store by digest; what each is, by name."""
    stored: dict[str, Stored] = {}
    for name, body in artifacts:
        sha256 = hashlib.sha256(body).hexdigest()
        store.put(layout.artifact_key(burst, sha256), body)
        stored[name] = Stored(sha256=sha256, size=len(body))
    return stored


def read_done(store: ObjectStore, burst: str) -> Done | None:
    """The burst's last word; None while there is none.

    :raises InputInvalid: what lies there is none, or another burst's.
    """
    try:
        body = store.get(layout.done_key(burst), max_bytes=layout.MAX_MESSAGE_BYTES)
    except ObjectMissing:
        return None
    done = wire.decode(body, Done, what="burst's result")
    if done.burst != burst:
        raise InputInvalid("The burst's result is that of another burst.")
    return done


def publish_done(store: ObjectStore, done: Done) -> Done:
    """Say the last word, unless it has been said; the one that stands."""
    standing = read_done(store, done.burst)
    if standing is None:
        store.put(layout.done_key(done.burst), wire.encode(done))
        standing = done
    return standing


def get_artifact(store: ObjectStore, done: Done, name: str, *, max_bytes: int = MAX_STATE_BYTES) -> bytes:
    """An artifact's bytes, verified.

    :raises ObjectMissing: the burst made none of this name, or it is not in the store.
    :raises ObjectCorrupt: the store's bytes are not those that the agent made.
    """
    if name not in done.artifacts:
        made = ", ".join(sorted(done.artifacts)) or "nothing"
        raise ObjectMissing(f"The burst made no {name!r}; it made {made}.")
    stored = done.artifacts[name]
    body = store.get(layout.artifact_key(done.burst, stored.sha256), max_bytes=min(stored.size, max_bytes))
    if hashlib.sha256(body).hexdigest() != stored.sha256:
        raise ObjectCorrupt(f"The bytes of {name} at {store.address} are not those that the burst made.")
    return body


def now_ms() -> int:
    """Milliseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000_000
