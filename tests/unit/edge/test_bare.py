"""Models without a manifest, and models that name files which are not theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.contracts.manifest import ClassificationOutput, ImageInput, RegressionOutput, SignalInput, TextInput
from edge_runtime.inference.bare import bare_specs
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.external import refuse_external_data
from edge_runtime.inference.session import Tuning, open_session
from tests.fakes import models, tasks


def session(model: bytes) -> ort.InferenceSession:
    return open_session(model, Tuning())


def means(
    shape: list[int | str], *, dtype: int = TensorProto.FLOAT, softmax: bool = False, axes: tuple[int, ...]
) -> bytes:
    """The means over some axes, as scores."""
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f", "axes"], ["m"], keepdims=0),
        helper.make_node("Softmax" if softmax else "Identity", ["m"], ["y"]),
    ]
    given_ = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", None])
    return models.small_model(
        nodes, {"axes": np.array(axes, np.int64)}, helper.make_tensor_value_info("x", dtype, shape), given_
    )


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        (means(["n", 3, 20, 30], axes=(2, 3)), ("NCHW", "RGB", 30, 20, "float32")),
        (means(["n", 20, 30, 3], axes=(1, 2)), ("NHWC", "RGB", 30, 20, "float32")),
        (means([1, 20, 30, 1], axes=(2, 3)), ("NHWC", "GRAY", 30, 20, "float32")),
        (means([1, 1, 20, 30], dtype=TensorProto.UINT8, axes=(1, 2)), ("NCHW", "GRAY", 30, 20, "uint8")),
        (means(["n", 3, 20, 30], dtype=TensorProto.FLOAT16, axes=(2, 3)), ("NCHW", "RGB", 30, 20, "float16")),
        (means(["n", 20, 30, 3], dtype=TensorProto.FLOAT16, axes=(1, 2)), ("NHWC", "RGB", 30, 20, "float16")),
    ],
)
def test_an_image_model_is_told_by_its_shape(model: bytes, taken: tuple[Any, ...]) -> None:
    spec, output = bare_specs(session(model))
    assert isinstance(spec, ImageInput)
    assert (spec.layout, spec.colour, spec.width, spec.height, spec.dtype) == taken
    assert isinstance(output, ClassificationOutput)
    assert output.kind == "logits"
    engine = Engine(model, spec, output)
    assert engine.predict(models.frame(200)).label in output.labels


def test_a_model_that_leaves_the_size_open_is_told_it() -> None:
    model = means(["n", 3, "h", "w"], axes=(2, 3))
    spec, output = bare_specs(session(model), size=(30, 20))
    assert isinstance(spec, ImageInput)
    assert (spec.width, spec.height, spec.shape) == (30, 20, (3, 20, 30))
    assert Engine(model, spec, output).predict(models.frame(200)).label in ("0", "1", "2")
    half = bare_specs(session(means(["n", "h", 30, 3], axes=(1, 2))), size=(30, 20))[0]
    assert isinstance(half, ImageInput)
    assert half.shape == (20, 30, 3)
    for fixed, says in ((means(["n", 3, 20, "w"], axes=(2, 3)), "not of the --size"), (tasks.signal().model, "--size")):
        with pytest.raises(InputInvalid, match=says):
            bare_specs(session(fixed), size=(20, 30))


def test_half_precision_gets_the_same_pixels() -> None:
    tensors = []
    for dtype in (TensorProto.FLOAT, TensorProto.FLOAT16):
        model = means(["n", 3, 8, 8], dtype=dtype, axes=(2, 3))
        tensors.append(Engine(model, *bare_specs(session(model), mean=(0.5,))).prepare(models.frame(200)).tensor)
    assert [tensor.dtype for tensor in tensors] == [np.float32, np.float16]
    np.testing.assert_allclose(tensors[1].astype(np.float32), tensors[0], atol=1e-3)


def test_scores_that_sum_to_one_get_no_softmax() -> None:
    assert bare_specs(session(means(["n", 3, 8, 8], softmax=True, axes=(2, 3))))[1] == ClassificationOutput(
        name="y", labels=("0", "1", "2"), kind="probabilities"
    )


def test_mean_and_std_are_taken_over() -> None:
    model = means(["n", 3, 8, 8], axes=(2, 3))
    spec, _ = bare_specs(session(model), mean=(0.4, 0.5, 0.6), std=(0.2,))
    assert isinstance(spec, ImageInput)
    assert (spec.scale, spec.mean, spec.std) == (1 / 255, (0.4, 0.5, 0.6), (0.2,))
    for mean, std in (((0.1, 0.2), None), (None, (0.0,))):
        with pytest.raises(InputInvalid, match="do not fit"):
            bare_specs(session(model), mean=mean, std=std)
    with pytest.raises(InputInvalid, match="uint8"):
        bare_specs(session(models.brightness_model()), mean=(0.5,))


@pytest.mark.parametrize(
    ("make", "taken", "given_"),
    [
        (tasks.signal, SignalInput, ClassificationOutput),
        (tasks.text_strings, TextInput, ClassificationOutput),
        (tasks.regression, ImageInput, RegressionOutput),
    ],
)
def test_other_models_are_told_where_they_can_be(make: Callable[[], tasks.TaskCase], taken: type, given_: type) -> None:
    case = make()
    spec, output = bare_specs(session(case.model))
    assert (type(spec), type(output)) == (taken, given_)
    Engine(case.model, spec, output).predict(case.examples[0][0])


def two_inputs() -> bytes:
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "aby"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", infos[:2], infos[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (tasks.detection().model, "many things"),
        (tasks.segmentation().model, "many things"),
        (tasks.text_codes().model, "many things"),
        (means(["n", 7, 8, 8], axes=(2, 3)), "many things"),
        (means(["n", 12], axes=(1,)), "many things"),
        (means(["n", 3, "h", "w"], axes=(2, 3)), "--size WIDTHxHEIGHT"),
        (means(["n", 3, 8, "w"], axes=(2, 3)), "--size WIDTHxHEIGHT"),
        (two_inputs(), "2 inputs and 1 outputs"),
        (models.failing_model(), "failed on a first input"),
    ],
)
def test_where_it_cannot_be_told_a_bundle_is_asked_for(model: bytes, says: str) -> None:
    with pytest.raises(ModelUnusable, match=says) as caught:
        bare_specs(session(model))
    assert "bundle" in caught.value.hint


def test_weights_in_another_file_are_refused_before_the_runtime_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.bin").write_bytes(bytes(8))
    prying = models.prying_model("weights.bin")
    # What is guarded against is real: the runtime opens the file, although the model was given as bytes.
    ort.InferenceSession(prying, _quiet(), providers=["CPUExecutionProvider"])
    with pytest.raises(ModelUnusable, match="another file"):
        open_session(prying, Tuning())


def _quiet() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def hidden(depth: int) -> bytes:
    """External data in a constant of a branch within branches."""
    tensor = onnx.TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="secret")
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    for _ in range(depth):
        graph = helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])])
        node = helper.make_node("If", ["yes"], ["c"], then_branch=graph, else_branch=graph)
    outer = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])])
    model = helper.make_model(outer, opset_imports=[helper.make_opsetid("", 21)])
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_it_is_found_however_deep_it_is_hidden(depth: int) -> None:
    with pytest.raises(ModelUnusable, match="another file"):
        refuse_external_data(hidden(depth))


def test_it_is_found_in_functions_and_sparse_tensors_too() -> None:
    node = onnx.load_from_string(hidden(0)).graph.node[0]
    function = helper.make_function("d", "f", [], ["c"], [node], [helper.make_opsetid("", 21)])
    model = onnx.load_from_string(models.brightness_model())
    model.functions.append(function)
    with pytest.raises(ModelUnusable, match="another file"):
        refuse_external_data(model.SerializeToString())
    model = onnx.load_from_string(models.vast_model())
    model.graph.sparse_initializer[0].values.MergeFrom(node.attribute[0].t)
    with pytest.raises(ModelUnusable, match="another file"):
        refuse_external_data(model.SerializeToString())


def test_a_name_with_that_word_in_it_is_no_reason() -> None:
    model = onnx.load_from_string(models.brightness_model())
    model.graph.node[0].name = "location"
    for tensor in model.graph.initializer:
        tensor.data_location = TensorProto.DEFAULT
    refuse_external_data(model.SerializeToString())
    open_session(model.SerializeToString(), Tuning())


@given(st.data())
def test_damaged_models_are_followed_or_refused_and_nothing_else(data: st.DataObject) -> None:
    body = bytearray(hidden(1))
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    try:
        refuse_external_data(bytes(body))
    except ModelUnusable:
        return
    # What it let pass has none, or is nothing that protobuf reads.
    try:
        model = onnx.load_from_string(bytes(body))
    except Exception:  # noqa: BLE001 - protobuf raises its own kinds
        return
    text = str(model)
    assert not ("data_location: EXTERNAL" in text and 'key: "location"' in text)
