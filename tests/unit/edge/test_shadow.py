"""A second model beside the line: it is heard where it disagrees, and can do no harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge_runtime.contracts.rows import FoundObject, RollupRow, SampleRow, ShadowRow
from edge_runtime.inference.agreement import agree
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.hard import KeepRules
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.inference.shadow import MAX_FAILURES, Answered, SecondOpinion, Shadow
from edge_runtime.service.spool import Spool
from edge_runtime.sources.base import Frame
from tests.fakes import models
from tests.unit.edge.line import Answering, Bench, loaded
from tests.unit.edge.rows import MODEL, open_spool
from tests.waiting import wait_until

SHADOW = "5a" * 32
NOTHING = KeepRules(0.0, 0.0)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path)
    yield opened
    opened.close()


class Gate(Engine):
    """An engine that waits to be let through before it answers as another does."""

    def __init__(self, model: LoadedModel) -> None:
        self._engine = model.engine
        self.open, self.entered = threading.Event(), threading.Event()

    def predict(self, data: bytes) -> Prediction:
        self.entered.set()
        assert self.open.wait(60)
        return self._engine.predict(data)


def answered(brightness: int = 10, label: str = "dark") -> Answered:
    frame = Frame("frame", models.frame(brightness))
    return Answered(frame=frame, digest="00" * 32, model=MODEL, prediction=Prediction(label, 0.9, 0.8), latency_us=100)


def idle(shadow: Shadow) -> Shadow:
    wait_until(lambda: not shadow.busy, 10, "the shadow to be free")
    return shadow


def test_only_disagreements_are_kept_and_both_latencies(spool: Spool) -> None:
    shadow = Shadow(dropped=lambda *_: None)
    shadow.put(loaded(models.brightness_model(threshold=60.0), SHADOW))
    bench = Bench(spool, Answering(loaded(models.brightness_model())), NOTHING, shadow=shadow)
    opinions: list[SecondOpinion] = []

    def compare(seen: Answered, opinion: SecondOpinion) -> None:
        bench.pipeline.compare(seen, opinion)
        opinions.append(opinion)

    for brightness in (10, 100, 250):
        seen = answered(brightness, "bright" if brightness > 128 else "dark")
        idle(shadow).offer(seen, 1.0, partial(compare, seen))
    idle(shadow)
    shadow.close(5)
    assert [opinion.agreed for opinion in opinions] == [True, False, True]
    bench.run()
    (row,) = [row for row in bench.rows("shadows") if isinstance(row, ShadowRow)]
    assert (row.model, row.shadow, row.label, row.shadow_label) == (MODEL, SHADOW, "dark", "bright")
    assert (row.latency_us, row.shadow_latency_us) == (100, opinions[1].latency_us)
    (kept,) = [row for row in bench.rows("samples") if isinstance(row, SampleRow)]
    assert (kept.reason, kept.label, kept.model) == ("disagreement", "dark", MODEL)
    (minute,) = [row for row in bench.rows("rollups") if isinstance(row, RollupRow)]
    assert (minute.shadow, minute.shadow_frames, minute.shadow_agreed) == (SHADOW, 3, 2)
    assert minute.shadow_latency_us_p50 > 0


def test_a_line_with_time_to_spare_shows_its_frames(spool: Spool) -> None:
    shadow = Shadow(dropped=lambda *_: None)
    shadow.put(loaded(models.brightness_model(threshold=60.0), SHADOW))
    bench = Bench(spool, Answering(loaded(models.brightness_model())), NOTHING, shadow=shadow)
    bench.run(models.frame(100))
    idle(shadow)
    shadow.close(5)
    assert len(bench.rows("results")) == len(bench.rows("shadows")) == 1


def test_a_shadow_that_is_slow_holds_up_nothing(spool: Spool) -> None:
    shadow = Shadow(dropped=lambda *_: None)
    gate = Gate(loaded(models.brightness_model(threshold=60.0)))
    shadow.put(LoadedModel(SHADOW, gate))
    bench = Bench(spool, Answering(loaded(models.brightness_model())), NOTHING, shadow=shadow)
    bench.run(*[models.frame(100)] * 40)
    assert gate.entered.wait(60)
    assert len(bench.rows("results")) == 40, "the line went on while the shadow thought about its first frame"
    gate.open.set()
    idle(shadow)
    shadow.close(5)
    assert len(bench.rows("shadows")) == 1


def test_a_line_that_lags_shows_nothing() -> None:
    shadow = Shadow(dropped=lambda *_: None)
    told: list[SecondOpinion] = []
    shadow.offer(answered(), 1.0, told.append)
    shadow.put(loaded(models.brightness_model(), SHADOW))
    shadow.offer(answered(), 0.1, told.append)
    idle(shadow).offer(answered(), 1.0, told.append)
    idle(shadow)
    assert len(told) == 1
    shadow.put(loaded(models.brightness_model(), MODEL))
    shadow.offer(answered(), 1.0, told.append)
    idle(shadow)
    assert len(told) == 1, "a model need not be compared with itself"
    shadow.close(5)


def test_a_shadow_that_keeps_failing_is_given_up(spool: Spool) -> None:
    dropped: list[tuple[str, str]] = []
    shadow = Shadow(dropped=lambda bundle, why: dropped.append((bundle, why)))
    told: list[SecondOpinion] = []
    shadow.put(loaded(models.failing_model(), SHADOW))
    for _ in range(MAX_FAILURES - 1):
        idle(shadow).offer(answered(), 1.0, told.append)
    assert idle(shadow).current is not None
    shadow.offer(answered(), 1.0, told.append)
    wait_until(lambda: bool(dropped), 10, "the shadow to be given up")
    assert shadow.current is None
    assert (told, [bundle for bundle, _ in dropped]) == ([], [SHADOW])
    assert f"{MAX_FAILURES} frames" in dropped[0][1]
    shadow.close(5)


def test_a_shadow_that_hangs_is_given_up_and_its_successor_sees_frames() -> None:
    dropped: list[tuple[str, str]] = []
    shadow = Shadow(dropped=lambda bundle, why: dropped.append((bundle, why)), patience_s=0.05)
    gate = Gate(loaded(models.brightness_model(), SHADOW))
    told: list[SecondOpinion] = []
    shadow.put(LoadedModel(SHADOW, gate))
    shadow.offer(answered(), 1.0, told.append)
    assert gate.entered.wait(60)

    def noticed() -> bool:
        shadow.tick()
        return bool(dropped)

    wait_until(noticed, 10, "the hung shadow to be noticed, though no frame comes")
    assert (shadow.current, shadow.busy, [bundle for bundle, _ in dropped]) == (None, False, [SHADOW])
    successor = "5b" * 32
    shadow.put(loaded(models.brightness_model(), successor))
    shadow.offer(answered(), 1.0, told.append)
    wait_until(lambda: bool(told), 10, "the successor's opinion")
    gate.open.set()
    idle(shadow).offer(answered(), 1.0, told.append)
    wait_until(lambda: len(told) == 2, 10, "another of its opinions")
    assert [opinion.shadow for opinion in told] == [successor] * 2, "what was given up has no say any more"
    shadow.close(5)


def test_a_successor_need_not_wait_for_the_frame_in_hand() -> None:
    shadow = Shadow(dropped=lambda *_: None)
    gate = Gate(loaded(models.brightness_model(), SHADOW))
    told: list[SecondOpinion] = []
    shadow.put(LoadedModel(SHADOW, gate))
    shadow.offer(answered(), 1.0, told.append)
    assert gate.entered.wait(60)
    shadow.put(loaded(models.brightness_model(), "5b" * 32))
    shadow.offer(answered(), 1.0, told.append)
    wait_until(lambda: bool(told), 10, "the successor's opinion")
    gate.open.set()
    shadow.close(5)


def test_what_agreement_is() -> None:
    def thing(label: str) -> FoundObject:
        return FoundObject(label=label, score=0.9, x=0.1, y=0.1, width=0.2, height=0.2)

    none, screw = Prediction("screw", 0.9, 0.5), Prediction("screw", 0.8, 0.5, objects=(thing("screw"),))
    both = Prediction("screw", 0.8, 0.5, objects=(thing("nut"), thing("screw")))
    assert agree(screw, Prediction("screw", 0.4, 0.1, objects=(thing("screw"),)))
    assert agree(both, Prediction("screw", 0.4, 0.1, objects=(thing("screw"), thing("nut"))))
    assert not agree(screw, both)
    assert not agree(screw, none)
    assert not agree(none, Prediction("nut", 0.9, 0.5))


def test_boxes_agree_where_they_overlap_each_with_a_partner_of_its_own() -> None:
    def seen(*places: tuple[float, float]) -> Prediction:
        things = tuple(FoundObject(label="screw", score=0.9, x=x, y=y, width=0.2, height=0.2) for x, y in places)
        return Prediction("screw", 0.9, 0.5, value=float(len(things)), objects=things)

    assert agree(seen((0.1, 0.1), (0.7, 0.7)), seen((0.72, 0.71), (0.11, 0.1)))
    assert not agree(seen((0.0, 0.0)), seen((0.8, 0.8)))
    assert not agree(seen((0.1, 0.1), (0.7, 0.7)), seen((0.1, 0.1), (0.11, 0.1)))
    assert not agree(seen((0.1, 0.1)), seen((0.1, 0.25)))


def test_areas_agree_where_most_of_what_is_covered_is_common() -> None:
    def covered(**areas: float) -> Prediction:
        return Prediction("rust", 0.9, 0.5, value=areas["rust"], areas=areas)

    assert agree(covered(rust=0.40), covered(rust=0.42))
    assert agree(covered(rust=0.40, dirt=0.1), covered(rust=0.41, dirt=0.11))
    assert not agree(covered(rust=0.90), covered(rust=0.01))
    assert not agree(covered(rust=0.40), covered(rust=0.40, dirt=0.3))


def test_numbers_agree_by_what_is_typical_and_scores_by_their_labels() -> None:
    def measured(value: float) -> Prediction:
        return Prediction("in range", 1.0, 1.0, value=value, telling="value", measured=True)

    assert agree(measured(100.0), measured(104.0))
    assert not agree(measured(1.0), measured(1_000_000.0))
    assert not agree(measured(0.001), measured(-0.001)), "nobody knows yet what is typical"
    assert agree(measured(0.001), measured(-0.001), earlier=[(100.0, 101.0)] * 3)
    assert agree(Prediction("normal", 0.9, 0.8, value=1.0), Prediction("normal", 0.9, 0.8, value=900.0))


def test_what_is_typical_is_learned_from_the_line() -> None:
    class Measuring(Engine):
        def __init__(self) -> None:
            """It needs no model."""

        def predict(self, data: bytes) -> Prediction:
            return Prediction("in range", 1.0, 1.0, value=float(data), telling="value", measured=True)

    shadow = Shadow(dropped=lambda *_: None)
    shadow.put(LoadedModel(SHADOW, Measuring()))
    agreed: list[bool] = []
    for line, beside in ((100.0, b"101"), (100.0, b"150"), (100.0, b"99"), (0.001, b"-0.001")):
        said = Prediction("in range", 1.0, 1.0, value=line, telling="value", measured=True)
        task = Answered(frame=Frame("f", beside), digest="00" * 32, model=MODEL, prediction=said, latency_us=1)
        idle(shadow).offer(task, 1.0, lambda opinion: agreed.append(opinion.agreed))
    idle(shadow)
    shadow.close(5)
    assert agreed == [True, False, True, True]
