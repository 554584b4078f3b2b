"""The paths of the inference listener. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote_to_bytes

from edge_runtime.contracts.errors import InputInvalid, NotFound

Kind = Literal[
    "infer",
    "live",
    "ready",
    "server",
    "model",
    "model-ready",
    "config",
    "statistics",
    "index",
    "frames",
    "metrics",
]
POSTED: frozenset[Kind] = frozenset({"infer", "index", "frames"})
"""All others are GET."""
MAX_KEPT_BYTES = 256
_FIXED: dict[tuple[str, ...], Kind] = {
    ("v2",): "server",
    ("v2", "health", "live"): "live",
    ("v2", "health", "ready"): "ready",
    ("v2", "models", "stats"): "statistics",
    ("v2", "repository", "index"): "index",
    ("metrics",): "metrics",
}
_ORIGIN = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
"""In front of the path in the form that is sent to proxies, which every server must take."""
_OF_A_MODEL: dict[tuple[str, ...], Kind] = {
    (): "model",
    ("infer",): "infer",
    ("ready",): "model-ready",
    ("config",): "config",
    ("stats",): "statistics",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a path means."""

    kind: Kind
    name: str = ""
    """Of the model or the pipeline."""
    version: str = ""


def parse_target(target: bytes) -> Target:
    """The meaning of a request target; its query counts for nothing.

    :raises NotFound: there is no such path.
    :raises InputInvalid: it is no text.
    """
    if not target.startswith(b"/") and (origin := _ORIGIN.match(target)):
        target = target[origin.end() :]
    path = target.partition(b"?")[0]
    return _kept(path) if len(path) <= MAX_KEPT_BYTES else _parse(path)


def _parse(path: bytes) -> Target:
    try:
        parts = tuple(unquote_to_bytes(part).decode() for part in path.strip(b"/").split(b"/"))
    except UnicodeDecodeError as error:
        raise InputInvalid("The path is not UTF-8.") from error
    if kind := _FIXED.get(parts):
        return Target(kind)
    match parts:
        case "v2", "models", name, "versions", version, *rest if tuple(rest) in _OF_A_MODEL:
            return Target(_OF_A_MODEL[tuple(rest)], name, version)
        case "v2", "models", name, *rest if tuple(rest) in _OF_A_MODEL:
            return Target(_OF_A_MODEL[tuple(rest)], name)
        case "v1", "pipelines", name, "frames":
            return Target("frames", name)
    raise NotFound(f"There is nothing at {path[:200].decode('ascii', 'replace')}.")


_kept = lru_cache(maxsize=512)(_parse)
