"""``lineside metrics``: figures of boxes, here and in the bucket."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Columns, Session
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.settings import Retention
    from app.usecases.metrics.view import KindStatus, SpanRow

FOR_EVER = "forever"
_KINDS: Columns[KindStatus] = {
    "KIND": lambda one: one.kind,
    "HERE": lambda one: one.here,
    "WAITING": lambda one: one.waiting,
    "FILES": lambda one: one.files,
    "ROWS IN BUCKET": lambda one: one.rows,
    "SIZE": lambda one: text.size(one.bytes),
}
_SPANS: Columns[SpanRow] = {
    "BEGAN": lambda row: text.moment(row.at_ms),
    "PIPELINE": lambda row: row.pipeline,
    "MODEL": lambda row: text.short(row.model),
    "FRAMES": lambda row: row.frames,
    "ERRORS": lambda row: row.errors,
    "CONFIDENCE": lambda row: text.share(row.confidence_mean),
    "P50 MS": lambda row: _ms(row.latency_us_p50),
    "P99 MS": lambda row: _ms(row.latency_us_p99),
}


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "metrics", "figures of boxes, here and in the bucket")
    topic.verb("status", _status, "what is here, what waits, and what stands in the bucket")
    topic.verb("export", _export, "write everything that waits to the bucket now")
    for span in ("hours", "days"):
        verb = topic.verb(span, _spans, f"the newest {span} of a box, from the minutes that were collected here")
        verb.set_defaults(span=span)
        verb.add_argument("box", help="name or id")
        verb.add_argument("--limit", type=int, default=100, metavar="N", help="rows (default: 100)")
        verb.add_argument("--before", type=int, metavar="MS", help="only what began before, in ms since 1970")
    keep = topic.verb("keep", _keep, "how many days figures are kept; without options: show it")
    for option, name, what in (
        ("--results", "results", "single frames on this desktop, once they stand in the bucket"),
        ("--results-unsafe", "results_unsafe", "single frames on this desktop that never came to the bucket"),
        ("--minutes", "minutes", "minutes on this desktop, once they stand in the bucket"),
        ("--bucket-results", "bucket_results", "single frames in the bucket"),
        ("--bucket-minutes", "bucket_minutes", "minutes in the bucket"),
    ):
        keep.add_argument(option, dest=name, type=_days, metavar="DAYS", help=f"{what}; or {FOR_EVER}")
    topic.verb("tidy", _tidy, "let go now what is over its age, and give the room back to the disk")


def _status(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.metrics.view import metrics_status

    with session.open() as ctx:
        status = metrics_status(ctx)
        session.rows("kinds", status.kinds, _KINDS, empty="", store=status.store, last_ms=status.last_ms)


def _export(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.metrics.exporting import export

    with session.open() as ctx, session.stoppable() as cancel, ctx.open_store() as store:
        session.one(
            "exported",
            export(ctx, store, progress=session.progress, cancel=cancel),
            {
                "rows": lambda r: r.rows,
                "files": lambda r: f"{r.files} ({text.size(r.bytes)})",
                "small files made one": lambda r: r.merged,
            },
        )


def _spans(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.metrics.view import page_spans

    with session.open() as ctx:
        rows = page_spans(ctx, arguments.span, arguments.box, before_ms=arguments.before, limit=arguments.limit)
        session.rows(arguments.span, rows, _SPANS, empty="No minutes of this box were collected here.")


def _keep(arguments: argparse.Namespace, session: Session) -> None:
    from dataclasses import fields

    from app.settings import Retention
    from app.usecases.metrics.keeping import change_retention
    from edge_runtime.contracts import wire

    with session.open() as ctx:
        rules = ctx.settings.retention
        given = {each.name: getattr(arguments, each.name) for each in fields(rules)}
        changed = {name: None if days == FOR_EVER else days for name, days in given.items() if days is not None}
        if changed:
            change_retention(ctx, wire.from_dict({**wire.to_dict(rules), **changed}, Retention, what="number of days"))
        session.one(
            "retention",
            ctx.settings.retention,
            {each.name.replace("_", " "): _days_of(each.name) for each in fields(rules)},
        )


def _tidy(_arguments: argparse.Namespace, session: Session) -> None:
    from contextlib import ExitStack

    from app.usecases.metrics.keeping import keep_house

    with session.open() as ctx, session.stoppable() as cancel, ExitStack() as stack:
        store = stack.enter_context(ctx.open_store()) if ctx.settings.store is not None else None
        session.one(
            "tidied",
            keep_house(ctx, store, cancel=cancel),
            {
                "pages of rows that went from here": lambda r: r.stretches,
                "files that went from the bucket": lambda r: r.files,
                "files that the bucket had lost": lambda r: r.lost,
            },
        )


def _days_of(name: str) -> Callable[[Retention], str]:
    return lambda rules: _shown(getattr(rules, name))


def _shown(days: int | None) -> str:
    return "for ever" if days is None else counted(days, "day", "days")


def _days(typed: str) -> int | str:
    if typed == FOR_EVER:
        return typed
    try:
        return int(typed)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"neither a number of days nor {FOR_EVER!r}") from error


def _ms(microseconds: int | None) -> float | None:
    return None if microseconds is None else round(microseconds / 1000, 1)
