"""ONNX Runtime sessions: made from bytes, never from a path, so that a model cannot name other files."""

from __future__ import annotations

from dataclasses import dataclass

import onnxruntime as ort

from edge_runtime.contracts.errors import ModelUnusable

CPU = "CPUExecutionProvider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How a model runs best on this box."""

    provider: str = CPU
    threads: int = 1
    """``intra_op_num_threads``; 1 leaves the other cores to other frames."""


def open_session(model: bytes, tuning: Tuning) -> ort.InferenceSession:
    """A session that may be run from several threads.

    :raises ModelUnusable: the bytes are no model that this ONNX Runtime takes.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = tuning.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(model, options, providers=[tuning.provider])
    except Exception as error:
        first_line = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise ModelUnusable(f"ONNX Runtime refused the model of {len(model)} bytes: {first_line}") from error
