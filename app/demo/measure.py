"""What the demo may know and a box may not: how often the answers were right."""

from __future__ import annotations

from collections.abc import Mapping

from app.context import Context
from app.demo.lines import Condition, Shown
from app.usecases import results, samples
from edge_runtime.contracts.errors import NotFound
from edge_runtime.contracts.rows import AlertRow


def accuracy(
    ctx: Context,
    box: str,
    shown: Mapping[str, Shown],
    *,
    model: str,
    condition: Condition,
    from_ms: int = 0,
) -> float:
    """Share of right answers of ``model`` on the frames of one condition that were shown since ``from_ms``.

    :raises NotFound: there are none.
    """
    right = total = 0
    for row in results.results_of(ctx, box):
        truth = shown.get(row.frame)
        if truth and row.model == model and truth.condition == condition and truth.at_ms >= from_ms:
            total += 1
            right += row.label == truth.label
    if not total:
        raise NotFound(f"No answer of model {model[:12]} to frames of {condition} production was collected.")
    return round(right / total, 4)


def frames_until_alert(ctx: Context, shown: Mapping[str, Shown], alert: AlertRow) -> int:
    """Changed frames that the box had answered when it raised the alert."""
    return sum(
        row.at_ms <= alert.at_ms and row.frame in shown and shown[row.frame].condition == "changed"
        for row in results.results_of(ctx, alert.box)
    )


def labels_of_changed(ctx: Context, box: str, shown: Mapping[str, Shown]) -> dict[str, str]:
    """The labels that an engineer who knows the line would give to the samples that its box kept since the change."""
    labels: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = samples.page_samples(ctx, cursor=cursor, limit=500, labelled=False, box=box)
        for sample in page.rows:
            truth = shown.get(sample.frame)
            if truth is not None and truth.condition == "changed":
                labels[sample.sample] = truth.label
        cursor = page.cursor
        if cursor is None:
            return labels
