"""The figures' part of a sync, which comes after everything that other desktops wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.usecases.metrics import exporting, keeping
from app.usecases.metrics.exporting import ExportReport
from app.usecases.progress import CancelToken, Progress

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore


def sync_figures(
    ctx: Context, store: ObjectStore, *, patient: bool, progress: Progress, cancel: CancelToken
) -> ExportReport:
    """Write what waits, and keep house where it is time to.

    :param patient: nobody asked: what came only now waits for more.
    """
    report = ExportReport()
    if not patient or exporting.is_due(ctx):
        report = exporting.export(ctx, store, progress=progress, cancel=cancel)
    if keeping.is_due(ctx):
        keeping.keep_house(ctx, store, cancel=cancel)
    return report


def keep_without_store(ctx: Context, *, cancel: CancelToken) -> None:
    """Keep house at a site that has no object store, where it is time to."""
    if keeping.is_due(ctx):
        keeping.keep_house(ctx, None, cancel=cancel)
