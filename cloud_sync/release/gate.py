"""Whether a quantized model is good enough to be offered to a box."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from edge_runtime.contracts.errors import FrameUnreadable, InputInvalid
from edge_runtime.contracts.manifest import GOLDEN_PREFIX, GateReport, GoldenCase, InputSpec, OutputSpec
from edge_runtime.inference.engine import Engine

CLEAR_MARGIN = 0.2
"""A golden case shows that the model runs the same elsewhere: one on the fence would show rounding."""
_EXACT = 1e-9
"""Shares of counts: a difference of exactly the allowance is no more than the allowance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """The allowances. Shares of 1. A loss of one sample is allowed always: on a small split it says nothing."""

    max_quantization_loss: float = 0.02
    max_baseline_loss: float = 0.01
    min_samples: int = 30
    min_above_majority: float = 0.5
    """How much of the way from always giving the most frequent label to never being wrong it must have come."""


def judge(
    *,
    fp32_accuracy: float,
    int8_accuracy: float,
    fp32_bytes: int,
    int8_bytes: int,
    samples: int,
    majority_share: float,
    baseline_accuracy: float | None,
    rules: GateRules = GateRules(),
) -> GateReport:
    """The gate's report from what was measured on one held-out split. Pure.

    :param samples: size of the split.
    :param majority_share: share of the split's most frequent label: what always giving that answer would reach.
    :param baseline_accuracy: of the model that runs now, on the same split; None where there is none.
    """
    reasons = []
    one_sample = 1.0 / samples if samples else 0.0
    quantization_loss = max(rules.max_quantization_loss, one_sample)
    baseline_loss = max(rules.max_baseline_loss, one_sample)
    if samples < rules.min_samples:
        reasons.append(f"The held-out split has {samples} samples; at least {rules.min_samples} are needed to judge.")
    if fp32_accuracy - int8_accuracy > quantization_loss + _EXACT:
        reasons.append(
            f"Quantization costs {_points(fp32_accuracy - int8_accuracy)} of accuracy "
            f"({fp32_accuracy:.1%} to {int8_accuracy:.1%}); at most {_points(quantization_loss)} are allowed."
        )
    if baseline_accuracy is not None and baseline_accuracy - int8_accuracy > baseline_loss + _EXACT:
        reasons.append(
            f"It is {_points(baseline_accuracy - int8_accuracy)} worse than the model that runs now "
            f"({baseline_accuracy:.1%} to {int8_accuracy:.1%}); at most {_points(baseline_loss)} are allowed."
        )
    needed = majority_share + rules.min_above_majority * (1.0 - majority_share)
    if int8_accuracy < needed - _EXACT:
        reasons.append(
            f"It answers {int8_accuracy:.1%} of the held-out samples rightly; at least {needed:.1%} are needed "
            f"(always giving the most frequent label would reach {majority_share:.1%})."
        )
    if int8_bytes >= fp32_bytes:
        reasons.append(f"The int8 model is not smaller: {int8_bytes:,} bytes against {fp32_bytes:,} in fp32.")
    return GateReport(
        passed=not reasons,
        samples=samples,
        fp32_accuracy=fp32_accuracy,
        int8_accuracy=int8_accuracy,
        fp32_bytes=fp32_bytes,
        int8_bytes=int8_bytes,
        baseline_accuracy=baseline_accuracy,
        reasons=tuple(reasons),
    )


def evaluate(
    model: bytes, input_spec: InputSpec, output_spec: OutputSpec, samples: Iterable[tuple[bytes, str]]
) -> float:
    """Share of ``samples`` (bytes, true label) that the model gets right; one that is no image counts as wrong.

    :raises ModelUnusable: the model cannot be run.
    :raises InputInvalid: no samples.
    """
    engine = Engine(model, input_spec, output_spec)
    total = right = 0
    for frame, label in samples:
        total += 1
        try:
            right += engine.predict(frame).label == label
        except FrameUnreadable:
            continue
    if total == 0:
        raise InputInvalid("There are no held-out samples to measure the model on.")
    return right / total


def golden_cases(
    model: bytes,
    input_spec: InputSpec,
    output_spec: OutputSpec,
    samples: Iterable[tuple[bytes, str]],
    count: int = 16,
) -> tuple[tuple[GoldenCase, ...], dict[str, bytes]]:
    """Choose up to ``count`` golden cases, as evenly over the labels as can be; the same samples give the same cases.

    Cases on which the model is sure come first.

    :returns: the cases, and their bytes by path in the bundle.
    :raises ModelUnusable: the model cannot be run.
    :raises InputInvalid: none of the samples is an image.
    """
    engine = Engine(model, input_spec, output_spec)
    by_label: dict[str, list[tuple[bool, str, bytes, GoldenCase]]] = {}
    for digest, frame, label in sorted((hashlib.sha256(frame).hexdigest(), frame, label) for frame, label in samples):
        try:
            answer = engine.predict(frame)
        except FrameUnreadable:
            continue
        case = GoldenCase(
            path=f"{GOLDEN_PREFIX}{digest[:16]}",
            label=answer.label,
            confidence=answer.confidence,
            value=answer.value,
        )
        by_label.setdefault(label, []).append((answer.margin < CLEAR_MARGIN, digest, frame, case))
    for queue in by_label.values():
        queue.sort(key=lambda entry: entry[:2], reverse=True)
    chosen: dict[str, tuple[GoldenCase, bytes]] = {}
    while len(chosen) < count and any(by_label.values()):
        for label in sorted(by_label):
            if by_label[label] and len(chosen) < count:
                _, _, frame, case = by_label[label].pop()
                chosen[case.path] = (case, frame)
    if not chosen:
        raise InputInvalid("There are no readable samples to make golden cases of.")
    return (
        tuple(case for case, _ in chosen.values()),
        {path: frame for path, (_, frame) in chosen.items()},
    )


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
