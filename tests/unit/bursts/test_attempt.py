from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud_sync.bursts import spec as layout
from cloud_sync.bursts.attempt import (
    Checkpoints,
    Reporter,
    Stopped,
    StopRequest,
    fetch_items,
    get_artifact,
    publish_done,
    put_artifacts,
    read_done,
)
from cloud_sync.bursts.spec import Commit, Done, Heartbeat, LogSegment, Stored
from cloud_sync.objects import ObjectStore, open_store
from cloud_sync.recipes.base import TrainingReport
from cloud_sync.transfer import object_key
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    InputInvalid,
    LinesideError,
    ObjectCorrupt,
    ObjectMissing,
    StoreUnreachable,
)
from tests.unit.bursts.frames import Frame
from tests.unit.bursts.kit import put_dataset, spec_for
from tests.waiting import wait_until

SPEC = spec_for("ab" * 32)
BURST = SPEC.burst


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    store = open_store(str(tmp_path / "store"))
    yield store
    store.close()


def commits(store: ObjectStore) -> list[tuple[int, int]]:
    keys = [info.key for info in store.list(layout.checkpoint_prefix(BURST)) if info.key.endswith("COMMIT.json")]
    found = [wire.decode(store.get(key), Commit) for key in keys]
    return sorted((commit.step, commit.attempt) for commit in found)


def test_the_newest_checkpoint_of_any_attempt_is_found(store: ObjectStore) -> None:
    first, second = Checkpoints(store, BURST, 1), Checkpoints(store, BURST, 2)
    assert first.newest() is None
    first.commit(10, {"x": np.asarray([1])})
    second.commit(9, {"x": np.asarray([2])})
    for reader in (first, second):
        found = reader.newest()
        assert found is not None
        assert (found[0].step, found[0].attempt, int(found[1]["x"][0])) == (10, 1, 1)


def test_an_attempt_clears_away_its_own_old_checkpoints_only(store: ObjectStore) -> None:
    Checkpoints(store, BURST, 1).commit(1, {})
    mine = Checkpoints(store, BURST, 2)
    for step in (2, 3, 4, 4, 5):
        mine.commit(step, {})
    assert commits(store) == [(1, 1), (4, 2), (5, 2)]
    states = [info.key for info in store.list(layout.checkpoint_prefix(BURST)) if info.key.endswith("state.npz")]
    assert len(states) == 3


def test_hostile_checkpoints_are_passed_over(store: ObjectStore) -> None:
    checkpoints = Checkpoints(store, BURST, 1)
    checkpoints.commit(1, {"x": np.asarray([1])})
    good = layout.checkpoint_key(BURST, 1, 1, "COMMIT.json")
    digest = wire.decode(store.get(good), Commit).state
    for step, body in enumerate(
        [
            b"{}",
            b"\xff",
            store.get(good),
            wire.encode(Commit(burst=BURST, attempt=1, step=5, state=Stored(sha256="00" * 32, size=2**62))),
            wire.encode(Commit(burst=BURST, attempt=1, step=6, state=digest)),
        ],
        2,
    ):
        store.put(layout.checkpoint_key(BURST, step, 1, "COMMIT.json"), body)
        store.put(layout.checkpoint_key(BURST, step, 1, "state.npz"), b"PK not arrays")
    found = checkpoints.newest()
    assert found is not None
    assert found[0].step == 1


def done(attempt: int) -> Done:
    return Done(burst=BURST, attempt=attempt, state="finished", finished_ms=5)


def test_the_first_last_word_stands(store: ObjectStore) -> None:
    assert read_done(store, BURST) is None
    assert publish_done(store, done(1)) == done(1)
    assert publish_done(store, replace(done(2), state="failed", reason="late")) == done(1)
    assert read_done(store, BURST) == done(1)


def test_a_last_word_of_another_burst_or_none_at_all_is_refused(store: ObjectStore) -> None:
    store.put(layout.done_key(BURST), wire.encode(replace(done(1), burst=spec_for("ab" * 32).burst)))
    with pytest.raises(InputInvalid, match="another burst"):
        read_done(store, BURST)
    store.put(layout.done_key(BURST), b"[]")
    with pytest.raises(InputInvalid):
        read_done(store, BURST)


def test_artifacts_are_verified(store: ObjectStore) -> None:
    stored = put_artifacts(store, BURST, [("a", b"one"), ("b", b"two")])
    result = replace(done(1), artifacts=stored)
    assert get_artifact(store, result, "a") == b"one"
    with pytest.raises(ObjectMissing, match="it made a, b"):
        get_artifact(store, result, "c")
    store.put(layout.artifact_key(BURST, stored["b"].sha256), b"tow")
    with pytest.raises(ObjectCorrupt):
        get_artifact(store, result, "b")


def segments(store: ObjectStore) -> list[LogSegment]:
    keys = sorted(info.key for info in store.list(layout.log_prefix(BURST)))
    return [wire.decode(store.get(key), LogSegment) for key in keys]


def test_the_reporter_loses_nothing_while_the_store_is_away(store: ObjectStore, tmp_path: Path) -> None:
    reporter = Reporter(store, BURST, 1)
    reporter.say("before")
    reporter.flush()
    (tmp_path / "store").rename(tmp_path / "pulled")
    reporter.say("meanwhile")
    reporter.progress(TrainingReport(step=1, steps=9, loss=0.5))
    reporter.flush()
    (tmp_path / "pulled").rename(tmp_path / "store")
    reporter.progress(TrainingReport(step=2, steps=9, loss=0.25, accuracy=0.5, message="half of them"))
    reporter.start()
    reporter.close()

    lines = [line.split(" ", 1)[1] for segment in segments(store) for line in segment.lines]
    assert lines[:3] == ["before", "meanwhile", "half of them"]
    assert [point.step for segment in segments(store) for point in segment.points] == [1, 2]
    beat = wire.decode(store.get(layout.heartbeat_key(BURST, 1)), Heartbeat)
    assert (beat.step, beat.steps, beat.loss, beat.accuracy) == (2, 9, 0.25, 0.5)


def test_the_same_attempt_launched_twice_does_not_overwrite_its_log(store: ObjectStore) -> None:
    for word in ("first", "second"):
        reporter = Reporter(store, BURST, 1)
        reporter.say(word)
        reporter.flush()
        reporter.say(f"{word} again")
        reporter.flush()
    assert [segment.seq for segment in segments(store)] == [0, 1, 2, 3]


def test_the_heartbeat_goes_on_by_itself(store: ObjectStore) -> None:
    reporter = Reporter(store, BURST, 3)
    reporter.start()
    try:
        key = layout.heartbeat_key(BURST, 3)
        wait_until(lambda: store.head(key), 10, "a heartbeat")
        first = wire.decode(store.get(key), Heartbeat).beat
        wait_until(lambda: wire.decode(store.get(key), Heartbeat).beat > first, 10, "the next heartbeat")
    finally:
        reporter.close()


def test_insisting_waits_for_the_store_and_ends_when_asked() -> None:
    stop = StopRequest()
    tried = threading.Event()

    def unreachable() -> None:
        tried.set()
        raise StoreUnreachable("away")

    caught: list[Exception] = []

    def insist() -> None:
        try:
            stop.insist(unreachable)
        except Stopped as stopped:
            caught.append(stopped)

    thread = threading.Thread(target=insist)
    thread.start()
    assert tried.wait(60)
    stop.ask("deadline")
    stop.ask("asked")
    thread.join(60)
    assert [str(stopped) for stopped in caught] == ["deadline"]
    assert stop.insist(lambda: 5) == 5


FRAMES = [Frame(b"one", "1", "train"), Frame(b"two", "2", "held-out")]


def test_samples_are_fetched_once_and_checked(store: ObjectStore, tmp_path: Path) -> None:
    spec = spec_for(put_dataset(store, FRAMES))
    items = fetch_items(store, spec, tmp_path / "objects", StopRequest())
    assert sorted((item.path.read_bytes(), item.label, item.split) for item in items) == [
        (b"one", "1", "train"),
        (b"two", "2", "held-out"),
    ]
    # What is whole here needs no store; what is damaged here is fetched again.
    store.delete(object_key(FRAMES[0].sample))
    (tmp_path / "objects" / FRAMES[1].sample).write_bytes(b"tow")
    again = fetch_items(store, spec, tmp_path / "objects", StopRequest())
    assert sorted(item.path.read_bytes() for item in again) == [b"one", b"two"]


def test_fetching_refuses_what_is_missing_and_ends_when_asked(store: ObjectStore, tmp_path: Path) -> None:
    spec = spec_for(put_dataset(store, FRAMES))
    stop = StopRequest()
    stop.ask("asked")
    with pytest.raises(Stopped):
        fetch_items(store, spec, tmp_path / "objects", stop)
    store.delete(object_key(FRAMES[0].sample))
    with pytest.raises(LinesideError) as caught:
        fetch_items(store, spec, tmp_path / "objects", StopRequest())
    assert caught.value.code == "store.object-missing"
