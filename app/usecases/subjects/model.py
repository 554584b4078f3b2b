"""A model of the library on its way to boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.store.records import Box, Model, RolloutBox
from app.usecases.deliveries import deliver_release
from app.usecases.subjects.base import Found, Sent, found_in
from edge_runtime.contracts.status import BoxStatus, SlotStatus

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient
    from app.fleet.pacing import RateCap


class ModelSubject:
    """See :class:`app.usecases.subjects.base.Subject`."""

    def __init__(self, ctx: Context, model: Model) -> None:
        self._ctx, self._model = ctx, model

    def look(self, client: BoxClient, status: BoxStatus, part: RolloutBox) -> Found | None:
        return found_in(status.slots, self._holds)

    def stands_against(self, status: BoxStatus, found: Found | None) -> str | None:
        return status.refused.get(self._model.model)

    def forget(self, client: BoxClient) -> None:
        client.forget(self._model.model)

    def bring(
        self, box: Box, client: BoxClient, part: RolloutBox, *, again: bool, sent: Sent, caps: Sequence[RateCap]
    ) -> Callable[[], int | None]:
        target = deliver_release(self._ctx, box, client, self._model, sent=sent, caps=caps)

        def begin() -> None:
            client.install(target)

        return begin

    def withdraw(self, client: BoxClient, reason: str) -> bool:
        return client.withdraw(self._model.model, reason)

    def _holds(self, slot: SlotStatus) -> bool:
        if slot.bundle is not None:
            return slot.bundle == self._model.model
        # Where the signatures themselves were refused, the box knows only what it was called.
        return (slot.name, slot.version) == (self._model.name, self._model.version)
