"""Conflicts between desktops that were apart, in words, and a person's answer to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.store import boxes as box_store
from app.store import conflicts as conflict_store
from app.store.conflicts import LABELS
from app.store.conflicts import Conflict as Stored
from app.usecases.rollout_conflicts import desktop_name

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Something that two desktops decided differently while apart."""

    conflict: str
    """Its id, to decide it by."""
    kind: str
    """The table that it is about, such as ``boxes``; ``label_events``: the label of a sample."""
    subject: str
    """What it is about, as people call it, or the beginning of its id."""
    field: str
    """Which of its columns; nothing: whether it is there at all."""
    stands: Any
    """The value, or without a ``field`` 1 or 0: it is there or not."""
    stands_by: str
    """The desktop's name."""
    stands_ms: int
    other: Any
    other_by: str
    other_ms: int


def list_conflicts(ctx: Context) -> list[Conflict]:
    """What nobody has decided yet, newest first."""
    return [_in_words(ctx, one, _names(ctx)) for one in conflict_store.list_conflicts(ctx.database)]


def take_other(ctx: Context, conflict: str) -> Conflict:
    """Let the other value stand, on every desktop.

    :param conflict: the beginning of its id.
    :raises NotFound, InputInvalid: there is none, or more than one.
    """
    return _decide(ctx, conflict, take=True)


def keep(ctx: Context, conflict: str) -> Conflict:
    """Let what stands stand, on every desktop; otherwise as :func:`take_other`."""
    return _decide(ctx, conflict, take=False)


def _decide(ctx: Context, conflict: str, *, take: bool) -> Conflict:
    names = _names(ctx)
    return _in_words(ctx, conflict_store.decide(ctx.database, conflict, take=take), names)


def _names(ctx: Context) -> dict[str, str]:
    return {box.box: box.name for box in box_store.list_boxes(ctx.database)}


def _in_words(ctx: Context, one: Stored, boxes: dict[str, str]) -> Conflict:
    first, _, rest = one.key.partition("/")
    subject = boxes.get(first, first[:12]) + (f" {rest[:40]}" if rest else "")
    return Conflict(
        conflict=one.conflict,
        kind=one.table,
        subject=subject if one.table != LABELS else one.key[:12],
        field=one.field,
        stands=one.stands,
        stands_by=desktop_name(ctx, one.stands_by),
        stands_ms=one.stands_ms,
        other=one.other,
        other_by=desktop_name(ctx, one.other_by),
        other_ms=one.other_ms,
    )
