"""The box takes a new identity on a desktop's word, while its lines go on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edge_runtime import renewal
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BoxRefused
from edge_runtime.contracts.renewal import NewIdentity, RenewRequest, TakeRequest
from edge_runtime.identity import Identity, load_identity
from edge_runtime.service.http import SMALL_BODY, Request, Response, Routes, answer

_log = logging.getLogger(__name__)


class RenewalApi:
    """Makes a new identity, and has the daemon go on with it.

    :param name: what the box is called now.
    :param rename: calls it otherwise; raises LinesideError where that cannot be done.
    :param taken: told once of the identity that is in force now, and of the desktop that asked.
    """

    def __init__(
        self,
        home: Path,
        keys: Path,
        *,
        name: Callable[[], str],
        rename: Callable[[str], None],
        taken: Callable[[Identity, str], None],
    ) -> None:
        self._home, self._keys = home, keys
        self._name, self._rename, self._taken = name, rename, taken

    def routes(self) -> Routes:
        routes = Routes()
        # One at a time, as all that is slow.
        routes.add("POST", "/v1/identity", self._prepare, max_body=SMALL_BODY, slow=True)
        routes.add("PUT", "/v1/identity", self._take, max_body=SMALL_BODY, slow=True)
        return routes

    def _prepare(self, request: Request) -> Response:
        asked = wire.decode(request.body, RenewRequest, what="request for a new identity")
        try:
            identity, name = renewal.prepare(self._home, asked.request, asked.name or self._name())
        except OSError as error:
            raise _not_written(error) from error
        return _told(identity, name)

    def _take(self, request: Request) -> Response:
        wanted = wire.decode(request.body, TakeRequest, what="request for a new identity").request
        before = load_identity(self._keys).fingerprint
        try:
            name = renewal.prepared_name(self._home, wanted)
            # First what may be refused: cut off here, the box goes on as it was, under its new name.
            if name != self._name():
                self._rename(name)
            identity = renewal.take(self._home, wanted)
        except OSError as error:
            raise _not_written(error) from error
        if identity.fingerprint != before:
            _log.warning("the box is %s now, and was %s before", identity.fingerprint[:12], before[:12])
            self._taken(identity, request.peer)
        return _told(identity, name)


def _told(identity: Identity, name: str) -> Response:
    return answer(NewIdentity(box=identity.fingerprint, name=name, certificate=identity.certificate_pem))


def _not_written(error: OSError) -> BoxRefused:
    return BoxRefused(
        f"The box could not write its new identity down: {error.strerror}.",
        hint="Give it a disk that can be written to, then ask again; until then it goes on as it was.",
    )
