"""The words of plans and reports, in the two languages of the window. A report is made without a window, too."""

from __future__ import annotations

import json
import locale
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Literal

from app.usecases.visits.plan import Need
from edge_runtime.contracts.text import one_line

Language = Literal["en", "zh"]

Words = Mapping[str, Mapping[str, Mapping[Language, str]]]
_UNITS = ("B", "KB", "MB", "GB", "TB")
_SPANS_S = (("days", "天", 86_400.0), ("h", "小时", 3_600.0), ("min", "分钟", 60.0))


def resolve_language(chosen: Literal["auto", "en", "zh"]) -> Language:
    """What ``auto`` means on this machine."""
    if chosen != "auto":
        return chosen
    return "zh" if (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


def word(language: Language, key: str, **facts: object) -> str:
    """One of the fixed words of a report."""
    return _words()["rows"][key][language].format(**facts)


def state_word(language: Language, state: str) -> str:
    """A state of a slot or a line."""
    known = _words()["facts"].get(state)
    return known[language] if known else one_line(state)


def need_words(language: Language, need: Need) -> str:
    """What is lacking, as one sentence."""
    facts: dict[str, object] = {}
    for name, value in need.facts.items():
        if name in ("free", "sample_bytes"):
            facts[name] = size(int(value))
        elif name == "ms":
            facts[name] = span(language, float(value))
        elif name in ("why", "state") or (name == "arch" and not value):
            facts[name] = state_word(language, str(value))
        elif name == "there" and need.kind in ("model", "configuration", "program"):
            facts[name] = _words()["facts"]["there"][language] if value else ""
        else:
            facts[name] = one_line(str(value))
    return _words()["needs"][need.kind][language].format(**facts).strip()


@cache
def _words() -> Words:
    words: Words = json.loads(resources.files("resources").joinpath("translations/visit_words.json").read_text("utf-8"))
    return words


def size(count: int) -> str:
    """Bytes in the unit that suits them."""
    value, unit = float(count), "B"
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def span(language: Language, ms: float) -> str:
    """A signed span of time in the unit that suits it."""
    for english, chinese, length_s in _SPANS_S:
        if abs(ms) >= 2_000 * length_s:
            return f"{ms / 1000 / length_s:+,.1f} {chinese if language == 'zh' else english}"
    if abs(ms) >= 1000:
        return f"{ms / 1000:+.1f} {'秒' if language == 'zh' else 's'}"
    return f"{ms:+.0f} {'毫秒' if language == 'zh' else 'ms'}"


def moment(ms: int) -> str:
    """To the second, in UTC: a report is read elsewhere."""
    return f"{second(ms)} UTC"


def second(ms: int) -> str:
    """As :func:`moment`, where a heading says that it is UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
