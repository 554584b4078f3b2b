"""The configuration over the management channel: read with its secrets hidden, changed, and gone back to."""

from __future__ import annotations

from edge_runtime.config import MAX_CONFIG_BYTES
from edge_runtime.configuring.hidden import hide
from edge_runtime.contracts import wire
from edge_runtime.contracts.configuring import ConfigChange, ConfigReturn, ConfigText
from edge_runtime.service.configuration import Configuration
from edge_runtime.service.http import SMALL_BODY, Request, Response, Routes, answer


class ConfigApi:
    """The handlers; each runs on a worker thread and raises LinesideError."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", "/v1/config", self._get)
        routes.add("PUT", "/v1/config", self._put, max_body=4 * MAX_CONFIG_BYTES)
        routes.add("GET", "/v1/config/versions", self._get_versions)
        routes.add("GET", "/v1/config/versions/(?P<number>[0-9]{1,9})", self._get_version)
        routes.add("POST", "/v1/config/roll-back", self._post_roll_back, max_body=SMALL_BODY)
        return routes

    def _get(self, _request: Request) -> Response:
        return self._shown(self._configuration.text())

    def _get_version(self, request: Request) -> Response:
        return self._shown(self._configuration.text_of(int(request.parts["number"])))

    def _get_versions(self, _request: Request) -> Response:
        self._configuration.reached()
        return answer(self._configuration.history)

    def _put(self, request: Request) -> Response:
        asked = wire.decode(request.body, ConfigChange, what="configuration")
        return answer(self._configuration.change(asked, request.peer), 202)

    def _post_roll_back(self, request: Request) -> Response:
        asked = wire.decode(request.body, ConfigReturn, what="way back to a configuration")
        return answer(self._configuration.go_back(asked, request.peer), 202)

    def _shown(self, body: bytes) -> Response:
        return answer(ConfigText(toml=hide(body.decode("utf-8", "replace")), digest=self._configuration.digest(body)))
