"""Values and bytes of tensors, good and hostile."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving.tensors import (
    DATATYPES,
    MAX_ELEMENTS,
    MAX_STRINGS,
    Datatype,
    TensorSpec,
    check_shape,
    from_raw,
    from_values,
    to_raw,
    to_values,
)

NUMBERS = [each for each in DATATYPES.values() if each.name != "BYTES"]
FREE: tuple[str, str] = ("n", "m")
SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5)
TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=12)


def spec(datatype: str, shape: tuple[int | str | None, ...] = FREE) -> TensorSpec:
    return TensorSpec("x", DATATYPES[datatype], shape)


def finite(datatype: Datatype) -> st.SearchStrategy[Any]:
    """Arrays of this type without what JSON cannot say."""
    if datatype.name == "BF16":
        exact = arrays.arrays(np.uint16, SHAPES)
        return exact.filter(lambda bits: not ((bits & 0x7F80) == 0x7F80).any())
    if datatype.dtype.kind != "f":
        return arrays.arrays(datatype.dtype, SHAPES)
    elements = arrays.from_dtype(datatype.dtype, allow_nan=False, allow_infinity=False)
    return arrays.arrays(datatype.dtype, SHAPES, elements=elements)


@given(data=st.data())
def test_numbers_survive_bytes_and_values(data: st.DataObject) -> None:
    datatype = data.draw(st.sampled_from(NUMBERS))
    array = data.draw(finite(datatype))
    back = from_raw(spec(datatype.name), array.shape, bytes(to_raw(datatype, array)))
    np.testing.assert_array_equal(back, array, strict=True)
    flat = to_values(datatype, array)
    np.testing.assert_array_equal(from_values(spec(datatype.name), array.shape, flat), array, strict=True)
    np.testing.assert_array_equal(
        from_values(spec(datatype.name), array.shape, np.array(flat, object).reshape(array.shape).tolist()), array
    )


@given(TEXTS)
def test_strings_are_what_tritons_client_makes_of_them(texts: list[str]) -> None:
    wanted = np.array([text.encode() for text in texts], object)
    theirs = serialize_byte_tensor(wanted)
    raw = theirs.item() if theirs.size else b""
    array = from_raw(spec("BYTES", ("n",)), [len(texts)], raw)
    assert array.tolist() == texts
    ours = bytes(to_raw(DATATYPES["BYTES"], array))
    assert ours == raw
    assert [each.decode() for each in deserialize_bytes_tensor(ours)] == texts


@given(st.binary(max_size=40), st.integers(0, 6))
def test_bytes_that_are_no_strings_are_refused_or_read_to_the_end(raw: bytes, count: int) -> None:
    try:
        array = from_raw(spec("BYTES", ("n",)), [count], raw)
    except InputInvalid:
        return
    assert bytes(to_raw(DATATYPES["BYTES"], array)) == raw


def test_a_string_may_not_claim_more_than_there_is() -> None:
    for raw, count in (
        (struct.pack("<I", 2**32 - 1) + b"a", 1),
        (struct.pack("<I", 2) + b"a", 1),
        (b"\0\0\0", 1),
        (b"", MAX_STRINGS),
        (b"", MAX_ELEMENTS),
    ):
        with pytest.raises(InputInvalid, match=r"cut off|cannot hold|at most"):
            from_raw(spec("BYTES", ("n",)), [count], raw)
    with pytest.raises(InputInvalid, match="not UTF-8"):
        from_raw(spec("BYTES", ("n",)), [1], struct.pack("<I", 1) + b"\xff")
    with pytest.raises(InputInvalid, match="1 bytes too many"):
        from_raw(spec("BYTES", ("n",)), [1], struct.pack("<I", 0) + b"x")


def test_a_tensor_has_so_many_strings_and_no_more() -> None:
    for count, at_most in ((MAX_STRINGS, True), (MAX_STRINGS + 1, False)):
        raw = struct.pack("<I", 0) * count
        if at_most:
            assert from_raw(spec("BYTES", ("n",)), [count], raw).shape == (count,)
        else:
            with pytest.raises(InputInvalid, match="at most 262144 are taken"):
                from_raw(spec("BYTES", ("n",)), [count], raw)


def test_an_unaligned_tensor_is_read_all_the_same() -> None:
    wanted = np.arange(6, dtype=np.float64).reshape(2, 3)
    block = b"x" + wanted.tobytes()
    array = from_raw(spec("FP64"), [2, 3], memoryview(block)[1:])
    assert array.flags.aligned
    np.testing.assert_array_equal(array, wanted)


def test_an_aligned_tensor_is_not_copied() -> None:
    block = np.arange(6, dtype=np.float32)
    array = from_raw(spec("FP32"), [2, 3], block.data.cast("B"))
    assert np.shares_memory(array, block)
    assert np.shares_memory(np.frombuffer(to_raw(DATATYPES["FP32"], array), np.float32), block)


@pytest.mark.parametrize(
    ("wanted", "given_shape"),
    [
        (("n", 3), [1]),
        (("n", 3), [1, 4]),
        (("n", 3), [-1, 3]),
        ((2, 2), [4]),
        ((2, 2), [2**63 - 1, 2]),
    ],
)
def test_a_shape_that_is_not_the_models_is_refused(wanted: tuple[int | str, ...], given_shape: list[int]) -> None:
    with pytest.raises(InputInvalid, match="has shape"):
        check_shape(spec("FP32", wanted), given_shape)


@pytest.mark.parametrize(
    ("wanted", "given_shape"),
    [
        (("n", 3), [2**31 + 1, 3]),
        (("n", 1, 8, 8), [2**63 - 1, 1, 8, 8]),
        (("n", "m"), [2**16, 2**16]),
        (("n", "m", "k"), [0, 2**31, 2**31]),
    ],
)
def test_a_shape_that_is_too_large_is_not_called_another_one(
    wanted: tuple[int | str, ...], given_shape: list[int]
) -> None:
    with pytest.raises(InputInvalid, match=r"came with shape \[.*at most 2147483648 values"):
        check_shape(spec("FP32", wanted), given_shape)


def test_a_model_that_says_nothing_of_its_shape_takes_any() -> None:
    assert check_shape(spec("FP32", ()), [2, 5]) == 10
    assert check_shape(spec("FP32", ()), []) == 1
    assert from_values(spec("FP32", ()), [], [2.5]).item() == 2.5


@pytest.mark.parametrize("datatype", NUMBERS, ids=lambda each: each.name)
def test_too_few_or_too_many_bytes_are_refused(datatype: Datatype) -> None:
    size = 6 * datatype.dtype.itemsize
    for length in (0, size - 1, size + 1):
        with pytest.raises(InputInvalid, match=f"takes {size} bytes; {length} came"):
            from_raw(spec(datatype.name), [2, 3], bytes(length))


def test_a_bool_is_zero_or_one() -> None:
    with pytest.raises(InputInvalid, match="0 or 1"):
        from_raw(spec("BOOL"), [1, 2], b"\x01\x02")


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("UINT8", [256]),
        ("UINT8", [-1]),
        ("INT64", [2**63]),
        ("UINT64", [-1]),
        ("FP16", [65520.0]),
        ("FP32", [3.5e38]),
        ("BF16", [3.4e38]),
    ],
)
def test_a_number_that_does_not_fit_is_refused(datatype: str, values: list[Any]) -> None:
    with pytest.raises(InputInvalid, match="does not fit"):
        from_values(spec(datatype, ("n",)), [len(values)], values)


@pytest.mark.parametrize("datatype", ["FP32", "BYTES"])
@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ([2, 2], [1, 2, 3]),
        ([2, 2], [[1, 2], [3]]),
        ([2, 1], [[1], [2, 3]]),
        ([1, 2], [[1], [2]]),
        ([2, 2], [[1, 2, 3, 4]]),
        ([2, 2], [[[1, 2], [3, 4]]]),
        ([1, 1], []),
    ],
)
def test_values_of_another_shape_are_refused(datatype: str, shape: list[int], values: list[Any]) -> None:
    def worded(value: Any) -> Any:
        return [worded(each) for each in value] if isinstance(value, list) else str(value)

    with pytest.raises(InputInvalid):
        from_values(spec(datatype), shape, worded(values) if datatype == "BYTES" else values)


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ([1, 1], [[["a"]]]),
        ([1, 1], [[[]]]),
        ([1, 2], [[["a", "b"]]]),
        ([2], [["a"], ["b"]]),
        ([1], [[[["a"]]]]),
        ([], [["a"]]),
        ([], [[]]),
        ([0], [[]]),
        ([1, 0], [[[]]]),
    ],
    ids=str,
)
def test_strings_that_are_nested_too_deeply_are_refused(shape: list[int], values: list[Any]) -> None:
    free = spec("BYTES", ("n",) * len(shape))
    with pytest.raises(InputInvalid, match="nested in that shape"):
        from_values(free, shape, values)


@given(TEXTS.filter(bool))
def test_strings_may_be_flat_or_nested(texts: list[str]) -> None:
    column = [[text] for text in texts]
    for values in (texts, column):
        assert from_values(spec("BYTES"), [len(texts), 1], values).tolist() == column
    assert from_values(spec("BYTES", ()), [], texts[:1]).item() == texts[0]
    assert from_values(spec("BYTES"), [len(texts), 0], [[] for _ in texts]).size == 0


def test_what_json_cannot_say_is_not_said() -> None:
    for datatype, array in (
        ("FP32", np.array([1, np.nan], np.float32)),
        ("FP16", np.array([np.inf], np.float16)),
        ("BF16", np.array([0x7F80], np.uint16)),
    ):
        with pytest.raises(InputInvalid, match="ask for binary"):
            to_values(DATATYPES[datatype], array)


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_bf16_is_rounded_as_others_do(array: np.ndarray[Any, Any]) -> None:
    ours = from_values(spec("BF16"), [3, 4], array.reshape(-1).tolist())
    np.testing.assert_array_equal(ours, array.astype(ml_dtypes.bfloat16).view(np.uint16))


def test_text_is_written_without_many_copies() -> None:
    array = np.array([f"{place:07}" for place in range(50_000)], object)
    tracemalloc.start()
    try:
        raw = to_raw(DATATYPES["BYTES"], array)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(raw) == 11 * array.size
    assert peak < 3 * len(raw)
