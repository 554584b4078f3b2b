"""The box's configuration while it runs: what is in force, and how it is changed from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from edge_runtime.config import CONFIG_NAME, EdgeConfig, Management, config_error, load_config, parse_config
from edge_runtime.contracts.errors import ConfigInvalid, LinesideError
from edge_runtime.service.management import listening_socket
from edge_runtime.sources import check_pipelines
from edge_runtime.toml_lines import with_name
from edge_runtime.update.durable import write_durably


class Configuration:
    """``edge.toml`` of the box in ``home``.

    :param listening: where desktops reach the box now; None: nowhere yet.
    :param applied: called with each new configuration, once it is written.
    :raises ConfigInvalid: it cannot be used.
    """

    def __init__(
        self, home: Path, *, listening: Callable[[], tuple[str, int] | None], applied: Callable[[EdgeConfig], None]
    ) -> None:
        self._path, self._listening, self._applied = home / CONFIG_NAME, listening, applied
        self._lock = threading.Lock()
        self.current = load_config(self._path)
        self.listens = self.current.management
        """What the listener was opened with; the configuration in force may say otherwise already."""

    def config_text(self) -> str:
        """``edge.toml`` as it stands."""
        return self._path.read_text("utf-8")

    def reconfigure(self, text: str) -> None:
        """Check a configuration, put it in force and restart the lines that it changes.

        Listeners and trials follow at the next start.

        :raises ConfigInvalid: nothing was changed.
        """
        config = parse_config(text)
        check_pipelines(config, text)
        with self._lock:
            self._check_listen(config.management, text)
            write_durably(self._path, [text.encode()])
            self.current = config
            self._applied(config)

    def rename(self, name: str) -> None:
        """Call the box otherwise, and change nothing else.

        :raises ConfigInvalid: its name stands there in no usual way.
        """
        with self._lock:
            text = with_name(self.config_text(), name) or ""
            if not text or parse_config(text) != replace(parse_config(self.config_text()), name=name):
                raise ConfigInvalid(
                    f"The name in {CONFIG_NAME} cannot be changed from here.",
                    hint="Change `name` in the box's edge.toml by hand, then try again.",
                )
            write_durably(self._path, [text.encode()])
            self.current = replace(self.current, name=name)

    def _check_listen(self, wanted: Management, text: str) -> None:
        """:raises ConfigInvalid: a new address for desktops that could not be listened on: the box would be lost."""
        if wanted.listen in (self.listens.listen, self.current.management.listen):
            return
        host, port = wanted.address
        own = self._listening()
        try:
            # The port that this box itself holds is free at its next start: only the host is in question.
            listening_socket((host, 0 if own and own[1] == port else port)).close()
        except LinesideError as error:
            raise config_error(text, "management.listen", error.message) from error
