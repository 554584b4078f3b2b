from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from cloud_sync.recipes.base import Arrays, Exported, Trained
from cloud_sync.release.quantize import METHOD, quantize
from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.inference.engine import Engine
from tests.unit.bursts.frames import render_frames

BATCH = 32
SHA = "ab" * 32


def batches(frames: np.ndarray) -> list[np.ndarray]:
    return [frames[at : at + BATCH] for at in range(0, len(frames), BATCH)]


def test_int8_agrees_with_fp32_on_frames_it_has_not_seen(trained: Trained, exported: Exported) -> None:
    int8, facts = quantize(exported.model, batches(trained.calibration), dataset=SHA)

    right = dict.fromkeys(("fp32", "int8"), 0)
    unseen = render_frames(300, seed=99)
    engines = {
        "fp32": Engine(exported.model, exported.input, exported.output),
        "int8": Engine(int8, exported.input, exported.output),
    }
    for frame in unseen:
        for name, engine in engines.items():
            right[name] += engine.predict(frame.data).label == frame.label
    assert right["fp32"] >= 0.9 * len(unseen)
    assert right["fp32"] - right["int8"] <= 0.01 * len(unseen)
    assert len(int8) < len(exported.model) / 2
    assert (facts.method, facts.calibration_dataset, facts.float_nodes) == (METHOD, SHA, ())
    assert facts.calibration_samples == len(trained.calibration)


def test_weights_are_int8_per_channel_and_activations_uint8(trained: Trained, exported: Exported) -> None:
    model = onnx.load_from_string(quantize(exported.model, batches(trained.calibration))[0])
    onnx.checker.check_model(model)
    assert model.ir_version == 10
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 21)]
    constants = {item.name: item for item in model.graph.initializer}
    kinds = {constants[node.input[2]].data_type for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert kinds == {onnx.TensorProto.UINT8}
    convolutions = [
        constants[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in constants and len(constants[node.input[0]].dims) == 4
    ]
    assert len(convolutions) == 4
    assert {weights.data_type for weights in convolutions} == {onnx.TensorProto.INT8}
    scales = {
        node.input[0]: constants[node.input[1]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[1] in constants
    }
    assert all(list(scales[weights.name].dims) == [weights.dims[0]] for weights in convolutions)


def test_a_layer_that_int8_ruins_stays_in_fp32() -> None:
    """The head's answers differ by little and lie far from zero: 256 steps cannot tell them apart."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weights = np.asarray([1.0, -1.0], np.float32).reshape(2, 1, 1, 1)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["raw"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Conv", ["raw", "weights", "offsets"], ["planes"], name="first"),
            helper.make_node("GlobalAveragePool", ["planes"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("Gemm", ["features", "mix", "far"], ["logits"], name="head"),
        ],
        "narrow",
        [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["batch", 1, 4, 4])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.asarray([-127.5, 127.5], np.float32), "offsets"),
            numpy_helper.from_array(np.eye(2, dtype=np.float32), "mix"),
            numpy_helper.from_array(np.full(2, 1e5, np.float32), "far"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    draw = np.random.default_rng(0)
    frames = np.repeat(draw.choice([20, 90, 160, 230], (128, 1, 1, 1)), 16, 3).reshape(128, 1, 4, 4).astype(np.uint8)

    int8, facts = quantize(model, batches(frames))

    assert facts.float_nodes == ("head",)
    sessions = [ort.InferenceSession(body, providers=["CPUExecutionProvider"]) for body in (model, int8)]
    fp32, mixed = (session.run(None, {"image": frames})[0].argmax(1) for session in sessions)
    assert (fp32 == mixed).mean() >= 0.99


def test_nothing_to_calibrate_with_is_refused(exported: Exported) -> None:
    with pytest.raises(InputInvalid, match="calibrate"):
        quantize(exported.model, [])


@pytest.mark.parametrize("damage", ["truncated", "noise", "empty"])
def test_a_file_that_is_no_model_is_refused(exported: Exported, trained: Trained, damage: str) -> None:
    body = {"truncated": exported.model[:1000], "noise": b"\x00\xff" * 500, "empty": b""}[damage]
    with pytest.raises(ModelUnusable):
        quantize(body, batches(trained.calibration))


def test_frames_of_another_size_are_refused(exported: Exported) -> None:
    with pytest.raises(ModelUnusable):
        quantize(exported.model, [np.zeros((8, 3, 32, 32), np.uint8)])


def test_it_leaves_no_files(
    exported: Exported, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    quantize(exported.model, batches(trained.calibration[:32]))
    assert list(tmp_path.iterdir()) == []


def test_weights_go_round_as_an_npz_without_pickle(trained: Trained) -> None:
    from cloud_sync.recipes.base import pack_arrays

    with np.load(io.BytesIO(pack_arrays(trained.weights)), allow_pickle=False) as archive:
        loaded: Arrays = {name: archive[name] for name in archive.files}
    assert loaded.keys() == trained.weights.keys()
    assert all(np.array_equal(loaded[name], trained.weights[name]) for name in loaded)
