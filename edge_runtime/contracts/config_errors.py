"""What can go wrong where the configuration of a box is changed from afar."""

from __future__ import annotations

from edge_runtime.contracts.errors import LinesideError


class ConfigMoved(LinesideError):
    code = "config.moved"
    title = "The configuration is another one by now"
    default_hint = "Read it again, make your change in what stands there now, and send that. Nothing was changed."


class ConfigReturned(LinesideError):
    code = "config.returned"
    title = "The box went back to its configuration of before"
    default_hint = "Read the reason, correct the configuration and try again; the box runs as it did before."
