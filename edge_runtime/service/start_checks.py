"""What whoever starts a box by hand must learn of at once; the box runs all the same."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_runtime.configuring.store import Found
from edge_runtime.contracts.errors import ConfigInvalid
from edge_runtime.service.configuration import BEFORE_RUNS, OTHERS_RUN
from edge_runtime.sources import check_pipelines
from edge_runtime.update.durable import is_read_only

_log = logging.getLogger(__name__)

Alert = Callable[[str, str, str | None, Mapping[str, float]], None]
"""Kind, message, bundle, facts."""


def check_home(home: Path) -> None:
    """Nothing can be written: the line matters more, but whoever looks must learn of it."""
    if is_read_only(home):
        message = f"The box's folder {home} is read-only: it infers, but what it sees waits in memory alone."
        _log.error("%s", message)
        sys.stderr.write(f"{message} Mount it writable, or give this user the right to write there.\n")


def check_lines(found: Found, alert: Alert) -> None:
    """A section that cannot work is told of with its line; it does not keep the others from running."""
    if found.problem:
        sys.stderr.write(f"{found.problem} {BEFORE_RUNS}\n")
    for problem in found.sound.problems:
        _log.error("%s", problem)
        sys.stderr.write(f"{problem} {OTHERS_RUN}\n")
    try:
        check_pipelines(found.sound.config, found.text.decode(), found.sound.positions)
    except ConfigInvalid as error:
        _log.error("%s", error)
        sys.stderr.write(f"{error.message} {OTHERS_RUN}\n")
        alert("config.invalid", f"{error.message} {OTHERS_RUN}", None, {})
