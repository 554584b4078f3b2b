"""Values as people read them in a terminal."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Sequence

from edge_runtime.contracts.text import one_line

NONE = "-"


def moment(ms: int | None) -> str:
    """Milliseconds since 1970 as local time to the second; as they are where no calendar reaches."""
    if ms is None:
        return NONE
    try:
        return datetime.datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def short(digest: str | None) -> str:
    """The beginning of an id, long enough to be typed back."""
    return digest[:12] if digest else NONE


def share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def size(count: int) -> str:
    """Bytes in the unit that suits them."""
    value, unit = float(count), "B"
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def skew(ms: float) -> str:
    """How far one clock is from another, in the unit that suits it."""
    size, side = abs(ms), "behind" if ms < 0 else "ahead"
    if size < 1000:
        return f"{size:.1f} ms {side}"
    for unit, length_s in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if size >= 2_000 * length_s:
            return f"{size / 1000 / length_s:,.1f} {unit} {side}"
    return f"{size / 1000:.1f} s {side}"


def clean(value: object) -> str:
    """One line without control characters: names and messages come from other machines."""
    return NONE if value is None or value == "" else one_line(str(value))


def printable(line: str) -> str:
    """As it may go to a terminal: a tab is a tab, and every other control character a space."""
    return "\t".join(map(one_line, line.split("\t")))


def cut(value: str, most: int) -> str:
    """What is longer than ``most`` characters ends with an ellipsis."""
    return value if len(value) <= most else value[: most - 1] + "…"


def width(text: str) -> int:
    """Columns that ``text`` takes in a terminal."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Aligned lines, two spaces between columns; numbers to the right."""
    cells = [[clean(value) for value in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(headers, *cells, strict=True)]
    to_right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(headers))]
    lines = []
    for line in (list(headers), *cells):
        padded = []
        for cell, columns, right in zip(line, widths, to_right, strict=True):
            space = " " * (columns - width(cell))
            padded.append(space + cell if right else cell + space)
        lines.append("  ".join(padded).rstrip())
    return lines


def facts(pairs: Sequence[tuple[str, object]]) -> list[str]:
    """``name   value`` lines, values aligned."""
    broad = max((width(name) for name, _value in pairs), default=0)
    return [f"{name}{' ' * (broad - width(name))}  {clean(value)}" for name, value in pairs]
