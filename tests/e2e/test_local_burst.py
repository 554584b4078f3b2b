"""Whole bursts: a real controller, a real agent process, a real store in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest

from cloud_sync.bursts import spec as layout
from cloud_sync.bursts.controller import Controller
from cloud_sync.bursts.hosts.base import HostHandle
from cloud_sync.bursts.hosts.local import LocalHost
from cloud_sync.bursts.record import BurstRecord, BurstView
from cloud_sync.bursts.spec import BurstSpec, Params
from cloud_sync.objects import ObjectStore, open_store
from cloud_sync.objects.folder import FolderStore
from cloud_sync.recipes.base import unpack_arrays
from cloud_sync.transfer import object_key, put_object
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import AlreadyExists, BurstFailed, InputInvalid, ObjectCorrupt, TrainingUnavailable
from edge_runtime.contracts.manifest import InputSpec, OutputSpec, QuantizationFacts
from edge_runtime.inference.engine import Engine
from tests.object_server import object_server
from tests.unit.bursts.frames import LABELS, Frame, render_frames
from tests.unit.bursts.kit import FileRecords, SpecChanges, put_dataset, sessions_of, spec_for
from tests.waiting import wait_until

FRAMES = render_frames(120, seed=41)
ENDLESS = 10_000
"""Epochs: far more than any of these tests waits for."""


@pytest.fixture(scope="module")
def dataset_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ObjectStore, str]]:
    store = open_store(str(tmp_path_factory.mktemp("store")))
    yield store, put_dataset(store, FRAMES)
    store.close()


class Bench:
    """A desktop with its records, its host and a store; whatever it started is gone when it closes."""

    def __init__(self, folder: Path, store: ObjectStore, dataset: str) -> None:
        self.store = store
        self.dataset = dataset
        self.records = FileRecords(folder / "records")
        self.host = LocalHost(folder / "work", threads=1)
        self.work = folder / "work"
        self.controller = Controller(self.records, store, {"local": self.host})
        self._started: list[BurstSpec] = []

    def prepared(self, *, minutes: float = 10, **changes: Unpack[SpecChanges]) -> BurstSpec:
        spec = spec_for(self.dataset, minutes=minutes, **changes)
        assert self.controller.prepare(spec, "local").state == "STAGED"
        self._started.append(spec)
        return spec

    def until(self, spec: BurstSpec, *states: str, timeout_s: float = 90) -> BurstView:
        def look() -> BurstView | None:
            view = self.controller.step(spec.burst)
            assert view.state in states or view.state not in ("FAILED", "CANCELLED"), (view, self.said(spec))
            return view if view.state in states else None

        return wait_until(look, timeout_s, f"{spec.burst} to be {states}")

    def until_step(self, spec: BurstSpec, step: int) -> HostHandle:
        """Once the running attempt has committed a checkpoint of at least this step."""

        def committed() -> bool:
            self.controller.step(spec.burst)
            return any(found >= step for found in self.commits(spec))

        wait_until(committed, 60, f"a checkpoint of step {step}")
        (handle,) = self.host.find(spec.burst)
        return handle

    def commits(self, spec: BurstSpec) -> list[int]:
        keys = [info.key for info in self.store.list(layout.checkpoint_prefix(spec.burst))]
        return sorted(int(key.split("/")[-2].split("-")[0]) for key in keys if key.endswith("COMMIT.json"))

    def said(self, spec: BurstSpec) -> str:
        return "".join(path.read_text() for path in (self.work / spec.burst).glob("attempt-*.log"))

    def close(self) -> None:
        for spec in self._started:
            for handle in self.host.find(spec.burst):
                self.host.stop(handle)


@pytest.fixture
def bench(tmp_path: Path, dataset_store: tuple[ObjectStore, str]) -> Iterator[Bench]:
    bench = Bench(tmp_path, *dataset_store)
    yield bench
    bench.close()


def pid_of(handle: HostHandle) -> int:
    return int(handle.where["pid"])


def test_a_burst_from_spec_to_artifacts(bench: Bench) -> None:
    spec = bench.prepared(params={"epochs": 10})
    view = bench.until(spec, "FINISHING")

    assert view.done is not None
    assert (view.attempt, view.progress, view.cost_usd, view.worst_case_usd) == (1, 1.0, 0.0, 0.0)
    assert view.started_ms is not None and view.finished_ms is not None and view.started_ms <= view.finished_ms
    assert (view.done.state, view.done.recipe) == ("finished", "classify-images")
    assert view.done.metrics["steps"] == 40
    # The desktop sees to it that nothing of an ended burst is left.
    assert bench.host.find(spec.burst) == []
    assert not (bench.work / spec.burst / "objects").exists()

    input_spec = wire.decode(bench.controller.artifact(spec.burst, "input.json"), InputSpec)
    output_spec = wire.decode(bench.controller.artifact(spec.burst, "output.json"), OutputSpec)
    facts = wire.decode(bench.controller.artifact(spec.burst, "quantization.json"), QuantizationFacts)
    assert output_spec.labels == LABELS
    assert facts.calibration_dataset == bench.dataset
    fp32, int8 = (bench.controller.artifact(spec.burst, f"model.{kind}.onnx") for kind in ("fp32", "int8"))
    assert len(int8) < len(fp32)
    answers = [
        [Engine(model, input_spec, output_spec).predict(frame.data).label for frame in FRAMES] for model in (fp32, int8)
    ]
    assert np.mean([one == other for one, other in zip(*answers, strict=True)]) >= 0.95

    curve = bench.controller.curve(spec.burst)
    assert [point.step for point in curve] == sorted({point.step for point in curve})
    assert curve[-1].step == 40
    assert curve[-1].accuracy == view.done.metrics["held_out_accuracy"]
    assert curve[-1].loss < curve[0].loss
    lines = bench.controller.log(spec.burst)
    assert any("96 frames to learn from" in line for line in lines)
    assert lines[-1].endswith("finished")
    assert bench.controller.log(spec.burst, len(lines) - 1) == lines[-1:]

    # Stepping on changes nothing; what the desktop did with the result moves it on.
    assert bench.controller.step(spec.burst) == view
    assert bench.controller.mark(spec.burst, "imported").state == "IMPORTED"
    assert bench.controller.mark(spec.burst, "gated").state == "GATED"
    assert bench.controller.mark(spec.burst, "closed").state == "CLOSED"

    step = bench.commits(spec)[-1]
    state = unpack_arrays(bench.store.get(layout.checkpoint_key(spec.burst, step, 1, "state.npz")))
    assert int(state["meta/step"]) == step == 40

    # A second burst starts from the first one's weights.
    checkpoint = bench.controller.artifact(spec.burst, "checkpoint.npz")
    base = view.done.artifacts["checkpoint.npz"].sha256
    put_object(bench.store, base, checkpoint)
    second = bench.prepared(params={"epochs": 2}, base_checkpoint=base)
    bench.until(second, "FINISHING")
    assert bench.controller.curve(second.burst)[-1].loss < curve[0].loss

    # What does not match its digest is not taken.
    key = layout.artifact_key(spec.burst, view.done.artifacts["model.int8.onnx"].sha256)
    body = bytearray(bench.store.get(key))
    body[len(body) // 2] ^= 1
    bench.store.put(key, bytes(body))
    with pytest.raises(ObjectCorrupt, match=r"model\.int8\.onnx"):
        bench.controller.artifact(spec.burst, "model.int8.onnx")


def test_a_killed_attempt_is_resumed_and_ends_as_an_uninterrupted_one(bench: Bench) -> None:
    params: Params = {"epochs": 30}
    whole = bench.prepared(params=params)
    bench.until(whole, "FINISHING")

    spec = bench.prepared(params=params, checkpoint_every_s=0.1)
    bench.until_step(spec, 1)
    handle = bench.until_step(spec, bench.commits(spec)[-1] + 1)
    os.kill(pid_of(handle), signal.SIGKILL)
    assert bench.until(spec, "PREEMPTED").step.startswith("Interrupted")

    # As if the cut had come in the middle of a checkpoint: one that is torn, one that was never committed.
    newest = bench.commits(spec)[-1]
    key = layout.checkpoint_key(spec.burst, newest, 1, "state.npz")
    bench.store.put(key, bench.store.get(key)[:-100])
    bench.store.put(layout.checkpoint_key(spec.burst, newest + 1, 1, "state.npz"), b"never committed")
    view = bench.until(spec, "FINISHING")

    assert view.attempt == 2
    (resumed,) = [line for line in bench.controller.log(spec.burst) if "resumed after step" in line]
    assert 0 < int(resumed.rpartition(" ")[2]) < newest
    one, other = (bench.controller.view(burst).done for burst in (whole.burst, spec.burst))
    assert one is not None
    assert other is not None
    assert one.artifacts == other.artifacts
    assert one.metrics == other.metrics
    assert bench.controller.curve(spec.burst) == bench.controller.curve(whole.burst)


def test_without_a_desktop_the_agent_ends_at_its_deadline_by_itself(bench: Bench) -> None:
    spec = bench.prepared(params={"epochs": ENDLESS}, minutes=0.13, checkpoint_every_s=3600.0)
    bench.controller.step(spec.burst)
    (handle,) = bench.host.find(spec.burst)
    assert sessions_of(pid_of(handle)) == [pid_of(handle)]
    # Nobody asks the controller meanwhile.
    wait_until(lambda: not bench.host.find(spec.burst), 60, "the agent to end by itself")
    view = bench.controller.step(spec.burst)
    assert view.state == "FAILED"
    assert view.done is not None
    assert view.done.state == "deadline"
    assert "deadline passed" in (view.message or "")
    if bench.controller.curve(spec.burst):
        assert bench.commits(spec)
    with pytest.raises(BurstFailed, match="deadline"):
        bench.controller.artifact(spec.burst, "model.int8.onnx")


def test_a_running_burst_is_one_process_that_any_desktop_can_stop(bench: Bench, tmp_path: Path) -> None:
    secret = "s3cr3t-of-the-site"
    controller = Controller(bench.records, bench.store, {"local": bench.host}, env={"AWS_SECRET_ACCESS_KEY": secret})
    spec = bench.prepared(params={"epochs": ENDLESS}, checkpoint_every_s=0.0)
    controller.step(spec.burst)
    handle = bench.until_step(spec, 3)

    # The store's secret is in its environment and nowhere else.
    process = Path("/proc") / handle.where["pid"]
    assert secret.encode() in (process / "environ").read_bytes()
    assert secret.encode() not in (process / "cmdline").read_bytes()

    # A second agent sees the first and leaves.
    second = subprocess.run(
        [
            *(sys.executable, "-m", "cloud_sync.bursts.agent", "--store", bench.store.address),
            *("--burst", spec.burst, "--attempt", "2", "--deadline-ms", str(spec.deadline_ms)),
            *("--scratch", str(bench.work / spec.burst)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 75
    assert "Another agent already works" in second.stderr

    # A desktop that did not start it finds it; the same launch again is no second one.
    other = LocalHost(bench.work, threads=1)
    launch = bench.records.load(spec.burst).launch
    assert launch is not None
    assert other.find(spec.burst) == [handle]
    assert other.start(launch, {}) == handle

    # Cancelled: no process and no result, but a checkpoint.
    view = Controller(bench.records, bench.store, {"local": other}).cancel(spec.burst)
    assert view.state == "CANCELLED"
    assert sessions_of(pid_of(handle)) == []
    other.stop(handle)
    assert bench.store.head(layout.done_key(spec.burst)) is None
    assert bench.commits(spec)
    assert any("stopped as asked" in line for line in bench.controller.log(spec.burst))
    assert bench.controller.step(spec.burst).state == "CANCELLED"
    assert bench.controller.cancel(spec.burst).state == "CANCELLED"

    keys = [info.key for info in bench.store.list(f"bursts/{spec.burst}/")]
    bodies = [bench.store.get(key) for key in keys]
    bodies += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [body for body in bodies if secret.encode() in body]


class PowerCut(Exception):
    pass


class MortalRecords(FileRecords):
    """Records of a desktop that dies right after the n-th save."""

    def __init__(self, folder: Path, saves: int) -> None:
        super().__init__(folder)
        self._left = saves

    def save(self, record: BurstRecord) -> None:
        super().save(record)
        self._left -= 1
        if self._left == 0:
            raise PowerCut


def test_a_desktop_that_dies_after_any_save_goes_on_to_the_same_single_attempt(bench: Bench, tmp_path: Path) -> None:
    spec = spec_for(bench.dataset, params={"epochs": ENDLESS})
    deaths = 0
    while True:
        desktop = Controller(MortalRecords(tmp_path / "records", 1), bench.store, {"local": bench.host})
        try:
            desktop.prepare(spec, "local")
            view = desktop.step(spec.burst)
            if view.state == "RUNNING":
                break
            time.sleep(0.05)
        except PowerCut:
            deaths += 1
            assert deaths < 200
        assert len(bench.host.find(spec.burst)) <= 1
    (handle,) = bench.host.find(spec.burst)
    record = bench.records.load(spec.burst)
    assert len(record.attempts) == 1
    assert handle.attempt == 1
    assert deaths >= 5

    # The same for its end: every save of a cancellation.
    while bench.records.load(spec.burst).state != "CANCELLED":
        desktop = Controller(MortalRecords(tmp_path / "records", 1), bench.store, {"local": bench.host})
        try:
            desktop.cancel(spec.burst)
            desktop.step(spec.burst)
        except PowerCut:
            deaths += 1
            assert deaths < 200
    assert sessions_of(pid_of(handle)) == []


def test_two_programs_may_look_after_the_same_burst(bench: Bench) -> None:
    """Whoever cancels has the last word, at whatever moment the other one was acting."""

    def look_after(spec: BurstSpec, enough: threading.Event) -> None:
        other = Controller(bench.records, bench.store, {"local": LocalHost(bench.work, threads=1)})
        while not enough.is_set():
            other.step(spec.burst)

    def is_cancelled(spec: BurstSpec) -> bool:
        return bench.controller.step(spec.burst).state == "CANCELLED"

    for pause_s in (0.0, 0.02, 0.1, 0.4):
        spec = bench.prepared(params={"epochs": ENDLESS})
        enough = threading.Event()
        threads = [threading.Thread(target=look_after, args=(spec, enough)) for _ in range(2)]
        for thread in threads:
            thread.start()
        enough.wait(pause_s)
        bench.controller.cancel(spec.burst)
        enough.set()
        for thread in threads:
            thread.join()
        wait_until(partial(is_cancelled, spec), 20, "the cancellation")
        assert bench.host.find(spec.burst) == []
        assert len(bench.records.load(spec.burst).attempts) <= 1


def test_an_attempt_that_keeps_dying_fails_after_its_last(bench: Bench) -> None:
    spec = bench.prepared(params={"epochs": ENDLESS}, max_attempts=2)
    for _ in range(2):
        view = bench.until(spec, "BOOTING", "RUNNING")
        (handle,) = bench.host.find(spec.burst)
        os.kill(pid_of(handle), signal.SIGKILL)
        wait_until(lambda: not bench.host.find(spec.burst), 10, "the agent to be gone")
        assert bench.controller.step(spec.burst).state == "PREEMPTED"
    view = bench.controller.step(spec.burst)
    assert view.state == "FAILED"
    assert "interrupted 2 times" in (view.message or "")
    # One that has failed stays so.
    assert bench.controller.step(spec.burst).state == "FAILED"


def test_an_agent_that_cannot_use_the_store_is_not_tried_again(bench: Bench, tmp_path: Path) -> None:
    class Elsewhere(FolderStore):
        """The desktop reaches it under an address that means nothing to the agent."""

        def __init__(self, root: Path) -> None:
            super().__init__(root)
            self.address = "ftp://nowhere"

    store = Elsewhere(tmp_path / "store")
    controller = Controller(bench.records, store, {"local": bench.host})
    spec = spec_for(put_dataset(store, FRAMES[:4]))
    controller.prepare(spec, "local")
    view = controller.step(spec.burst)
    assert view.state == "FAILED"
    assert "ftp:// is no kind of object store" in (view.message or "")
    store.close()


def test_a_missing_sample_fails_it_with_a_reason(bench: Bench, tmp_path: Path) -> None:
    lost = Frame(b"nobody has this", "3", "train")
    dataset = put_dataset(bench.store, [*FRAMES[:20], lost])
    bench.store.delete(object_key(lost.sample))
    spec = spec_for(dataset)
    bench.controller.prepare(spec, "local")
    view = bench.until(spec, "FAILED")
    assert "is not in the store" in (view.message or "") or lost.sample[:12] in (view.message or "")
    assert view.done is not None
    assert bench.host.find(spec.burst) == []


def test_a_flipped_byte_in_a_sample_is_not_learned(bench: Bench) -> None:
    bad = Frame(FRAMES[0].data + b"\0", "3", "train")
    dataset = put_dataset(bench.store, [*FRAMES[:20], bad])
    bench.store.put(object_key(bad.sample), FRAMES[0].data)
    spec = spec_for(dataset)
    bench.controller.prepare(spec, "local")
    view = bench.until(spec, "FAILED")
    assert bad.sample[:12] in (view.message or "")


def test_a_store_that_is_away_queues_the_burst_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    store = open_store(str(folder))
    dataset = put_dataset(store, FRAMES[:4])
    controller = Controller(FileRecords(tmp_path / "records"), store, {"local": LocalHost(tmp_path / "work")})
    spec = spec_for(dataset)
    folder.rename(tmp_path / "pulled")
    view = controller.prepare(spec, "local")
    assert view.state == "QUEUED_OFFLINE"
    assert view.message
    assert controller.step(spec.burst).state == "QUEUED_OFFLINE"
    (tmp_path / "pulled").rename(folder)
    # Cancelled while it waits: nothing was ever launched.
    assert controller.cancel(spec.burst).state == "CANCELLED"
    assert controller.step(spec.burst).attempt == 0
    store.close()


def test_a_store_that_goes_away_does_not_fail_a_running_burst(tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    store = open_store(str(folder))
    bench = Bench(tmp_path, store, put_dataset(store, FRAMES[:40]))
    try:
        spec = bench.prepared(params={"epochs": ENDLESS}, checkpoint_every_s=0.2)
        bench.until_step(spec, 1)
        folder.rename(tmp_path / "pulled")
        view = bench.controller.step(spec.burst)
        assert view.state == "UNKNOWN"
        assert bench.host.find(spec.burst)
        (tmp_path / "pulled").rename(folder)
        bench.until(spec, "RUNNING")
        assert bench.controller.step(spec.burst).attempt == 1
    finally:
        bench.close()
        store.close()


def test_what_cannot_work_is_refused_before_anything_is_saved(bench: Bench, tmp_path: Path) -> None:
    spec = spec_for(bench.dataset, params={"epochs": 0})
    with pytest.raises(InputInvalid, match="epochs"):
        bench.controller.prepare(spec, "local")
    good = bench.prepared()
    with pytest.raises(AlreadyExists):
        bench.controller.prepare(replace(good, seed=5), "local")
    assert not list(bench.work.glob("*"))


def test_a_python_without_torch_is_named(bench: Bench, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    controller = Controller(
        bench.records, bench.store, {"local": LocalHost(tmp_path / "work", python=str(bare / "bin" / "python"))}
    )
    with pytest.raises(TrainingUnavailable, match=r"lacks torch, onnx") as caught:
        controller.prepare(spec_for(bench.dataset), "local")
    assert "lineside[train]" in caught.value.hint
    with pytest.raises(TrainingUnavailable, match="is not a Python that runs"):
        LocalHost(tmp_path / "work", python=str(tmp_path / "nothing")).quote(spec_for(bench.dataset))


def test_a_burst_over_an_s3_store_with_its_keys_in_the_environment(tmp_path: Path) -> None:
    with object_server(tmp_path / "server") as server:
        address = f"s3://{server.bucket}/line-7"
        store = open_store(address, endpoint_url=server.endpoint_url, credentials=server.credentials)
        host = LocalHost(tmp_path / "work", threads=1)
        controller = Controller(
            FileRecords(tmp_path / "records"),
            store,
            {"local": host},
            endpoint_url=server.endpoint_url,
            env=server.environment,
        )
        spec = spec_for(put_dataset(store, FRAMES[:40]), params={"epochs": 1})
        controller.prepare(spec, "local")
        try:
            view = wait_until(lambda: _ended(controller.step(spec.burst)), 90, "the burst to end")
            assert view.state == "FINISHING", view
            assert controller.artifact(spec.burst, "model.int8.onnx")
            assert controller.curve(spec.burst)
        finally:
            controller.cancel(spec.burst)
            store.close()


def _ended(view: BurstView) -> BurstView | None:
    return view if view.state in ("FINISHING", "FAILED") else None
