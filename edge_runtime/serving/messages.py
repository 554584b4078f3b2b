"""What is asked of a model and what it answers, whichever protocol carries it.

Structs, because one of each is made for every request and a frozen dataclass takes five times as long to make.
"""

from __future__ import annotations

from msgspec import Struct

from edge_runtime.serving.tensors import Array, TensorSpec


class InferRequest(Struct, frozen=True):
    """One question, checked against the model's specs by whoever decoded it."""

    inputs: dict[str, Array]
    """BF16 as uint16, BYTES as an array of ``str``."""
    outputs: tuple[str, ...] = ()
    """Names of the outputs that are wanted; none means all."""
    id: str = ""

    def forget(self) -> None:
        """The model was run: what its inputs take in memory is for the answer."""
        self.inputs.clear()


class InferAnswer(Struct, frozen=True):
    """The outputs in the order in which they were asked for, or in the model's."""

    model: str
    version: str
    id: str
    outputs: tuple[tuple[TensorSpec, Array], ...]
    """The array's shape is the answer's; the spec's may have open sizes."""
