"""Where frames come from. Kinds register as entry points in the group ``lineside.sources``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import cast

from edge_runtime.config import EdgeConfig, PipelineConfig, config_error
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Source, SourceKind, SourceOptions
from edge_runtime.sources.push import PushBoard

GROUP = "lineside.sources"
KEYS = ("fps", "window", "hop", "order")
"""Keys of a ``[[pipeline]]`` that are about its source, named as in :class:`SourceOptions`."""


def options_of(pipeline: PipelineConfig, *, board: PushBoard | None = None, once: bool = False) -> SourceOptions:
    """What a pipeline's configuration says about its source."""
    return SourceOptions(
        pipeline=pipeline.name,
        fps=pipeline.fps,
        window=pipeline.window,
        hop=pipeline.hop,
        order=pipeline.order,
        board=board,
        once=once,
    )


def open_source(address: str, memory: Path, options: SourceOptions) -> Source:
    """Open ``kind:location``; the source keeps its position in the file ``memory``.

    :raises InputInvalid: an unknown kind, a location that this kind cannot have, or options that do not fit it.
    """
    if misfit := _misfit(address, options):
        raise InputInvalid(misfit[1])
    kind, _, location = address.partition(":")
    return _kind(kind)(location, memory, options)


def check_pipelines(config: EdgeConfig, text: str) -> None:
    """Whether the sources could be opened, as far as can be told without doing so.

    :param text: what ``config`` was read from.
    :raises ConfigInvalid: with the line; no such kind is installed, a location that this kind cannot have, or a key
        that does not fit it.
    """
    for position, pipeline in enumerate(config.pipeline):
        if misfit := _misfit(pipeline.source, options_of(pipeline)):
            raise config_error(text, f"pipeline[{position}].{misfit[0]}", misfit[1])


def public_address(address: str) -> str:
    """An address without passwords, to be shown and logged."""
    kind, colon, location = address.partition(":")
    try:
        return f"{kind}{colon}{_kind(kind).public(location)}"
    except InputInvalid:
        return f"{kind}{colon}…"


def is_source(address: str) -> bool:
    """Whether it begins with a kind of source that is installed."""
    kind, colon, _ = address.partition(":")
    return bool(colon) and kind in _points().names


def _kind(name: str) -> SourceKind:
    points = _points()
    if name not in points.names:
        known = ", ".join(sorted(points.names))
        raise InputInvalid(f"There is no source of kind {name!r}; installed are {known or 'none'}.")
    return cast(SourceKind, points[name].load())


@cache
def _points() -> EntryPoints:
    """What is installed does not change while a program runs, and to look it up takes milliseconds."""
    return entry_points(group=GROUP)


def _misfit(address: str, options: SourceOptions) -> tuple[str, str] | None:
    """The key that cannot be used, and why."""
    name, _, location = address.partition(":")
    try:
        kind = _kind(name)
        kind.check(location)
    except InputInvalid as error:
        return "source", error.message
    for key in KEYS:
        given = getattr(options, key) is not None
        if given and key not in kind.takes:
            fitting = ", ".join(f"`{key}`" for key in sorted(kind.takes)) or "none of these keys"
            return key, f"A source of kind {name!r} has no `{key}`; it takes {fitting}"
        if not given and key in kind.needs:
            return "source", f"A source of kind {name!r} needs `{key}` as well"
    return None
