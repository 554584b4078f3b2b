"""A drift monitor that is cut off and goes on is none the worse for it; what a file holds instead is let go."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.inference import drift_memory as module
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.drift_memory import DriftFile, DriftMemory
from tests.unit.edge.test_drift import Draw, dim, normal, other_parts, skewed, unsure

MODEL, OTHER = "c" * 64, "d" * 64


def learned(frames: int = 400) -> DriftMonitor:
    rng, monitor = np.random.default_rng(3), DriftMonitor()
    for _ in range(frames):
        monitor.observe(*normal(rng))
    return monitor


def cut_off(monitor: DriftMonitor, folder: Path) -> DriftMonitor:
    """The monitor of the next process."""
    DriftFile(folder / "line.drift").save(MODEL, monitor.memory())
    memory = DriftFile(folder / "line.drift").load(MODEL)
    assert memory is not None
    after = DriftMonitor()
    after.recall(memory)
    return after


@pytest.mark.parametrize("cuts", [(7,), (100, 149, 150), (250,), (600, 620, 640)])
@pytest.mark.parametrize("later", [unsure, dim, other_parts, skewed, normal])
def test_it_finds_what_it_would_have_found_at_the_same_frame(
    tmp_path: Path, cuts: tuple[int, ...], later: Draw
) -> None:
    rng = np.random.default_rng(4)
    frames = [normal(rng) for _ in range(600)] + [later(rng) for _ in range(150)]
    whole, cut = DriftMonitor(), DriftMonitor()
    for number, frame in enumerate(frames):
        if number in cuts:
            cut = cut_off(cut, tmp_path)
        assert cut.observe(*frame) == whole.observe(*frame)
    assert (cut.found, cut.progress, cut.memory()) == (whole.found, whole.progress, whole.memory())


def test_what_was_learned_under_another_model_goes(tmp_path: Path) -> None:
    file = DriftFile(tmp_path / "line.drift")
    file.save(MODEL, learned().memory())
    assert file.load(OTHER) is None
    assert file.load(MODEL) is None, "it is gone for good"
    assert list(tmp_path.iterdir()) == []


def test_other_settings_begin_anew() -> None:
    monitor = DriftMonitor(reference=100)
    with pytest.raises(InputInvalid, match="other settings"):
        monitor.recall(learned().memory())
    assert (monitor.progress, monitor.found) == (0.0, False)


@pytest.mark.parametrize(
    "change",
    [
        {"reference": ()},
        {"reference": (0.5,) * 151},
        {"reference": ("0.5",) * 150},
        {"latest": (0.5,) * 241},
        {"latest": ("a",)},
        {"full": False},
        {"until_test": 61},
    ],
)
def test_what_no_monitor_could_have_learned_is_refused(change: dict[str, Any]) -> None:
    memory = learned().memory()
    watch = dataclasses.replace(memory.watches["drift.confidence"], **change)
    monitor = DriftMonitor()
    with pytest.raises(InputInvalid):
        monitor.recall(dataclasses.replace(memory, watches={**memory.watches, "drift.confidence": watch}))
    assert monitor.memory() == DriftMonitor().memory()
    with pytest.raises(InputInvalid, match="no drift of kind"):
        monitor.recall(dataclasses.replace(memory, watches={"drift.moods": watch}))


def spoilt(**changes: object) -> bytes:
    kept = msgspec.json.decode(wire.encode({"model": MODEL, "memory": learned().memory()}))
    kept["memory"]["watches"]["drift.confidence"].update(changes)
    return msgspec.json.encode(kept)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 100,
        b"[" * 100_000,
        spoilt(evidence=0.0),
        spoilt(thin=0),
        spoilt(thin=2**70),
        spoilt(points=-1),
        spoilt(reference=[None] * 150),
        spoilt(usual={"value": -1.0, "latest": []}),
    ],
)
def test_a_damaged_file_goes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "line.drift"
    path.write_bytes(content)
    assert DriftFile(path).load(MODEL) is None
    assert not path.exists()


def test_a_memory_without_measure_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    DriftFile(tmp_path / "line.drift").save(MODEL, learned().memory())
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_the_line_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (None, tmp_path / "file" / "line.drift"):
        file = DriftFile(path)
        file.save(MODEL, DriftMemory(plan=(150, 60, 1), frames=0, found=False, watches={}))
        assert file.load(MODEL) is None
        file.drop()
