"""Inputs made up from what a model declares, for when nothing is known about it but its file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import InputInvalid

MAX_EXAMPLE_ELEMENTS = 2**27
_SIDE = 224
_LENGTH = 128
_TILE = 32
# What image classifiers are usually trained with; a uint8 model that normalises in its graph then sees the same image.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SHAPE_HINT = "Give the input's name, and a size for each of its axes that fits what the model declares."
_DTYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}

Array = npt.NDArray[Any]


class Declared(Protocol):
    """An input as ONNX Runtime describes it."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> list[int | str | None]: ...


def example_feeds(
    inputs: Sequence[Declared],
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    batch: int = 1,
    seed: int = 0,
) -> dict[str, Array]:
    """One input for the model, the same for the same seed.

    Images are smooth random pictures, other floats normal, other integers 0 or 1, so that they are valid wherever
    they serve as an index or as a mask.

    :param shapes: of the inputs whose open sizes are not to be guessed.
    :param batch: length of the first axis where that is open.
    :raises InputInvalid: an input is no tensor, or the given shape is not one of its own.
    """
    given = dict(shapes or {})
    feeds = {declared.name: _example(declared, given.pop(declared.name, None), batch, seed) for declared in inputs}
    if given:
        raise InputInvalid(
            f"The model has no input {next(iter(given))!r}; its inputs are {', '.join(feeds)}.", hint=_SHAPE_HINT
        )
    return feeds


def has_open_batch(inputs: Sequence[Declared], shapes: Mapping[str, tuple[int, ...]] | None = None) -> bool:
    """Whether several samples may go into one run: the first axis of every input is open and was not given."""
    return bool(inputs) and all(
        bool(declared.shape) and not isinstance(declared.shape[0], int) and declared.name not in (shapes or {})
        for declared in inputs
    )


def concrete_shape(declared: Sequence[int | str | None], given: tuple[int, ...] | None, batch: int) -> tuple[int, ...]:
    """A shape without open sizes.

    :raises InputInvalid: ``given`` contradicts what is declared.
    """
    if given is not None:
        fits = len(given) == len(declared) and all(
            not isinstance(size, int) or size == wanted for size, wanted in zip(declared, given, strict=True)
        )
        if not fits:
            raise InputInvalid(
                f"The model declares {_words(declared)}; {_words(given)} does not fit.", hint=_SHAPE_HINT
            )
        return given
    shape = []
    for axis, size in enumerate(declared):
        if isinstance(size, int):
            shape.append(size)
        elif axis == 0:
            shape.append(batch)
        elif len(declared) == 4:
            shape.append(3 if axis == 1 else _SIDE)
        else:
            shape.append(_LENGTH)
    return tuple(shape)


def _example(declared: Declared, given: tuple[int, ...] | None, batch: int, seed: int) -> Array:
    dtype = _DTYPES.get(declared.type)
    if dtype is None:
        raise InputInvalid(
            f"The input {declared.name!r} is a {declared.type}, for which no example can be made up.",
            hint="The model may be served all the same; measure a variant of it with inputs of another type.",
        )
    shape = concrete_shape(declared.shape, given, batch)
    if math.prod(shape) > MAX_EXAMPLE_ELEMENTS:
        raise InputInvalid(
            f"The input {declared.name!r} would have {math.prod(shape)} elements; give a smaller shape.",
            hint=_SHAPE_HINT,
        )
    rng = np.random.default_rng(seed)
    if dtype is np.object_:
        return np.full(shape, "a line of text", dtype)
    if len(shape) == 4 and dtype in (np.uint8, np.float32, np.float16, np.float64):
        return _picture(shape, dtype, rng)
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(shape).astype(dtype)
    if dtype is np.bool_:
        return np.ones(shape, dtype)
    return rng.integers(0, 2, shape).astype(dtype)


def _picture(shape: tuple[int, ...], dtype: Any, rng: np.random.Generator) -> Array:
    """NCHW, pixels 0 to 255; floats are normalised."""
    rows, columns = (-(-size // _TILE) for size in shape[2:])
    coarse = rng.uniform(0, 255, (*shape[:2], rows, columns))
    smooth = coarse.repeat(_TILE, axis=2).repeat(_TILE, axis=3)[:, :, : shape[2], : shape[3]]
    pixels = np.clip(smooth + rng.normal(0, 4, shape), 0, 255).astype(np.uint8)
    if dtype is np.uint8:
        return pixels
    mean, std = (_MEAN, _STD) if shape[1] == 3 else ((0.5,), (0.5,))
    per_channel = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (mean, std))
    offset, factor = per_channel
    return np.ascontiguousarray(((pixels.astype(np.float32) / 255 - offset) / factor).astype(dtype))


def _words(shape: Sequence[object]) -> str:
    return "×".join("?" if size is None else str(size) for size in shape) or "a single number"
