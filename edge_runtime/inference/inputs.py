"""From what a source gives to the model's input tensor, for every kind of input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import ImageInput, InputSpec
from edge_runtime.inference.preprocess import Image, decode_image, to_tensor


@dataclass(frozen=True, slots=True)
class Prepared:
    """One input, ready for the model."""

    tensor: npt.NDArray[Any]
    """With the batch's axis in front, of length 1."""
    image: Image | None = None
    """What was decoded, where it is an image: for its health and for telling scenes apart."""


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
        if len(shape) != 4 or list(shape[1:]) != [spec.channels, spec.height, spec.width]:
            raise ModelUnusable(
                f"The manifest's input is {spec.channels}×{spec.height}×{spec.width}, the model's is {shape}."
            )

    def read(self, data: bytes) -> Prepared:
        image = decode_image(data, self._spec)
        return Prepared(to_tensor(image, self._spec), image)

    def blank(self) -> Prepared:
        spec = self._spec
        image: Image = np.zeros((spec.height, spec.width) + (() if spec.colour == "GRAY" else (3,)), np.uint8)
        return Prepared(to_tensor(image, spec), image)


def reader_for(spec: InputSpec) -> Reader:
    """The reader of a manifest's input."""
    if isinstance(spec, ImageInput):
        return ImageReader(spec)
    raise ModelUnusable(f"This box cannot read inputs of {type(spec).__name__}.")
