"""Which model answers: a swap, a tuning and a trial under frames that keep coming."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_runtime.awake import MOST_S, AwakeClock
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import DatabaseDamaged, DiskFull, LinesideError, ModelUnusable
from edge_runtime.inference.autotune import TUNING_NAME
from edge_runtime.inference.in_runtime import InRuntime
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.inference.session import cores
from edge_runtime.service import models as models_module
from edge_runtime.service.models import ModelKeeper
from edge_runtime.update.bundle import Bundle
from edge_runtime.update.slot_store import SlotStore
from edge_runtime.update.slots import SlotTable
from tests.fakes import models
from tests.fakes.site import FakeBox, FakeSite


@pytest.fixture
def box(tmp_path: Path, first_site: FakeSite) -> FakeBox:
    site = first_site.copy(tmp_path / "site")
    box = FakeBox(tmp_path / "box", site)
    box.commit(site.release("1.0.0"))
    return box


class Keeper:
    """A keeper over a box's home, and what it told."""

    def __init__(self, box: FakeBox) -> None:
        self.alerts: list[str] = []
        self.messages: list[str] = []
        self.notes: list[tuple[str, str]] = []
        self.changes = 0
        self.on_line: list[tuple[str, bool]] = []
        self.file = box.home / TUNING_NAME
        self.keeper = ModelKeeper(
            box.installer,
            tunings=self.file,
            alert=self._alert,
            audit=self._note,
            changed=self._change,
            on_line=lambda bundle, new: self.on_line.append((bundle, new)),
            in_runtime=InRuntime(),
        )
        self.keeper.start()

    def _alert(self, kind: str, message: str, model: str | None, facts: Mapping[str, float]) -> None:
        self.alerts.append(kind)
        self.messages.append(message)

    def _note(self, kind: str, message: str) -> None:
        self.notes.append((kind, message))

    def _change(self) -> None:
        self.changes += 1

    def tune(self, model: bytes, workers: int, **changes: object) -> None:
        """What `lineside-edge bench --home` leaves."""
        import hashlib

        import onnxruntime as ort

        stored = {
            "model": hashlib.sha256(model).hexdigest(),
            "runtime": ort.__version__,
            "cores": cores(),
            "provider": "CPUExecutionProvider",
            "threads": 1,
            "workers": workers,
            "samples_per_s": 100.0,
            "at_ms": 0,
            **changes,
        }
        part = self.file.with_suffix(".part")
        part.write_bytes(wire.encode({"tunings": [stored]}))
        part.replace(self.file)


def test_a_tuning_is_taken_up_while_frames_are_answered(box: FakeBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_module, "TUNING_EVERY_S", 0.0)
    told = Keeper(box)
    keeper = told.keeper
    first = keeper.current()
    assert first is not None
    assert (first.name, first.version, keeper.workers()) == ("parts", "1.0.0", cores())
    failures: list[str] = []
    answered: list[object] = []
    stop = threading.Event()

    def answer() -> None:
        while not stop.is_set():
            model = keeper.current()
            if model is None or model.engine.predict(models.frame(10)).label != "dark":
                failures.append("no answer")
            else:
                keeper.observe(model, latency_ms=1.0, ok=True)
                answered.append(model)

    threads = [threading.Thread(target=answer) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for workers in (3, 5, 2):
            told.tune(models.brightness_model(), workers)
            before = keeper.current()
            keeper.tick()
            after = keeper.current()
            assert after is not None
            assert after is not before
            assert (after.bundle, keeper.workers()) == (first.bundle, workers)
            keeper.tick()
            assert keeper.current() is after, "nothing was written since"
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert (failures, told.alerts) == ([], [])
    assert answered
    assert told.changes >= 4


def test_a_tuning_that_does_not_hold_here_changes_nothing(box: FakeBox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_module, "TUNING_EVERY_S", 0.0)
    told = Keeper(box)
    before = told.keeper.current()
    told.tune(models.failing_model(), 7)
    told.keeper.tick()
    told.tune(models.brightness_model(), 7, runtime="0.0.1")
    told.keeper.tick()
    told.file.write_bytes(b"{ not JSON")
    told.keeper.tick()
    told.file.unlink()
    told.keeper.tick()
    assert told.keeper.current() is before
    assert told.alerts == []


def test_a_model_is_opened_as_it_was_tuned_before(box: FakeBox) -> None:
    Keeper(box).tune(models.brightness_model(), 3)
    assert Keeper(box).keeper.workers() == 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"provider": "GoneExecutionProvider"}, "no longer offers gone"),
        ({"runtime": "0.0.1"}, "measured with onnxruntime 0.0.1"),
    ],
)
def test_a_tuning_that_no_longer_holds_is_told_of(box: FakeBox, changes: dict[str, str], why: str) -> None:
    Keeper(box).tune(models.brightness_model(), 3, **changes)
    told = Keeper(box)
    assert told.alerts == ["model.fallback"]
    assert why in told.messages[0]
    assert told.keeper.workers() == cores()


def test_what_the_box_decides_by_itself_is_noted(box: FakeBox) -> None:
    keeper = Keeper(box)
    following = box.site.release("1.0.1")
    box.deliver(following)
    keeper.keeper.install(following.target)
    tried = keeper.keeper.current()
    assert tried is not None
    for _ in range(20):
        keeper.keeper.observe(tried, latency_ms=1.0, ok=True)
    assert keeper.notes == [("update.committed", f"parts 1.0.1 ({following.bundle[:12]})")]

    third = box.site.release("1.0.2")
    box.deliver(third)
    keeper.keeper.install(third.target)
    tried = keeper.keeper.current()
    assert tried is not None
    for _ in range(20):
        keeper.keeper.observe(tried, latency_ms=0.0, ok=False)
    kind, message = keeper.notes[-1]
    assert kind == "update.rolled-back"
    assert message.startswith("parts 1.0.2 was taken off the line: ")
    assert keeper.alerts == ["update.rolled-back"]


def test_only_answers_of_the_new_model_count_for_its_trial(box: FakeBox, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Keeper(box)
    keeper, old = told.keeper, told.keeper.current()
    assert old is not None
    following = box.site.release("1.0.1")
    box.deliver(following)
    load, clock = keeper.load, [0.0]
    monkeypatch.setattr(keeper, "_clock", AwakeClock(lambda: clock[0]))

    def slowly(bundle: Bundle) -> LoadedModel:
        for _ in range(40):
            keeper.observe(old, latency_ms=1.0, ok=True)
            keeper.tick()
            clock[0] += MOST_S
        return load(bundle)

    monkeypatch.setattr(keeper, "load", slowly)
    keeper.install(following.target)
    (trial,) = [slot for slot in box.installer.slots() if slot.state == "TRIAL"]
    assert (trial.trial and trial.trial.frames, told.notes) == (0, [])
    keeper.tick()
    assert told.notes == [], "its time begins on the line"
    clock[0] += 1000.0
    keeper.tick()
    assert told.notes == [], "nor was the box at work while it was stopped"
    for _ in range(int(11 / MOST_S)):
        clock[0] += MOST_S
        keeper.tick()
    assert [kind for kind, _ in told.notes] == ["update.committed"]


@pytest.mark.parametrize("wrong", [DiskFull("no space left"), DatabaseDamaged("the state cannot be used")])
def test_a_way_back_that_cannot_be_written_ends_nothing(
    box: FakeBox, monkeypatch: pytest.MonkeyPatch, wrong: LinesideError
) -> None:
    box.commit(box.site.release("1.0.1"))

    def no_save(_store: SlotStore, _table: SlotTable) -> None:
        raise wrong

    def unusable(_keeper: ModelKeeper, _bundle: Bundle) -> LoadedModel:
        raise ModelUnusable("it cannot be opened")

    monkeypatch.setattr(SlotStore, "save", no_save)
    monkeypatch.setattr(ModelKeeper, "load", unusable)
    told = Keeper(box)
    assert told.keeper.current() is None
    assert told.alerts == ["model.unusable", "model.unusable"]
    assert told.changes == 1
