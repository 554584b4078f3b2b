"""From an fp32 model to an int8 one, calibrated on real inputs.

Static QDQ, weights int8 per channel, activations uint8: on x86 ONNX Runtime has fast kernels for just this
pair. Where the int8 model disagrees with the fp32 one too often, the layers that hurt most stay in fp32.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.contracts.manifest import QuantizationFacts

METHOD = "static-qdq-u8s8-per-channel"
MIN_AGREEMENT = 0.99
"""Share of the calibration inputs whose best class must be the same as in fp32."""
MAX_FLOAT_NODES = 3
"""How many layers may stay in fp32 before the attempt is left to the gate."""
_LAYERS = ("Conv", "Gemm", "MatMul")

Batch = npt.NDArray[Any]


def quantize(
    fp32: bytes, calibration: Iterable[Batch], *, dataset: str | None = None
) -> tuple[bytes, QuantizationFacts]:
    """The int8 model of ``fp32``, and how it was made.

    :param fp32: an ONNX classifier with one input, shape (N, C, H, W), and logits or probabilities as its first
        output.
    :param calibration: batches of real inputs as the model takes them; some hundred frames in all.
    :param dataset: id of the dataset that they are from, for the record.
    :raises ModelUnusable: not such a model.
    :raises InputInvalid: nothing to calibrate with.
    """
    batches = [np.ascontiguousarray(batch) for batch in calibration if len(batch)]
    if not batches:
        raise InputInvalid("There are no inputs to calibrate the quantization with.")
    with tempfile.TemporaryDirectory(prefix="lineside-quantize-") as name, warnings.catch_warnings():
        # The quantizer warns about its own insides.
        warnings.simplefilter("ignore")
        folder = Path(name)
        try:
            return _quantize(fp32, batches, folder, dataset)
        except (InputInvalid, ModelUnusable, OSError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise ModelUnusable(f"The model of {len(fp32)} bytes cannot be quantized: {reason}") from error


def _quantize(
    fp32: bytes, batches: Sequence[Batch], folder: Path, dataset: str | None
) -> tuple[bytes, QuantizationFacts]:
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source, prepared = folder / "fp32.onnx", folder / "prepared.onnx"
    source.write_bytes(fp32)
    # Symbolic shape inference needs sympy and finds nothing more in networks of fixed image size.
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    expected = _classes(fp32, batches)

    def attempt(float_nodes: Sequence[str]) -> tuple[float, bytes]:
        model = _static(prepared, folder / "int8.onnx", batches, float_nodes)
        return float((_classes(model, batches) == expected).mean()), model

    kept: list[str] = []
    agreement, model = attempt(kept)
    candidates = _layer_names(prepared)
    while agreement < MIN_AGREEMENT and len(kept) < MAX_FLOAT_NODES and candidates:
        trials = [(attempt([*kept, candidate]), candidate) for candidate in candidates]
        (best, best_model), name = max(trials, key=lambda trial: trial[0][0])
        if best <= agreement:
            break
        kept.append(name)
        candidates.remove(name)
        agreement, model = best, best_model
    facts = QuantizationFacts(
        method=METHOD,
        calibration_dataset=dataset,
        calibration_samples=sum(len(batch) for batch in batches),
        float_nodes=tuple(kept),
    )
    return model, facts


def _static(prepared: Path, output: Path, batches: Sequence[Batch], float_nodes: Sequence[str]) -> bytes:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    quantize_static(
        prepared,
        output,
        _reader(prepared, batches),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        nodes_to_exclude=list(float_nodes),
    )
    return _tidy(output)


def _tidy(output: Path) -> bytes:
    """The model without the operator sets that the quantizer declares and no node uses."""
    import onnx

    model = onnx.load(output)
    used = {node.domain for node in model.graph.node}
    unused = [opset for opset in model.opset_import if opset.domain not in used]
    for opset in unused:
        model.opset_import.remove(opset)
    tidy: bytes = model.SerializeToString()
    return tidy


def _reader(model: Path, batches: Sequence[Batch]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    feeds = [{_session(model.read_bytes()).get_inputs()[0].name: batch} for batch in batches]

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """Hands the batches to the calibrator one by one."""

        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, Batch] | None:
            return next(self._feeds, None)

    return Reader()


def _session(model: bytes) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _classes(model: bytes, batches: Sequence[Batch]) -> npt.NDArray[np.intp]:
    session = _session(model)
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ModelUnusable(f"The model takes {len(inputs)} inputs; an image classifier takes one, shape (N, C, H, W).")
    answers = [np.asarray(session.run(None, {inputs[0].name: batch})[0]).argmax(axis=-1) for batch in batches]
    classes: npt.NDArray[np.intp] = np.concatenate(answers)
    return classes


def _layer_names(prepared: Path) -> list[str]:
    import onnx

    return [node.name for node in onnx.load(prepared).graph.node if node.op_type in _LAYERS and node.name]
