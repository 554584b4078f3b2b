"""From what a source gives to the model's input tensor, for every kind of input."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import ImageInput, InputSpec, SignalInput, TextInput
from edge_runtime.inference.preprocess import Image, View, decode_image, to_tensor, view_of
from edge_runtime.inference.signals import read_signal
from edge_runtime.inference.texts import read_text


@dataclass(frozen=True, slots=True)
class Prepared:
    """One input, ready for the model."""

    tensor: npt.NDArray[Any]
    """With the batch's axis in front, of length 1."""
    image: Image | None = None
    """What was decoded, where it is an image: for its health and for telling scenes apart."""
    view: View | None = None
    """Where the frame lies in the tensor, where it is an image."""
    decoded_ns: int = 0
    """``time.perf_counter_ns()`` between decoding and making the tensor; 0 where that is one step."""


def fits(shape: Sequence[Any], wanted: Sequence[int]) -> bool:
    """Whether a model's input takes one input of this shape; what it leaves open (a name, or nothing) takes any size.

    :param shape: ONNX Runtime's words for it, with the batch's axis in front.
    :param wanted: without the batch's axis.
    """
    if len(shape) != len(wanted) + 1:
        return False
    return all(not isinstance(has, int) or has == must for has, must in zip(shape, (1, *wanted), strict=True))


def _check(what: str, shape: Sequence[Any], dtype: str, wanted: Sequence[int], type_: str) -> None:
    if not fits(shape, wanted):
        size = "×".join(map(str, wanted))
        raise ModelUnusable(f"The manifest's input is {what} of {size}, one at a time; the model's is {list(shape)}.")
    if dtype != f"tensor({type_})":
        raise ModelUnusable(f"The manifest's input is {what} of {type_}; the model takes {dtype}.")


class Reader(Protocol):
    """Makes tensors; safe to call from several threads."""

    def check(self, shape: list[Any], dtype: str) -> None:
        """:raises ModelUnusable: the model's input (ONNX Runtime's words for it) is not what the manifest says."""

    def read(self, data: bytes) -> Prepared:
        """:raises FrameUnreadable: the bytes are not such an input."""
        ...

    def blank(self) -> Prepared:
        """An input with nothing in it, to warm a model up."""
        ...


class ImageReader:
    """JPEG, PNG, BMP or TIFF."""

    def __init__(self, spec: ImageInput) -> None:
        self._spec = spec

    def check(self, shape: list[Any], dtype: str) -> None:
        spec = self._spec
        _check("an image", shape, dtype, spec.shape, "float" if spec.dtype == "float32" else spec.dtype)

    def read(self, data: bytes) -> Prepared:
        image = decode_image(data, self._spec)
        decoded_ns = time.perf_counter_ns()
        return self._prepared(image, decoded_ns)

    def blank(self) -> Prepared:
        spec = self._spec
        image: Image = np.zeros((spec.height, spec.width) + (() if spec.colour == "GRAY" else (3,)), np.uint8)
        return self._prepared(image, 0)

    def _prepared(self, image: Image, decoded_ns: int) -> Prepared:
        view = view_of(image.shape[1], image.shape[0], self._spec)
        return Prepared(to_tensor(image, self._spec), image, view, decoded_ns)


class SignalReader:
    """A window as ``.npy`` or CSV."""

    def __init__(self, spec: SignalInput) -> None:
        self._spec = spec

    def check(self, shape: list[Any], dtype: str) -> None:
        _check("a signal", shape, dtype, (self._spec.channels, self._spec.length), "float")

    def read(self, data: bytes) -> Prepared:
        return Prepared(read_signal(data, self._spec))

    def blank(self) -> Prepared:
        return Prepared(np.zeros((1, self._spec.channels, self._spec.length), np.float32))


class TextReader:
    """A line of UTF-8."""

    def __init__(self, spec: TextInput) -> None:
        self._spec = spec

    def check(self, shape: list[Any], dtype: str) -> None:
        spec = self._spec
        wanted = 1 if spec.dtype == "string" else spec.length
        _check("a text", shape, dtype, (wanted,), spec.dtype)

    def read(self, data: bytes) -> Prepared:
        return Prepared(read_text(data, self._spec))

    def blank(self) -> Prepared:
        return Prepared(read_text(b"-", self._spec))


def reader_for(spec: InputSpec) -> Reader:
    """The reader of a manifest's input."""
    if isinstance(spec, ImageInput):
        return ImageReader(spec)
    if isinstance(spec, SignalInput):
        return SignalReader(spec)
    return TextReader(spec)
