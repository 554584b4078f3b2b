"""``lineside boxes alerts|audits|rollups|shadows|losses``: what was collected, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.cli import text
from app.cli.commands import Topic, add_paging
from app.cli.session import Columns, Session

if TYPE_CHECKING:
    from app.store.records import Page
    from edge_runtime.contracts.rows import AlertRow, AuditRow, LossRow, RollupRow, ShadowRow


@dataclass(frozen=True, slots=True)
class Listing:
    """One verb: where its rows come from and what is shown of them, after the moment and the box."""

    help: str
    empty: str
    fetch: str
    """Name of the use-case in :mod:`app.usecases.boxes`, which is imported only when it is needed."""
    columns: Columns[Any]


_ALERTS: Columns[AlertRow] = {"KIND": lambda row: row.kind, "MESSAGE": lambda row: row.message}
_AUDITS: Columns[AuditRow] = {
    "KIND": lambda row: row.kind,
    "WHO": lambda row: row.who if row.who == "box" else text.short(row.who),
    "MESSAGE": lambda row: row.message,
}
_ROLLUPS: Columns[RollupRow] = {
    "PIPELINE": lambda row: row.pipeline,
    "MODEL": lambda row: text.short(row.model),
    "FRAMES": lambda row: row.frames,
    "ERRORS": lambda row: row.errors,
    "CONFIDENCE": lambda row: text.share(row.confidence_mean),
    "P50 MS": lambda row: _ms(row.latency_us_p50),
    "P99 MS": lambda row: _ms(row.latency_us_p99),
    "LABELS": lambda row: ", ".join(f"{label} {count}" for label, count in _most(row.labels)),
}
_SHADOWS: Columns[ShadowRow] = {
    "PIPELINE": lambda row: row.pipeline,
    "FRAME": lambda row: row.frame,
    "MODEL": lambda row: f"{text.short(row.model)} {row.label} {text.share(row.confidence)}",
    "SHADOW": lambda row: f"{text.short(row.shadow)} {row.shadow_label} {text.share(row.shadow_confidence)}",
    "MS": lambda row: _ms(row.latency_us),
    "SHADOW MS": lambda row: _ms(row.shadow_latency_us),
}
_LOSSES: Columns[LossRow] = {
    "STREAM": lambda row: row.stream,
    "COUNT": lambda row: row.count,
    "SIZE": lambda row: text.size(row.bytes),
    "FROM": lambda row: text.moment(row.first_ms),
    "TO": lambda row: text.moment(row.last_ms),
    "REASON": lambda row: row.reason,
}
_LISTINGS: Mapping[str, Listing] = {
    "alerts": Listing("the newest alerts", "No alerts.", "page_alerts", _ALERTS),
    "audits": Listing("what was done to boxes, and by whom", "Nothing was done yet.", "page_audits", _AUDITS),
    "rollups": Listing("the newest minutes of each pipeline", "No roll-ups.", "page_rollups", _ROLLUPS),
    "shadows": Listing("frames that a shadow model saw otherwise", "No disagreement.", "page_shadows", _SHADOWS),
    "losses": Listing("what boxes had to let go, and why", "Nothing was lost.", "page_losses", _LOSSES),
}


def add_listings(topic: Topic) -> None:
    """Add the verbs."""
    for name, listing in _LISTINGS.items():
        verb = topic.verb(name, _lister(name, listing), listing.help)
        verb.add_argument("box", nargs="?", help="name or id (default: all)")
        add_paging(verb)


def _lister(name: str, listing: Listing) -> Callable[[argparse.Namespace, Session], None]:
    def run(arguments: argparse.Namespace, session: Session) -> None:
        from app.usecases import boxes

        with session.open() as ctx:
            names = {box.box: box.name for box in boxes.list_boxes(ctx)}
            fetch: Callable[..., Page[Any]] = getattr(boxes, listing.fetch)
            page = fetch(ctx, arguments.box, cursor=arguments.cursor, limit=arguments.limit)
            columns: Columns[Any] = {
                "WHEN": lambda row: text.moment(row.at_ms),
                "BOX": lambda row: names.get(row.box, text.short(row.box)),
                **listing.columns,
            }
            session.rows(name, page.rows, columns, empty=listing.empty, cursor=page.cursor)

    return run


def _ms(microseconds: int) -> float:
    return round(microseconds / 1000, 1)


def _most(labels: Mapping[str, int]) -> list[tuple[str, int]]:
    """The five most frequent labels."""
    return sorted(labels.items(), key=lambda item: -item[1])[:5]
