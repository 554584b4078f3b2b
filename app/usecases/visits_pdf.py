"""A report as a PDF."""

from __future__ import annotations

from app.usecases.visits_view import ReportView


def draw_pdf(view: ReportView, line: bytes, made_ms: int) -> bytes:
    raise NotImplementedError
