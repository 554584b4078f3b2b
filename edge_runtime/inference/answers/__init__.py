"""From the model's output tensors to an answer, for every task."""

from __future__ import annotations

from edge_runtime.contracts.manifest import (
    AnomalyOutput,
    ClassificationOutput,
    DetectionOutput,
    OutputSpec,
    SegmentationOutput,
)
from edge_runtime.inference.answers.base import Decoder, Prediction, Tensor
from edge_runtime.inference.answers.classes import ClassificationDecoder
from edge_runtime.inference.answers.detection import DetectionDecoder
from edge_runtime.inference.answers.figures import AnomalyDecoder, RegressionDecoder
from edge_runtime.inference.answers.segmentation import SegmentationDecoder

__all__ = ["Decoder", "Prediction", "Tensor", "decoder_for"]


def decoder_for(spec: OutputSpec) -> Decoder:
    """The decoder of a manifest's output."""
    if isinstance(spec, ClassificationOutput):
        return ClassificationDecoder(spec)
    if isinstance(spec, DetectionOutput):
        return DetectionDecoder(spec)
    if isinstance(spec, SegmentationOutput):
        return SegmentationDecoder(spec)
    if isinstance(spec, AnomalyOutput):
        return AnomalyDecoder(spec)
    return RegressionDecoder(spec)
