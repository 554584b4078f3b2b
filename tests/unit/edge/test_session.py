"""Sessions: providers are used where they work, and the processor where they do not, with the reason said."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.inference import session as session_module
from edge_runtime.inference.examples import concrete_shape, example_feeds, has_open_batch
from edge_runtime.inference.providers import CPU, TRAITS, candidates, chain, short_name, shortfall
from edge_runtime.inference.session import Tuning, first_run, open_model, open_session, reason_of
from tests.fakes import models

CUDA, TENSORRT, AZURE = "CUDAExecutionProvider", "TensorrtExecutionProvider", "AzureExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"


@given(st.lists(st.sampled_from([*TRAITS, AZURE, "NewExecutionProvider"]), unique=True))
def test_candidates_are_what_is_there_with_the_processor_last(available: list[str]) -> None:
    found = candidates(available)
    assert found[-1] == CPU
    assert len(set(found)) == len(found)
    assert set(found) == {*available, CPU} - {AZURE}
    known = [name for name in found if name in TRAITS]
    assert known == sorted(known, key=list(TRAITS).index)


def test_a_chain_ends_at_the_processor_and_carries_options() -> None:
    assert chain(CPU, [CPU], 1) == [(CPU, {})]
    assert chain(TENSORRT, [TENSORRT, CUDA, CPU], 1) == [(TENSORRT, {}), (CUDA, {}), (CPU, {})]
    assert chain(TENSORRT, [TENSORRT, CPU], 1) == [(TENSORRT, {}), (CPU, {})]
    assert chain(OPENVINO, [OPENVINO, CPU], 3) == [(OPENVINO, {"num_of_threads": "3"}), (CPU, {})]
    assert chain("NewExecutionProvider", [], 1)[0] == ("NewExecutionProvider", {})


@pytest.mark.parametrize(
    ("active", "nodes", "says"),
    [
        ([CUDA, CPU], {CUDA: 9, CPU: 1}, None),
        ([CUDA, CPU], None, None),
        ([CPU], {CPU: 10}, "left cuda out"),
        ([CUDA, CPU], {CPU: 10}, "none of the model's nodes"),
    ],
)
def test_a_provider_that_does_not_do_the_work_is_noticed(
    active: list[str], nodes: dict[str, int] | None, says: str | None
) -> None:
    problem = shortfall(CUDA, active, nodes)
    assert problem is None if says is None else says in str(problem)


def test_onnx_runtime_tells_who_took_the_nodes() -> None:
    """A provider that is there and takes nothing: what the look at the nodes is for."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = ort.InferenceSession(models.brightness_model(), options, providers=[AZURE, CPU])
    assert session.get_providers() == [AZURE, CPU]
    nodes = session_module._nodes(session)
    assert nodes is not None
    assert nodes[CPU] > 0
    assert shortfall(AZURE, session.get_providers(), nodes) == "azure takes none of the model's nodes"


def test_a_provider_that_is_not_built_in_gives_way(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        opened = open_model(models.brightness_model(), Tuning(provider=TENSORRT), available=[CPU])
    assert (opened.provider, opened.fallback) == (CPU, "this onnxruntime has no tensorrt")
    assert "instead of tensorrt: this onnxruntime has no tensorrt" in caplog.text
    assert opened.session.run(None, {"frame": np.full((1, 1, 8, 8), 200, np.uint8)})[0].argmax() == 1


def test_onnx_runtimes_own_silence_is_noticed() -> None:
    """It makes a session without the provider, and does not call that an error."""
    with pytest.warns(UserWarning, match="not in available provider names"):
        opened = open_model(models.brightness_model(), Tuning(provider=OPENVINO), available=[OPENVINO, CPU])
    assert opened.provider == CPU
    assert "left openvino out" in str(opened.fallback)


def test_a_provider_that_cannot_be_made_gives_way() -> None:
    with pytest.warns(UserWarning, match="not in available provider names"):
        opened = open_model(models.brightness_model(), Tuning(provider="No-such"), available=["No-such", CPU])
    assert opened.provider == CPU
    assert "Unknown Provider Type: No-such" in str(opened.fallback)


def test_a_first_run_that_fails_is_a_reason() -> None:
    bad, good = open_session(models.failing_model(), Tuning()), open_session(models.brightness_model(), Tuning())
    problem = first_run(lambda feeds: bad.run(None, feeds), lambda: example_feeds(bad.get_inputs()))
    assert "cannot be reshaped" in str(problem)
    assert first_run(lambda feeds: good.run(None, feeds), lambda: example_feeds(good.get_inputs())) is None

    def no_example() -> dict[str, Any]:
        raise InputInvalid("a sequence")

    assert first_run(lambda _feeds: 1 / 0, no_example) is None


def test_the_processor_is_asked_for_as_it_is() -> None:
    opened = open_model(models.brightness_model(), Tuning(threads=1))
    assert (opened.provider, opened.fallback) == (CPU, None)
    with pytest.raises(ModelUnusable, match="refused the model of 4 bytes"):
        open_session(b"junk", Tuning())
    with pytest.raises(ModelUnusable):
        open_model(b"junk", Tuning(provider=CUDA), available=[CPU])


def test_a_reason_is_one_line_without_source_places() -> None:
    place = "/onnxruntime/python/state.cc:1053 std::shared_ptr<X> create(const A&, B&) Invalid option\nmore"
    assert reason_of(RuntimeError(place)) == "Invalid option"
    assert reason_of(RuntimeError("")) == "RuntimeError"


_NODE = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node. Name:'' Status Message: "
)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            _NODE + "/src/core/providers/cpu/tensor/reshape_helper.h:49 onnxruntime::ReshapeHelper::"
            "ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) requested_shape_size"
            " != 0 && (input_shape_size % requested_shape_size) == 0 was false. The input tensor cannot be reshaped to "
            "the requested shape. Input shape:{5,4}, requested shape:{-1,3}\n",
            "The input tensor cannot be reshaped to the requested shape. Input shape:{5,4}, requested shape:{-1,3}",
        ),
        (
            _NODE + "/src/core/framework/op_kernel.cc:83 virtual OrtValue* onnxruntime::OpKernelContext::OutputMLValue("
            "int, const onnxruntime::TensorShape&) [ONNXRuntimeError] : 1 : FAIL : tensor.cc:57 "
            "CalculateTensorStorageSize Tensor shape.Size() must be >= 0",
            "Tensor shape.Size() must be >= 0",
        ),
        (
            "/src/ort_value.h:97 const T& OrtValue::Get() const [with T = TensorSeq] IsIt() was false. Trying it",
            "Trying it",
        ),
        (_NODE + "indices element out of data bounds, idx=9", "indices element out of data bounds, idx=9"),
        ("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions", "Got invalid dimensions"),
        ("x" * 400, "x" * 300),
    ],
)
def test_a_reason_is_what_a_person_understands(said: str, reason: str) -> None:
    assert reason_of(RuntimeError(said)) == reason
    assert short_name(CUDA) == "cuda"


def test_runs_that_must_not_meet_wait_for_each_other() -> None:
    inside, most = [], []
    together = threading.Barrier(2)

    def run(number: int) -> int:
        inside.append(number)
        most.append(len(inside))
        try:
            together.wait(0.05)
        except threading.BrokenBarrierError:
            together.reset()
        inside.pop()
        return number

    alone = session_module._one_at_a_time(run)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(alone, range(2))) == [0, 1]
    assert max(most) == 1


# -- made-up inputs


class Input:
    def __init__(self, name: str, kind: str, shape: list[int | str | None]) -> None:
        self.name, self.type, self.shape = name, f"tensor({kind})", shape


@pytest.mark.parametrize(
    ("kind", "shape", "made", "dtype"),
    [
        ("float", ["n", 3, 32, 48], (2, 3, 32, 48), np.float32),
        ("uint8", [None, "c", "h", "w"], (2, 3, 224, 224), np.uint8),
        ("float16", [1, 1, 8, 8], (1, 1, 8, 8), np.float16),
        ("double", ["n", 7], (2, 7), np.float64),
        ("int64", ["n", "tokens"], (2, 128), np.int64),
        ("bool", [4], (4,), np.bool_),
        ("string", ["n", 1], (2, 1), np.object_),
        ("float", [], (), np.float32),
    ],
)
def test_an_input_is_made_from_its_declaration(kind: str, shape: list[Any], made: tuple[int, ...], dtype: Any) -> None:
    given = Input("x", kind, shape)
    array = example_feeds([given], batch=2)["x"]
    assert (array.shape, array.dtype) == (made, dtype)
    again = example_feeds([given], batch=2)["x"]
    assert np.array_equal(array, again)
    if array.dtype.kind == "i":
        assert set(np.unique(array)) <= {0, 1}


def test_pictures_differ_by_seed_and_are_the_same_in_both_flavours() -> None:
    def picture(kind: str, seed: int) -> np.ndarray:
        return example_feeds([Input("x", kind, [1, 3, 40, 50])], seed=seed)["x"]

    pixels, floats = picture("uint8", 1), picture("float", 1)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (pixels / 255 - mean.reshape(1, 3, 1, 1)) / std.reshape(1, 3, 1, 1)
    np.testing.assert_allclose(floats, expected, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(pixels, picture("uint8", 2))


def test_shapes_may_be_given() -> None:
    open_size = Input("x", "float", ["n", 3, "h", "w"])
    assert example_feeds([open_size], shapes={"x": (4, 3, 9, 9)})["x"].shape == (4, 3, 9, 9)
    for wrong in ((4, 3, 9), (4, 1, 9, 9)):
        with pytest.raises(InputInvalid, match="does not fit"):
            example_feeds([open_size], shapes={"x": wrong})
    with pytest.raises(InputInvalid, match="no input 'y'"):
        example_feeds([open_size], shapes={"y": (1,)})
    with pytest.raises(InputInvalid, match="no example can be made up"):
        example_feeds([Input("x", "float", [1]), Input("s", "sequence", [])][1:])
    with pytest.raises(InputInvalid, match="give a smaller shape"):
        example_feeds([open_size], shapes={"x": (2**20, 3, 2**10, 2**10)})


@given(st.lists(st.one_of(st.integers(1, 9), st.none(), st.sampled_from(["n", "h"])), max_size=5), st.integers(1, 8))
def test_a_made_up_shape_always_fits_what_is_declared(declared: list[Any], batch: int) -> None:
    shape = concrete_shape(declared, None, batch)
    assert concrete_shape(declared, shape, batch) == shape
    assert all(size >= 1 for size in shape)


def test_the_batch_is_open_where_all_inputs_have_one() -> None:
    left, right = Input("a", "float", ["n", 2]), Input("b", "float", [1, 2])
    assert has_open_batch([left])
    assert not has_open_batch([left, right])
    assert not has_open_batch([left], {"a": (1, 2)})
    assert not has_open_batch([])
