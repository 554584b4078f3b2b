"""The site's roots over the management channel: who may do what changes here, and only by the root key's signature."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.contracts.status import RootStatus
from edge_runtime.service.http import Request, Response, Routes, answer
from edge_runtime.service.management import ROOT_KEY
from edge_runtime.service.root_ledger import RootLedger
from edge_runtime.service.trust import TrustStore
from edge_runtime.update.roots import MAX_ROOT_BYTES

_VERSION = r"(?P<version>[1-9]\d{0,11})"


class RootApi:
    """Reads roots and takes newer ones. The signatures decide, and after which root each was made; who brings
    one matters only where somebody comes back with it: the holder of the root key may.

    :param changed: called when there is news for whoever waits.
    """

    def __init__(self, trust: TrustStore, ledger: RootLedger, *, changed: Callable[[], object]) -> None:
        self._trust, self._ledger, self._changed = trust, ledger, changed

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", "/v1/roots", self._get_newest, root_key=True)
        routes.add("GET", f"/v1/roots/{_VERSION}", self._get_root, root_key=True)
        routes.add("PUT", f"/v1/roots/{_VERSION}", self._put_root, max_body=MAX_ROOT_BYTES, root_key=True)
        # Where the desktops of before delivered it, with the rest of a release's metadata.
        routes.add("PUT", rf"/v1/metadata/{_VERSION}\.root\.json", self._put_root, max_body=MAX_ROOT_BYTES)
        return routes

    def _get_newest(self, _request: Request) -> Response:
        return answer(RootStatus(newest=self._trust.version))

    def _get_root(self, request: Request) -> Response:
        return Response(200, self._trust.root(int(request.parts["version"])))

    def _put_root(self, request: Request) -> Response:
        if self._ledger.accept(request.body, who=request.peer, root_key=request.peer == ROOT_KEY):
            # Whoever was struck off and waits for news must be sent away, too.
            self._changed()
        return answer(RootStatus(newest=self._trust.version))
