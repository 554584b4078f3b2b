from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from cloud_sync.recipes.base import (
    Arrays,
    Exported,
    Trained,
    TrainingInputs,
    TrainingItem,
    TrainingReport,
    load_recipe,
    pack_arrays,
    unpack_arrays,
)
from cloud_sync.recipes.classify_images import RECIPE
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.manifest import ImageInput
from edge_runtime.inference.engine import Engine
from tests.unit.bursts.frames import LABELS, Frame, render_frames, training_items

SHORT: dict[str, bool | int | float | str] = {"epochs": 3}


@pytest.fixture(scope="module")
def some(frame_files: Path) -> list[TrainingItem]:
    return training_items(render_frames(120, seed=5), frame_files)


def train(
    items: list[TrainingItem],
    params: dict[str, bool | int | float | str] | None = None,
    *,
    seed: int = 7,
    base: Arrays | None = None,
    labels: tuple[str, ...] = LABELS,
    resume: Arrays | None = None,
    checkpoint: Callable[[int, Callable[[], Arrays]], None] = lambda _step, _state: None,
    report: Callable[[TrainingReport], None] = lambda _report: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    return RECIPE.train(
        TrainingInputs(items=items, labels=labels, seed=seed, base=base),
        SHORT if params is None else params,
        resume=resume,
        report=report,
        checkpoint=checkpoint,
        should_stop=should_stop,
    )


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


def accuracy(engine: Engine, frames: list[Frame]) -> float:
    return sum(engine.predict(frame.data).label == frame.label for frame in frames) / len(frames)


def test_it_is_found_by_name() -> None:
    assert load_recipe("classify-images") is RECIPE
    with pytest.raises(NotFound, match="classify-images"):
        load_recipe("classify-dreams")


def test_clean_frames_are_learned_and_changed_ones_from_there(
    trained: Trained, exported: Exported, frame_files: Path
) -> None:
    clean, changed = render_frames(250, seed=21), render_frames(250, seed=22, changed=True)
    first = Engine(exported.model, exported.input, exported.output)
    assert accuracy(first, clean) >= 0.95
    before = accuracy(first, changed)

    items = training_items(render_frames(900, seed=1) + render_frames(400, seed=3, changed=True), frame_files)
    again = train(items, {"epochs": 12}, base=trained.weights)
    second_export = RECIPE.export(again.weights)
    second = Engine(second_export.model, second_export.input, second_export.output)
    assert accuracy(second, clean) >= 0.93
    assert accuracy(second, changed) >= before + 0.15


def test_the_model_is_what_a_box_can_run(trained: Trained, exported: Exported) -> None:
    model = onnx.load_from_string(exported.model)
    onnx.checker.check_model(model)
    assert model.ir_version == 10
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 21)]
    assert exported.output.labels == LABELS
    assert isinstance(exported.input, ImageInput)
    assert (exported.input.width, exported.input.height, exported.input.colour) == (48, 48, "GRAY")
    (fed,) = model.graph.input
    assert fed.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert 50_000 < sum(array.size for name, array in trained.weights.items() if name.startswith("net/")) < 70_000


def test_the_exported_model_answers_as_the_trained_one(trained: Trained, exported: Exported) -> None:
    import torch

    from cloud_sync.recipes.small_cnn import SmallCnn

    net = SmallCnn.of(trained.weights).eval()
    frames = trained.calibration[:64]
    with torch.inference_mode():
        expected = torch.softmax(net(torch.from_numpy(frames)), 1).numpy()
    session = Engine(exported.model, exported.input, exported.output).session
    logits = torch.from_numpy(session.run([exported.output.name], {exported.input.name: frames})[0])
    np.testing.assert_allclose(torch.softmax(logits, 1).numpy(), expected, atol=1e-4)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(some: list[TrainingItem]) -> None:
    once, again, other = train(some), train(some), train(some, seed=8)
    assert same(once.state, again.state)
    assert pack_arrays(once.weights) == pack_arrays(again.weights)
    assert not same(once.weights, other.weights)


def test_the_order_of_the_dataset_does_not_matter(some: list[TrainingItem]) -> None:
    assert same(train(some).state, train(some[::-1]).state)


def test_training_leaves_the_callers_random_state_alone(some: list[TrainingItem]) -> None:
    import torch

    before = torch.random.get_rng_state()
    train(some, {"epochs": 1})
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("stop_after", [1, 5, 11])
def test_a_run_that_is_resumed_ends_as_an_uninterrupted_one(some: list[TrainingItem], stop_after: int) -> None:
    whole = train(some)
    steps: list[int] = []
    first = train(some, checkpoint=lambda step, _: steps.append(step), should_stop=lambda: len(steps) >= stop_after)
    assert (first.finished, first.step) == (False, stop_after)

    # Through the file, as a next attempt gets it.
    second = train(some, resume=unpack_arrays(pack_arrays(first.state)))
    assert second.finished
    assert same(second.state, whole.state)
    assert second.metrics == whole.metrics


def test_a_run_resumed_after_its_last_step_is_finished(some: list[TrainingItem]) -> None:
    whole = train(some)
    again = train(some, resume=whole.state, should_stop=lambda: True)
    assert again.finished
    assert same(again.state, whole.state)


def test_a_checkpoint_handed_out_is_not_changed_by_later_steps(some: list[TrainingItem]) -> None:
    kept: list[tuple[Arrays, bytes]] = []

    def keep(_step: int, state: Callable[[], Arrays]) -> None:
        if not kept:
            kept.append((state(), b""))
            kept[0] = (kept[0][0], pack_arrays(kept[0][0]))

    train(some, checkpoint=keep)
    assert pack_arrays(kept[0][0]) == kept[0][1]


def test_it_reports_a_curve_with_held_out_accuracy(some: list[TrainingItem]) -> None:
    reports: list[TrainingReport] = []
    trained = train(some, report=reports.append)
    assert "96 frames to learn from, 24 held out, 12 steps" in reports[0].message
    curve = [report for report in reports if report.loss is not None]
    assert [report.step for report in curve] == [4, 8, 10, 12]
    assert [report.accuracy is not None for report in curve] == [True, True, False, True]
    assert curve[-1].accuracy == trained.metrics["held_out_accuracy"]
    assert trained.metrics["train_samples"] == 96


def test_new_labels_are_learned_beside_those_that_were_known(trained: Trained, frame_files: Path) -> None:
    """The third label is new to the base; the others keep what they knew, in another order."""
    frames = [replace(f, label="seven" if f.label == "7" else f.label) for f in render_frames(300, seed=31)]
    wanted = ("8", "1", "seven")
    items = training_items([frame for frame in frames if frame.label in wanted], frame_files)
    again = train(items, {"epochs": 8}, base=trained.weights, labels=wanted)
    assert again.metrics["held_out_accuracy"] >= 0.8
    assert RECIPE.export(again.weights).output.labels == wanted


def test_frames_that_are_no_images_are_left_out_and_named(some: list[TrainingItem], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff\xd8\xff not a jpeg")
    reports: list[TrainingReport] = []
    items = [*some, TrainingItem(sample="b" * 64, label="1", split="train", path=broken)]
    trained = train(items, {"epochs": 1}, report=reports.append)
    assert trained.metrics["unreadable_samples"] == 1
    assert "b" * 64 in reports[0].message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda items: [replace(item, label="?") for item in items], "labels that the burst does not know: ?"),
        (lambda items: [replace(item, label="1") for item in items], "shows 1 of the 10 labels"),
        (lambda items: [replace(item, split="held-out") for item in items], "shows 0 of the 10 labels"),
    ],
)
def test_a_dataset_that_cannot_be_learned_is_refused(some: list[TrainingItem], change: Any, words: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        train(change(some))
    assert words in str(caught.value)


def test_a_dataset_of_the_wrong_kind_is_refused(some: list[TrainingItem], tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"hello")
    with pytest.raises(InputInvalid, match="120 of the dataset's 120 samples are no images"):
        train([replace(item, path=text) for item in some])


def test_a_loss_that_is_no_number_ends_training_with_a_hint(some: list[TrainingItem]) -> None:
    base = {name: array.copy() for name, array in train(some, {"epochs": 1}).weights.items()}
    base["net/head.weight"][:] = np.nan
    with pytest.raises(InputInvalid, match="astray") as caught:
        train(some, base=base)
    assert "learning_rate" in caught.value.hint


@pytest.mark.parametrize(
    "params", [{"epoch": 3}, {"epochs": 0}, {"epochs": "many"}, {"width": 4}, {"colour": "CMYK"}, {"contrast": 1.0}]
)
def test_parameters_out_of_bounds_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InputInvalid, match="classify-images"):
        RECIPE.check(params)


def test_colour_frames(some: list[TrainingItem]) -> None:
    trained = train(some, {"epochs": 1, "colour": "RGB", "width": 32, "height": 24})
    exported = RECIPE.export(trained.weights)
    assert isinstance(exported.input, ImageInput)
    assert (exported.input.width, exported.input.height, exported.input.colour) == (32, 24, "RGB")
    Engine(exported.model, exported.input, exported.output).predict(some[0].path.read_bytes())


def test_a_base_of_other_colours_or_kind_is_refused(some: list[TrainingItem], trained: Trained) -> None:
    with pytest.raises(InputInvalid, match="colour planes"):
        train(some, {"epochs": 1, "colour": "RGB"}, base=trained.weights)
    with pytest.raises(InputInvalid, match="not one of classify-images"):
        train(some, base={"something": np.zeros(3)})
    torn = {name: array for name, array in trained.weights.items() if "head" not in name}
    with pytest.raises(InputInvalid, match="does not fit"):
        train(some, base=torn)


def test_a_state_of_another_run_is_refused(some: list[TrainingItem], trained: Trained) -> None:
    with pytest.raises(InputInvalid, match="names no step of this run"):
        train(some, resume=trained.state)
    with pytest.raises(InputInvalid, match="names no step of this run"):
        train(some, resume=trained.weights)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


def object_array() -> bytes:
    member = io.BytesIO()
    np.lib.format.write_array(member, np.asarray([Bomb()], object), allow_pickle=True)
    return zipped("x.npy", member.getvalue())


def zipped(name: str, body: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, body)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


HUGE = (
    b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }".ljust(117)
    + b"\n"
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PK\x03\x04 torn",
        pickle.dumps(Bomb()),
        object_array(),
        npy(np.zeros(3)),
        zipped("x.npy", b"not an array"),
        zipped("x.npy", HUGE),
        zipped("x.npy", npy(np.zeros(10_000)), zipfile.ZIP_DEFLATED),
        pack_arrays({"x": np.arange(100)})[:200],
    ],
    ids=["empty", "torn", "pickle", "objects", "npy", "noise", "huge", "bomb", "cut"],
)
def test_hostile_checkpoints_are_refused(body: bytes) -> None:
    with pytest.raises(InputInvalid, match="checkpoint"):
        unpack_arrays(body)


def test_objects_are_not_packed() -> None:
    with pytest.raises(InputInvalid, match="thing"):
        pack_arrays({"thing": np.asarray([object()])})
