"""What the server says about itself and its models, in the protocol's words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edge_runtime.serving.model import ServedModel
from edge_runtime.serving.shelf import Entry
from edge_runtime.serving.statistics import Totals
from edge_runtime.serving.tensors import TensorSpec

SERVER = "lineside-edge"
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "parameters", "statistics")
_STATES = {"loading": "LOADING", "ready": "READY", "failed": "UNAVAILABLE"}
_CONFIG_TYPES = {"BYTES": "TYPE_STRING"}


def server_metadata(version: str) -> dict[str, Any]:
    """Of ``GET /v2``."""
    return {"name": SERVER, "version": version, "extensions": EXTENSIONS}


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """Of ``ModelMetadata``: what the protocol has words for."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": _tensors(model.inputs.values()),
        "outputs": _tensors(model.outputs.values()),
    }


def described_model(model: ServedModel) -> dict[str, Any]:
    """Of ``GET /v2/models/NAME``. Where a model says nothing of a tensor's axes, that is said beside its empty shape,
    which would mean a single number otherwise."""
    facts = model_metadata(model)
    for side, specs in (("inputs", model.inputs), ("outputs", model.outputs)):
        for tensor in facts[side]:
            if specs[tensor["name"]].any_rank:
                tensor["parameters"] = {"any_rank": True}
    return facts


def described_config(model: ServedModel) -> dict[str, Any]:
    """Of ``GET /v2/models/NAME/config``: with the inputs that may be left out, as Triton has them there."""
    facts = model_config(model)
    facts["input"] += [{**port, "optional": True} for port in _ports(model.signature.optional.values())]
    return facts


def model_config(model: ServedModel) -> dict[str, Any]:
    """Of ``ModelConfig``: as much of Triton's as means something here. Shapes hold the batch."""
    return {
        "name": model.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "max_batch_size": 0,
        "input": _ports(model.inputs.values()),
        "output": _ports(model.outputs.values()),
    }


def model_index(entries: Iterable[Entry], *, ready_only: bool) -> list[dict[str, str]]:
    """Of ``POST /v2/repository/index``."""
    return [
        {"name": each.name, "version": each.version, "state": _STATES[each.state], "reason": each.reason}
        for each in entries
        if each.state == "ready" or not ready_only
    ]


def model_statistics(models: Iterable[ServedModel]) -> dict[str, Any]:
    """Of ``GET /v2/models[/NAME[/versions/V]]/stats``."""
    return {"model_stats": [_statistics(model, model.statistics.read()[0]) for model in models]}


def _tensors(specs: Iterable[TensorSpec]) -> list[dict[str, Any]]:
    return [{"name": spec.name, "datatype": spec.datatype.name, "shape": spec.wire_shape} for spec in specs]


def _ports(specs: Iterable[TensorSpec]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "data_type": _CONFIG_TYPES.get(spec.datatype.name, f"TYPE_{spec.datatype.name}"),
            "dims": spec.wire_shape,
        }
        for spec in specs
    ]


def _statistics(model: ServedModel, totals: Totals) -> dict[str, Any]:
    def times(count: int, ns: int) -> dict[str, int]:
        return {"count": count, "ns": ns}

    return {
        "name": model.name,
        "version": model.version,
        "last_inference": totals.last_unix_ms,
        "inference_count": totals.inferences,
        "execution_count": totals.executions,
        "inference_stats": {
            "success": times(totals.succeeded, totals.success_ns),
            "fail": times(totals.failed, totals.failure_ns),
            "queue": times(totals.succeeded, totals.queue_ns),
            "compute_input": times(totals.succeeded, totals.decode_ns),
            "compute_infer": times(totals.succeeded, totals.infer_ns),
            "compute_output": times(totals.succeeded, totals.encode_ns),
            "cache_hit": times(0, 0),
            "cache_miss": times(0, 0),
        },
        "batch_stats": [],
        "memory_usage": [],
    }
