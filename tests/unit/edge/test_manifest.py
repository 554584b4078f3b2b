"""A manifest that contradicts itself is refused, in words that name what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.manifest import (
    AnomalyOutput,
    BundleManifest,
    ClassificationOutput,
    DetectionOutput,
    ImageInput,
    RegressionOutput,
    SegmentationOutput,
    SignalInput,
    TextInput,
)
from tests.fakes import models

IMAGE = {"name": "x", "width": 8, "height": 8, "colour": "RGB"}
DETECTION = {"name": "y", "labels": ("a",)}


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (ImageInput, {**IMAGE, "mean": (1.0, 2.0)}, "mean has 2 values"),
        (ImageInput, {**IMAGE, "colour": "GRAY", "std": (1.0, 1.0, 1.0)}, "std has 3 values"),
        (ImageInput, {**IMAGE, "std": (1.0, 0.0, 1.0)}, "std must not be 0"),
        (ImageInput, {**IMAGE, "mean": (float("nan"),)}, "mean must be numbers"),
        (ImageInput, {**IMAGE, "mean": ()}, "mean has 0 values"),
        (ImageInput, {**IMAGE, "scale": 0.0}, "scale must be"),
        (ImageInput, {**IMAGE, "scale": float("inf")}, "scale must be"),
        (SignalInput, {"name": "x", "length": 9, "channels": 2, "mean": (1.0, 2.0, 3.0)}, "mean has 3 values"),
        (SignalInput, {"name": "x", "length": 2**20, "channels": 256}, "at most 4194304 points"),
        (ClassificationOutput, {"name": "y", "labels": ()}, "labels is empty"),
        (ClassificationOutput, {"name": "y", "labels": ("a", "b", "a")}, "'a' is there twice"),
        (DetectionOutput, {"name": "y", "labels": ()}, "labels is empty"),
        (DetectionOutput, {"name": "y", "labels": ("nothing",)}, "cannot be a label"),
        (DetectionOutput, {**DETECTION, "scores": "s", "classes": "c"}, "layout 'boxes'"),
        (DetectionOutput, {**DETECTION, "layout": "yolov5", "classes": "c"}, "layout 'boxes'"),
        (DetectionOutput, {**DETECTION, "layout": "boxes"}, "layout 'boxes'"),
        (DetectionOutput, {**DETECTION, "layout": "boxes", "scores": "s"}, "layout 'boxes'"),
        (DetectionOutput, {**DETECTION, "layout": "boxes", "scores": "y", "classes": "c"}, "three different"),
        (DetectionOutput, {**DETECTION, "min_score": 0.0}, "above 0"),
        (SegmentationOutput, {"name": "y", "labels": ("a",)}, "at least one other"),
        (SegmentationOutput, {"name": "y", "labels": ("a", "a")}, "twice"),
        (AnomalyOutput, {"name": "y", "threshold": float("inf")}, "threshold must be"),
        (RegressionOutput, {"name": "y", "low": 2.0, "high": 2.0}, "low must be below high"),
        (RegressionOutput, {"name": "y", "high": float("nan")}, "must be numbers"),
    ],
)
def test_what_contradicts_itself_is_refused(kind: Any, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        kind(**fields)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"task": "detection"}, "the task is 'detection'"),
        (
            {
                "task": "detection",
                "input": SignalInput(name="x", length=4),
                "output": DetectionOutput(name="y", labels=("a",)),
            },
            "needs an image",
        ),
        ({"task": "text", "input": TextInput(name="x"), "output": RegressionOutput(name="y")}, "only the class"),
        ({"task": "regression", "input": TextInput(name="x"), "output": RegressionOutput(name="y")}, "the task is"),
        ({"latency_budget_ms": -1.0}, "latency_budget_ms"),
        ({"latency_budget_ms": float("nan")}, "latency_budget_ms"),
    ],
)
def test_task_input_and_output_must_go_together(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        models.manifest(**changes)


def test_it_is_refused_from_bytes_too_and_the_field_is_named() -> None:
    body = wire.to_dict(models.manifest())
    body["output"]["labels"] = ["a", "a"]
    with pytest.raises(InputInvalid, match=r"'a' is there twice - at `\$\.output`"):
        BundleManifest.from_bytes(wire.encode(body))


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
labels = st.lists(names, min_size=2, max_size=5, unique=True).map(tuple)
finite = st.floats(-1e6, 1e6)
outputs = st.one_of(
    st.builds(ClassificationOutput, name=names, labels=labels, kind=st.sampled_from(["logits", "probabilities"])),
    st.builds(
        DetectionOutput,
        name=names,
        labels=labels.filter(lambda all_: "nothing" not in all_),
        layout=st.sampled_from(["yolov8", "yolov5"]),
        scores=st.none(),
        classes=st.none(),
        normalised=st.booleans(),
        min_score=st.floats(0.01, 1),
        max_overlap=st.floats(0, 1),
        max_objects=st.integers(1, 300),
    ),
    st.builds(SegmentationOutput, name=names, labels=labels, min_area=st.floats(0, 1)),
    st.builds(AnomalyOutput, name=names, threshold=st.floats(1e-6, 1e6), reduce=st.sampled_from(["max", "mean"])),
    st.builds(RegressionOutput, name=names, low=st.none() | finite, high=st.none(), unit=st.text(max_size=5)),
)
inputs = st.builds(
    ImageInput,
    name=names,
    width=st.integers(1, 8192),
    height=st.integers(1, 8192),
    colour=st.just("RGB"),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    mean=st.tuples(finite) | st.tuples(finite, finite, finite),
    std=st.tuples(st.floats(1e-3, 1e3)),
)


@given(inputs, outputs)
def test_what_goes_together_comes_back_from_its_bytes(taken: ImageInput, given_: Any) -> None:
    task = given_.__struct_config__.tag
    manifest = models.manifest(task=task, input=taken, output=given_, golden=())
    assert BundleManifest.from_bytes(manifest.to_bytes()) == manifest
    assert set(given_.labels) <= set(given_.answers)
