"""One loaded model: bytes in, answer out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import InputSpec, OutputSpec
from edge_runtime.inference.preprocess import decode_image, to_tensor

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one frame."""

    label: str
    confidence: float
    margin: float
    probabilities: Probabilities


class Engine:
    """A classifier in ONNX Runtime on the CPU.

    The session is made from bytes, never from a path, so that a model cannot name other files. ``run`` is
    safe to call from several threads.

    :param threads: ``intra_op_num_threads``; 1 leaves the other cores to other frames.
    :raises ModelUnusable: the bytes are no model, or its input or output is not what the manifest says.
    """

    def __init__(self, model: bytes, input_spec: InputSpec, output_spec: OutputSpec, *, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            first_line = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
            raise ModelUnusable(f"ONNX Runtime refused the model of {len(model)} bytes: {first_line}") from error
        self.input_spec = input_spec
        self.output_spec = output_spec
        self._check_shape()

    def _check_shape(self) -> None:
        inputs = {i.name: i for i in self._session.get_inputs()}
        outputs = {o.name: o for o in self._session.get_outputs()}
        spec = self.input_spec
        if list(inputs) != [spec.name] or self.output_spec.name not in outputs:
            raise ModelUnusable(
                f"The manifest names input {spec.name!r} and output {self.output_spec.name!r}; "
                f"the model has {sorted(inputs)} and {sorted(outputs)}."
            )
        shape = inputs[spec.name].shape
        if len(shape) != 4 or list(shape[1:]) != [spec.channels, spec.height, spec.width]:
            raise ModelUnusable(
                f"The manifest's input is {spec.channels}×{spec.height}×{spec.width}, the model's is {shape}."
            )
        classes = outputs[self.output_spec.name].shape[-1]
        if classes != len(self.output_spec.labels):
            raise ModelUnusable(f"The manifest has {len(self.output_spec.labels)} labels, the model {classes} outputs.")

    def run(self, tensor: npt.NDArray[Any]) -> Probabilities:
        """Probabilities, shape (N, classes), of a batch of tensors, shape (N, C, H, W)."""
        raw: npt.NDArray[np.float32] = self._session.run([self.output_spec.name], {self.input_spec.name: tensor})[0]
        if self.output_spec.kind == "probabilities":
            return raw
        shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)

    def predict(self, frame: bytes) -> Prediction:
        """Decode, preprocess, infer.

        :raises FrameUnreadable: the frame is not an image.
        """
        return self.read(self.run(to_tensor(decode_image(frame, self.input_spec), self.input_spec))[0])

    def read(self, probabilities: Probabilities) -> Prediction:
        """The answer in one row of probabilities."""
        order = np.argsort(probabilities)
        best = float(probabilities[order[-1]])
        second = float(probabilities[order[-2]]) if len(order) > 1 else 0.0
        label = self.output_spec.labels[int(order[-1])]
        return Prediction(label, min(best, 1.0), max(0.0, min(best - second, 1.0)), probabilities)
