"""Models as the listeners see them: every datatype, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from onnx import TensorProto

from edge_runtime.contracts.errors import InputInvalid, LinesideError, ModelUnusable
from edge_runtime.inference.declared import empty_inputs
from edge_runtime.serving import metadata
from edge_runtime.serving import model as served
from edge_runtime.serving.messages import InferRequest
from edge_runtime.serving.model import ServedModel, load_model
from edge_runtime.serving.tensors import DATATYPES
from tests.unit.serving import onnx_models as models


def sample(datatype: str) -> Any:
    """Two rows of what this datatype holds, its extremes among them."""
    dtype = DATATYPES[datatype].dtype
    if datatype == "BYTES":
        return np.array([["", "é\0"], ["a" * 300, "漢"]], object)
    if datatype == "BF16":
        return np.array([[1.5, -0.0], [np.inf, np.nan]], ml_dtypes.bfloat16).view(np.uint16)
    if dtype.kind == "f":
        return np.array([[np.finfo(dtype).max, -0.0], [np.inf, np.nan]], dtype)
    if dtype.kind == "b":
        return np.array([[True, False], [False, True]])
    return np.array([[np.iinfo(dtype).min, np.iinfo(dtype).max], [0, 1]], dtype)


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_goes_through(datatype: str) -> None:
    model = load_model("echo", "1", models.echo(datatype))
    wanted = sample(datatype)
    for rows in (wanted, wanted[:1], wanted[:0]):
        answer = model.infer(InferRequest({"x": rows}, id="7"))
        [(spec, array)] = answer.outputs
        assert (answer.model, answer.version, answer.id, spec.name, spec.datatype.name) == (
            "echo",
            "1",
            "7",
            "y",
            datatype,
        )
        np.testing.assert_array_equal(array, rows, strict=True)


def test_all_datatypes_in_one_model() -> None:
    """All but one: the runtime does not give BF16 where text goes in."""
    model = load_model("echoes", "1", models.echoes(*DATATYPES))
    inputs = {f"in_{datatype}": sample(datatype) for datatype in DATATYPES}
    carried = [name for name in DATATYPES if name != "BF16"]
    assert list(model.outputs) == [f"out_{name}" for name in carried]
    together = model.infer(InferRequest(inputs)).outputs
    for datatype, (_, array) in zip(carried, together, strict=True):
        np.testing.assert_array_equal(array, inputs[f"in_{datatype}"], strict=True)
        [(_, alone)] = model.infer(InferRequest(inputs, (f"out_{datatype}",))).outputs
        np.testing.assert_array_equal(alone, array, strict=True)


def test_bf16_goes_through_beside_all_others_but_text() -> None:
    datatypes = [name for name in DATATYPES if name != "BYTES"]
    model = load_model("echoes", "1", models.echoes(*datatypes))
    inputs = {f"in_{datatype}": sample(datatype) for datatype in datatypes}
    for wanted in ((), ("out_BF16",), ("out_FP32",), ("out_FP32", "out_BF16")):
        for spec, array in model.infer(InferRequest(inputs, wanted)).outputs:
            np.testing.assert_array_equal(array, inputs[spec.name.replace("out", "in")], strict=True)


def test_several_inputs_and_outputs_in_the_order_asked_for() -> None:
    model = load_model("pair", "1", models.parsed(models.PAIR))
    left, right = np.array([[5, 6, 7]], np.int32), np.array([[1, 2, 3]], np.int32)
    inputs = {"right": right, "left": left}
    asked = model.infer(InferRequest(inputs, ("difference", "sum"))).outputs
    assert [(spec.name, array.tolist()) for spec, array in asked] == [
        ("difference", [[4, 4, 4]]),
        ("sum", [[6, 8, 10]]),
    ]
    assert [spec.name for spec, _ in model.infer(InferRequest(inputs)).outputs] == ["sum", "difference"]
    assert model.rows(InferRequest({"left": np.zeros((4, 3)), "right": np.zeros((4, 3))})) == 4
    for request, complaint in (
        (InferRequest({"left": left}), "'right' of pair is missing"),
        (InferRequest({**inputs, "third": left}), "no input 'third'; the model has left, right"),
        (InferRequest(inputs, ("sum", "product")), "no output 'product'; it has sum, difference"),
        (InferRequest(inputs, ("sum", "sum")), "asked for twice"),
    ):
        with pytest.raises(InputInvalid, match=complaint):
            model.infer(request)


def test_sizes_of_one_name_may_differ_where_the_runtime_takes_them() -> None:
    body = models.parsed(models.PAIR)
    model, session = load_model("pair", "1", body), ort.InferenceSession(body, providers=["CPUExecutionProvider"])
    inputs = {"left": np.array([[1, 2, 3]], np.int32), "right": np.arange(6, dtype=np.int32).reshape(2, 3)}
    for (_, array), wanted in zip(model.infer(InferRequest(inputs)).outputs, session.run(None, inputs), strict=True):
        np.testing.assert_array_equal(array, wanted, strict=True)
    contradicting = {"left": np.zeros((3, 3), np.int32), "right": np.zeros((2, 3), np.int32)}
    told = r"pair cannot take this input: size 'n' is 3 in 'left' and 2 in 'right'; ."
    with pytest.raises(InputInvalid, match=told) as caught:
        model.infer(InferRequest(contradicting))
    assert "\n" not in caught.value.message


def test_inputs_for_which_the_model_has_a_value_may_come_or_not() -> None:
    body = models.with_defaults()
    model, session = load_model("scaled", "1", body), ort.InferenceSession(body, providers=["CPUExecutionProvider"])
    x, factor = np.array([1, 2], np.float32), np.array([5, 7], np.float32)
    cases: tuple[dict[str, npt.NDArray[np.generic]], ...] = (
        {"x": x},
        {"x": x, "factor": factor},
        {"times": np.array(3, np.int64), "x": x},
        {"factor": np.ones((3, 2, 2), np.float32)[0, :, 0], "times": np.array(2, np.int64), "x": x},
    )
    for inputs in cases:
        request = InferRequest(inputs)
        [(_, array)] = model.infer(request).outputs
        np.testing.assert_array_equal(array, session.run(None, inputs)[0], strict=True)
        assert model.rows(request) == 2
    assert model.expected_s(InferRequest({"x": x})) < math.inf
    assert model.expected_s(InferRequest({"x": x, "times": np.array(10**9)})) == math.inf, "it says how much is to do"
    with pytest.raises(InputInvalid, match="Input 'x' of scaled is missing"):
        model.infer(InferRequest({"factor": factor}))
    with pytest.raises(InputInvalid, match="no input 'y'; the model has x, factor, times"):
        model.infer(InferRequest({"x": x, "y": x}))


def test_an_input_with_a_value_of_its_own_may_be_bf16() -> None:
    model = load_model("scaled", "1", models.with_defaults(TensorProto.BFLOAT16))
    x, factor = (np.array(values, ml_dtypes.bfloat16).view(np.uint16) for values in ([1, 2], [5, 7]))
    [(_, array)] = model.infer(InferRequest({"x": x})).outputs
    assert array.view(ml_dtypes.bfloat16).tolist() == [10, 20]
    [(_, array)] = model.infer(InferRequest({"x": x, "factor": factor})).outputs
    assert array.view(ml_dtypes.bfloat16).tolist() == [5, 14]


def test_any_number_of_axes_is_told_from_a_single_number() -> None:
    for shape, any_rank in ((None, True), ([], False), (["n"], False)):
        model = load_model("echo", "1", models.echo("FP32", shape))
        for specs, side in ((model.inputs, "inputs"), (model.outputs, "outputs")):
            [spec] = specs.values()
            assert spec.any_rank == any_rank
            [described] = metadata.described_model(model)[side]
            assert described["shape"] == [-1] * len(shape or ())
            assert described.get("parameters") == ({"any_rank": True} if any_rank else None)
        assert "parameters" not in metadata.model_metadata(model)["inputs"][0], "gRPC has no word for it"


def test_a_failure_inside_the_model_is_one_plain_line() -> None:
    model = load_model("pick", "1", models.parsed(models.PICK))
    request = InferRequest({"values": np.zeros(2, np.float32), "places": np.array([9])})
    with pytest.raises(LinesideError, match=r"^.*pick (failed on|cannot take) this input: .*") as caught:
        model.infer(request)
    assert "\n" not in caught.value.message
    assert ".cc:" not in caught.value.message, "where that stands in the runtime's source helps nobody"
    good = InferRequest({"values": np.array([3, 4], np.float32), "places": np.array([1])})
    assert model.infer(good).outputs[0][1].tolist() == [4]


def test_outputs_that_are_no_tensors_are_left_out() -> None:
    model = load_model("pieces", "1", models.parsed(models.SEQUENCE))
    assert list(model.outputs) == ["same"]
    with pytest.raises(InputInvalid, match="no output 'pieces'"):
        model.infer(InferRequest({"values": np.zeros(2, np.float32)}, ("pieces",)))


def test_a_model_whose_tensors_no_request_can_carry_is_refused() -> None:
    with pytest.raises(ModelUnusable, match=r"Input 'x' of echo is a tensor\(float8e4m3fn\)"):
        load_model("echo", "1", models.echo("FLOAT8E4M3FN"))
    for kind, operator, made in (
        ("int4[n]", "DequantizeLinear(x, scale)", "float[n]"),
        ("seq(float[n])", "SequenceLength(x)", "int64"),
        ("optional(float[n])", "OptionalHasElement(x)", "bool"),
    ):
        text = models.UNCARRIED.format(kind=kind, operator=operator, made=made)
        with pytest.raises(ModelUnusable, match=r"Input 'x' of odd is a .*, which no request can carry"):
            load_model("odd", "1", models.parsed(text))
    with pytest.raises(ModelUnusable, match=r"No output of length .* beside text that goes in"):
        load_model("length", "1", models.parsed(models.TEXT_TO_BF16))
    with pytest.raises(ModelUnusable, match="refused the model"):
        load_model("echo", "1", b"no model")


def test_a_larger_input_is_expected_to_take_longer() -> None:
    model = load_model("echo", "1", models.echo("FP32"))
    assert 0 < model.run_s < math.inf
    one, many = (InferRequest({"x": np.zeros((rows, 1), np.float32)}) for rows in (1, 1000))
    assert model.expected_s(one) == model.run_s
    assert model.expected_s(many) == pytest.approx(1000 * model.run_s)


def test_who_is_slow_more_than_now_and_then_is_not_called_quick() -> None:
    model = load_model("echo", "1", models.echo("FP32"))
    request = InferRequest({"x": np.zeros((1, 1), np.float32)})
    for _ in range(20):
        for _ in range(served.STRIKES - 1):
            model.took(0.1, allowed_s=0.001)
        assert model.expected_s(request) < math.inf
        for _ in range(300):
            model.took(0.004, allowed_s=0.001)
    for _ in range(served.STRIKES):
        model.took(0.1, allowed_s=0.001)
    assert model.expected_s(request) == math.inf


def test_a_model_that_cannot_run_on_a_blank_is_served_by_workers() -> None:
    class Choosy(models.HeldSession):
        def run(self, names: Any, feeds: Any, options: Any) -> Any:
            if not feeds["x"].any():
                raise RuntimeError("all zero")
            return super().run(names, feeds, options)

    model = ServedModel("choosy", "1", Choosy())
    assert model.run_s == math.inf
    assert model.infer(InferRequest({"x": np.ones(1, np.float32)})).outputs[0][1].tolist() == [1]


@pytest.mark.parametrize(
    ("operator", "where"),
    [
        ("LSTM", "graph"),
        ("GRU", "graph"),
        ("DynamicQuantizeLSTM", "graph"),
        ("AttnLSTM", "graph"),
        ("LSTM", "loop"),
        ("GRU", "function"),
    ],
)
def test_empty_input_is_refused_where_the_runtime_would_end_the_process(operator: str, where: str) -> None:
    weights = models.recurrent(operator, where)
    # Asked first: without the refusal there would be nobody left to say so.
    assert empty_inputs(weights) == "refused"
    model = load_model("step", "1", weights)
    for shape in ((2, 0, 3), (0, 1, 3)):
        with pytest.raises(InputInvalid, match=r"Input 'x' came with shape \[.*, which is empty; step has an operator"):
            model.infer(InferRequest({"x": np.zeros(shape, np.float32)}))
    [(_, array)] = model.infer(InferRequest({"x": np.zeros((2, 1, 3), np.float32)})).outputs
    assert array.size


@pytest.mark.parametrize("operator", ["MultiHeadAttention", "GroupQueryAttention", "QAttention"])
def test_attention_takes_an_empty_past_and_nothing_else_that_is_empty(operator: str) -> None:
    weights = models.attention(operator)
    assert empty_inputs(weights) == "a past"
    model = load_model("reader", "1", weights)

    def feeds(batch: int, sequence: int) -> dict[str, Any]:
        sizes = {"batch": batch, "sequence": sequence, "past": 0}
        types = {"FP32": np.float32, "UINT8": np.uint8, "INT32": np.int32}
        return {
            name: np.ones([sizes.get(str(size), size) for size in spec.shape], types[spec.datatype.name])
            for name, spec in model.inputs.items()
        }

    for batch, sequence in ((0, 2), (1, 0)):
        with pytest.raises(InputInvalid, match=r"which is empty; reader has an operator"):
            model.infer(InferRequest(feeds(batch, sequence)))
    assert model.infer(InferRequest(feeds(1, 2))).outputs[0][1].shape == (1, 2, 32)


def test_other_models_answer_empty_input_as_the_runtime_does() -> None:
    weights = models.recurrent("RNN")
    empty = np.zeros((2, 0, 3), np.float32)
    [(_, array)] = load_model("step", "1", weights).infer(InferRequest({"x": empty})).outputs
    [wanted] = ort.InferenceSession(weights).run(None, {"x": empty})
    np.testing.assert_array_equal(array, wanted, strict=True)
