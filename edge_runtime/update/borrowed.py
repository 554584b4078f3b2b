"""Which bytes of an unfinished object a neighbour brought, so that garbage costs only what it covered. Pure.

Only the whole has a digest. Where it is wrong, the bytes of neighbours are doubted, and those of a desktop stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.contracts.rows import Count

MAX_BORROWED_BYTES = 64 * 1024
"""Of the notes on one object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Bytes from ``start`` to before ``end``; None: to the end of what is there."""

    start: Count
    end: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowed:
    """What is noted beside an unfinished object; the last span alone may be open, and none once they are doubted."""

    spans: tuple[Span, ...] = ()
    """In order, none of them empty once it has an end."""
    doubted: bool = False
    """The whole was wrong: these spans are holes, to be filled by a desktop."""


def here(noted: Borrowed, length: int) -> int:
    """Up to where an object is there whose file has this length: where a sender goes on."""
    return noted.spans[0].start if noted.doubted and noted.spans else length


def gap(noted: Borrowed) -> int | None:
    """How many bytes are missing there, where more is there behind them."""
    hole = noted.spans[0] if noted.doubted and noted.spans else None
    return None if hole is None or hole.end is None else hole.end - hole.start


def writes(noted: Borrowed, length: int, *, neighbour: bool) -> Borrowed:
    """The notes that must stand before somebody adds bytes to a file of this length that is not doubted."""
    is_open = bool(noted.spans) and noted.spans[-1].end is None
    if is_open == neighbour:
        return noted
    if neighbour:
        return Borrowed(spans=(*noted.spans, Span(start=length)))
    last = noted.spans[-1].start
    return Borrowed(spans=(*noted.spans[:-1], *([Span(start=last, end=length)] if last < length else [])))


def filled(noted: Borrowed, up_to: int) -> Borrowed:
    """After a desktop has filled the first hole up to there."""
    end = noted.spans[0].end or 0
    return Borrowed(spans=(*([Span(start=up_to, end=end)] if up_to < end else []), *noted.spans[1:]), doubted=True)


def doubt(noted: Borrowed, size: int) -> Borrowed | None:
    """After the whole of ``size`` bytes was wrong; None: there is nothing in it that is worth keeping."""
    if noted.doubted or not noted.spans:
        return None
    spans = tuple(Span(start=one.start, end=size if one.end is None else one.end) for one in noted.spans)
    return None if spans == (Span(start=0, end=size),) else Borrowed(spans=spans, doubted=True)
