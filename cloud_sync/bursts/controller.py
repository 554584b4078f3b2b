"""The desktop's side of a burst: looks at store and host, advances the machine, acts.

Every new state is saved before it is acted on. A desktop that dies in between finds the state again, looks
whether the act happened, and repeats it where it did not: every act is idempotent. Nothing here waits for
training; call :meth:`Controller.step` now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from cloud_sync.bursts import spec as layout
from cloud_sync.bursts.attempt import get_artifact, now_ms, read_done
from cloud_sync.bursts.budget import AttemptTimes, Price, attempt_deadline_ms
from cloud_sync.bursts.hosts.base import Host, HostHandle, Launch
from cloud_sync.bursts.machine import ENDED, OUT, WAITING, Event, next_state
from cloud_sync.bursts.record import BurstRecord, BurstRecords, BurstView, RecordStale, view_of
from cloud_sync.bursts.spec import STOP_GRACE_S, BurstSpec, CurvePoint, Heartbeat, LogSegment
from cloud_sync.objects import ObjectStore
from cloud_sync.recipes.base import load_recipe
from cloud_sync.transfer import object_key
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    AlreadyExists,
    BurstFailed,
    HostUnreachable,
    InputInvalid,
    LinesideError,
    NotFound,
    ObjectMissing,
    StoreRefused,
    StoreUnreachable,
    TrainingUnavailable,
)

_STORE_SILENT = (StoreUnreachable, StoreRefused)
"""The store says nothing about the burst: that is never taken for bad news of it."""
_OVERDUE_MS = int(2 * STOP_GRACE_S * 1000)
"""How long past its deadline an attempt may still be seen before the desktop ends it."""


class Controller:
    """Prepares bursts, advances them, cancels them, and reads what they left. Safe to use from several threads,
    and beside other programs that look after the same bursts.

    :param hosts: by name.
    :param endpoint_url: of the store, for the agents, where it is an S3 server other than Amazon's.
    :param env: for the agents' environment: the credentials of the store, where they are not there already.
    :param clock: milliseconds since 1970.
    """

    def __init__(
        self,
        records: BurstRecords,
        store: ObjectStore,
        hosts: Mapping[str, Host],
        *,
        endpoint_url: str | None = None,
        env: Mapping[str, str] | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._records = records
        self._store = store
        self._hosts = hosts
        self._endpoint_url = endpoint_url
        self._env = dict(env or {})
        self._clock = clock
        self._lock = threading.RLock()
        self._segments: dict[str, LogSegment] = {}

    def prepare(self, spec: BurstSpec, host: str) -> BurstView:
        """Check the spec, ask the price and bring the spec into the store; where the store does not answer, the
        burst waits in QUEUED_OFFLINE. The dataset, its samples and the base checkpoint are the caller's to bring.

        :raises InputInvalid: the recipe does not take these parameters.
        :raises NotFound: no such recipe or host.
        :raises TrainingUnavailable: the host cannot run it.
        :raises AlreadyExists: another burst has this id.
        """
        load_recipe(spec.recipe).check(spec.params)
        draft = BurstRecord(spec=spec, host=host)
        quote = self._host(draft).quote(spec)

        def act() -> BurstRecord:
            record = self._saved(draft) or draft
            if (record.spec, record.host) != (spec, host):
                raise AlreadyExists(f"The burst {spec.burst} is another one.")
            if record.state == "DRAFT":
                record = self._apply(record, "quoted", quote=quote)
            return self._stage(record)

        return self._decide(act)

    def view(self, burst: str) -> BurstView:
        """What is known, without asking anybody.

        :raises NotFound: there is no such burst.
        """
        return self._view(self._records.load(burst))

    def step(self, burst: str) -> BurstView:
        """Look once at store and host, and do what is due.

        :raises NotFound: there is no such burst.
        """
        with self._lock:
            try:
                return self._view(self._step(self._records.load(burst)))
            except RecordStale:
                # Another program looks after it too, and was quicker.
                return self.view(burst)

    def cancel(self, burst: str) -> BurstView:
        """Stop it for good; what it kept in the store stays. One that has ended stays as it is."""

        def act() -> BurstRecord:
            record = self._apply(self._records.load(burst), "cancel")
            return self._observe(record) if record.state == "CANCELLING" else record

        return self._decide(act)

    def mark(
        self, burst: str, event: Literal["imported", "gated", "closed", "failed"], message: str | None = None
    ) -> BurstView:
        """Tell what the desktop did with the result."""
        return self._decide(lambda: self._apply(self._records.load(burst), event, message=message))

    def _decide(self, act: Callable[[], BurstRecord]) -> BurstView:
        """Act on the record as it stands, however often another program moves it on meanwhile."""
        with self._lock:
            while True:
                try:
                    return self._view(act())
                except RecordStale:
                    continue

    def artifact(self, burst: str, name: str) -> bytes:
        """A verified artifact of a finished burst: ``model.fp32.onnx``, ``model.int8.onnx``, ``checkpoint.npz``,
        ``input.json``, ``output.json`` (the manifest's InputSpec, OutputSpec) or ``quantization.json``.

        :raises BurstFailed: there is no result.
        :raises ObjectMissing: no such artifact.
        :raises ObjectCorrupt: its bytes are not those that the agent made.
        """
        record = self._records.load(burst)
        if record.done is None or record.done.state != "finished":
            raise BurstFailed(f"The burst has no result: {record.message or record.state}.")
        return get_artifact(self._store, record.done, name)

    def curve(self, burst: str) -> list[CurvePoint]:
        """The training curve over all attempts; where two made the same step, the later one counts.

        :raises StoreUnreachable: or another error of the store.
        """
        points = {point.step: point for segment in self._log(burst) for point in segment.points}
        return [points[step] for step in sorted(points)]

    def log(self, burst: str, after: int = 0) -> list[str]:
        """The log's lines over all attempts, from line ``after`` (counted from 0) on.

        :raises StoreUnreachable: or another error of the store.
        """
        return [line for segment in self._log(burst) for line in segment.lines][after:]

    def _log(self, burst: str) -> Iterable[LogSegment]:
        keys = sorted(info.key for info in self._store.list(layout.log_prefix(burst)))
        with self._lock:
            for key in keys:
                # Segments are never rewritten: each is fetched once.
                if key not in self._segments:
                    self._segments[key] = self._segment(key, burst)
            return [self._segments[key] for key in keys]

    def _segment(self, key: str, burst: str) -> LogSegment:
        try:
            return wire.decode(self._store.get(key, max_bytes=layout.MAX_MESSAGE_BYTES), LogSegment, what="log segment")
        except InputInvalid as error:
            return LogSegment(burst=burst, attempt=1, seq=0, lines=(error.message,))

    def _step(self, record: BurstRecord) -> BurstRecord:
        record = self._stage(record)
        if record.state == "PREEMPTED":
            try:
                record = self._last_word(record)
            except _STORE_SILENT:
                # It may have said its last word: not a time to start another attempt.
                return record
        if record.state in WAITING:
            return self._launch_next(record)
        if record.state in OUT or record.state == "CANCELLING" or record.handle is not None:
            return self._observe(record)
        return record

    def _stage(self, record: BurstRecord) -> BurstRecord:
        if record.state not in ("QUOTED", "QUEUED_OFFLINE"):
            return record
        spec = record.spec
        try:
            for needed in (spec.dataset, spec.base_checkpoint):
                if needed is not None and self._store.head(object_key(needed)) is None:
                    raise ObjectMissing(f"The burst needs {needed[:12]}…, which is not in the store.")
            self._store.put(layout.spec_key(spec.burst), spec.to_bytes())
        except (*_STORE_SILENT, ObjectMissing) as error:
            return self._apply(record, "queued", message=f"{error.message} {error.hint}")
        return self._apply(record, "staged", message=None)

    def _launch_next(self, record: BurstRecord) -> BurstRecord:
        spec, now = record.spec, self._clock()
        if len(record.attempts) >= spec.max_attempts:
            said = f" Its last words: {record.message}" if record.message else ""
            count = len(record.attempts)
            return self._apply(record, "exhausted", message=f"It was interrupted {count} times without a result.{said}")
        price = record.quote.price if record.quote else Price()
        deadline = attempt_deadline_ms(
            now_ms=now,
            deadline_ms=spec.deadline_ms,
            cap_usd=spec.cap_usd,
            attempts=record.attempts,
            price=price,
        )
        if deadline is None:
            return self._apply(record, "exhausted", message="The time or the money for it is used up.")
        number = len(record.attempts) + 1
        launch = Launch(
            burst=spec.burst,
            attempt=number,
            store_address=self._store.address,
            endpoint_url=self._endpoint_url,
            deadline_ms=deadline,
        )
        times = AttemptTimes(attempt=number, price=price, started_ms=now, deadline_ms=deadline)
        attempts = (*record.attempts, times)
        return self._apply(record, "launch", attempts=attempts, launch=launch, heartbeat=None, message=None)

    def _observe(self, record: BurstRecord) -> BurstRecord:
        """Ask the host, then the store: an attempt that the host no longer has can have left its last word."""
        try:
            found = self._host(record).find(record.spec.burst)
        except HostUnreachable as error:
            return self._apply(record, "unreachable", message=error.message)
        if found:
            record = replace(record, handle=found[0])
        if record.state in OUT:
            beat = None
            try:
                record = self._last_word(record)
                beat = self._heartbeat(record) if record.state in OUT and found else None
            except _STORE_SILENT as error:
                if not self._overdue(record):
                    return self._apply(record, "unreachable", message=error.message)
            if record.state not in OUT:
                return record
            if found and self._overdue(record):
                return self._apply(record, "exhausted", message="It went on past its deadline and was ended.")
            if found and beat is None:
                return self._apply(record, "launched")
            if found:
                return self._apply(record, "alive", heartbeat=beat, message=None)
        if found:
            return self._apply(record, "alive")
        return self._gone(record)

    def _overdue(self, record: BurstRecord) -> bool:
        return bool(record.attempts) and self._clock() > record.attempts[-1].deadline_ms + _OVERDUE_MS

    def _gone(self, record: BurstRecord) -> BurstRecord:
        if record.state == "LAUNCHING":
            return self._apply(record, "gone")
        message = record.message
        if record.handle is not None and record.state in OUT:
            message = self._host(record).last_words(record.handle)[-1000:] or None
        return self._apply(self._ended(record), "gone", message=message)

    def _last_word(self, record: BurstRecord) -> BurstRecord:
        """The record after what DONE says, if it is there.

        :raises StoreUnreachable: nobody can say.
        """
        try:
            done = read_done(self._store, record.spec.burst)
        except InputInvalid as error:
            return self._apply(record, "failed", message=error.message)
        if done is None:
            return record
        if done.state == "finished":
            return self._apply(record, "finished", done=done, message=None)
        return self._apply(record, "failed", done=done, message=done.reason or done.state)

    def _heartbeat(self, record: BurstRecord) -> Heartbeat | None:
        key = layout.heartbeat_key(record.spec.burst, record.attempts[-1].attempt)
        try:
            return wire.decode(self._store.get(key, max_bytes=layout.MAX_MESSAGE_BYTES), Heartbeat, what="heartbeat")
        except (ObjectMissing, InputInvalid):
            return None

    def _apply(self, record: BurstRecord, event: Event, **changes: Any) -> BurstRecord:
        """Save the state after ``event``, then act."""
        transition = next_state(record.state, event)
        if record.finished_ms is None and (transition.state in ENDED or transition.state == "FINISHING"):
            done = changes.get("done", record.done)
            changes["finished_ms"] = done.finished_ms if done is not None else self._clock()
        changed = self._save(replace(record, state=transition.state, **changes))
        for effect in transition.effects:
            changed = self._launch(changed) if effect == "launch" else self._stop(changed)
        return changed

    def _save(self, record: BurstRecord) -> BurstRecord:
        """The record as it is kept now, a revision on if anything is new.

        :raises RecordStale: another program has moved it on.
        """
        saved = self._saved(record)
        if (saved.revision if saved else 0) != record.revision:
            raise RecordStale(record.spec.burst)
        if saved == record:
            return record
        newer = replace(record, revision=record.revision + 1)
        self._records.save(newer)
        return newer

    def _saved(self, record: BurstRecord) -> BurstRecord | None:
        try:
            return self._records.load(record.spec.burst)
        except NotFound:
            return None

    def _launch(self, record: BurstRecord) -> BurstRecord:
        if record.launch is None:
            return record
        try:
            handle = self._host(record).start(record.launch, self._env)
        except (TrainingUnavailable, BurstFailed, NotFound) as error:
            return self._apply(record, "launch-refused", message=f"{error.message} {error.hint}")
        except HostUnreachable as error:
            # It may have arrived: the same request is repeated at the next step.
            return self._apply(record, "unreachable", message=error.message)
        try:
            return self._apply(record, "launched", handle=handle)
        except RecordStale:
            # Cancelled from elsewhere between the decision and the act: nobody else knows of this attempt.
            if self._records.load(record.spec.burst).state not in OUT:
                self._host(record).stop(handle)
            raise

    def _stop(self, record: BurstRecord) -> BurstRecord:
        """End whatever the host has of this burst."""
        host = self._host(record)
        try:
            found: list[HostHandle] = host.find(record.spec.burst)
            for handle in found:
                host.stop(handle)
        except LinesideError as error:
            # The handle stays: the next step tries again.
            return self._save(replace(record, message=record.message or error.message))
        return self._save(self._ended(record))

    def _ended(self, record: BurstRecord) -> BurstRecord:
        attempts = record.attempts
        if attempts and attempts[-1].ended_ms is None:
            attempts = (*attempts[:-1], replace(attempts[-1], ended_ms=self._clock()))
        return replace(record, handle=None, attempts=attempts)

    def _host(self, record: BurstRecord) -> Host:
        try:
            return self._hosts[record.host]
        except KeyError:
            known = ", ".join(sorted(self._hosts)) or "none"
            raise NotFound(f"There is no training host {record.host!r}; installed: {known}.") from None

    def _view(self, record: BurstRecord) -> BurstView:
        return view_of(record, self._clock())
