"""One pattern for thousands of known texts."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DEEPEST = 30
"""Beyond it a pattern lists what is left: nested deeper it could not be compiled."""


def any_of(texts: Iterable[str], *, whole_words: bool = False) -> re.Pattern[str] | None:
    """Finds the longest of these texts at each place; None where there are none.

    What they have in common at their beginnings is looked at once: with a plain list, a long text and many secrets
    take a hundred times as long.

    :param whole_words: not within a longer word, and in small and capital letters alike.
    """
    ordered = sorted({text for text in texts if text})
    if not ordered:
        return None
    body = _branch(ordered, 0)
    return re.compile(rf"(?i)(?<!\w)(?:{body})(?!\w)" if whole_words else body)


def _branch(texts: list[str], depth: int) -> str:
    """A pattern for sorted texts."""
    if depth == _DEEPEST:
        return "(?:" + "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)) + ")"
    first, last = texts[0], texts[-1]
    common = 0
    while common < len(first) and first[common] == last[common]:
        common += 1
    head, ends = re.escape(first[:common]), len(first) == common
    rest = texts[1:] if ends else texts
    if not rest:
        return head
    groups: dict[str, list[str]] = {}
    for text in rest:
        groups.setdefault(text[common], []).append(text[common:])
    inner = "|".join(_branch(group, depth + 1) for group in groups.values())
    return f"{head}(?:{inner}){'?' if ends else ''}"
