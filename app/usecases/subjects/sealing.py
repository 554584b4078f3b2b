"""Who started a rollout. Rows and files come through an object store, to which others may be able to write, and a
program or a configuration is not signed by itself: so the desktop that starts it says what it brings, by which plan and
to which boxes, and whoever goes on looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.store import rollouts as rollout_store
from app.store.records import Box, Rollout, RolloutBox
from app.usecases.subjects.base import Found, Sent, Subject
from app.usecases.visits.seal import is_signed, sign
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import TrustRefused
from edge_runtime.contracts.status import BoxStatus

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient
    from app.fleet.pacing import RateCap


def sealed(ctx: Context, rollout: Rollout) -> Rollout:
    """With this desktop's signatures: one of the whole, and one of each box, whose rows may come apart."""
    return replace(
        rollout,
        signature=sign(ctx.identity, "rollout", _said(rollout)),
        boxes=tuple(
            replace(part, signature=sign(ctx.identity, "rollout", _said(rollout, part))) for part in rollout.boxes
        ),
    )


def require_sealed(ctx: Context, rollout: Rollout, part: RolloutBox | None = None) -> None:
    """:raises TrustRefused: no desktop that the site lists has started this very rollout, or for this box in this wave.

    :param part: a box to which it is to be brought.
    """
    certificates = [ctx.identity.certificate_pem, *(one.certificate for one in ctx.roots().desktops().values())]
    if not _is_by(certificates, _said(rollout), rollout.signature):
        raise TrustRefused(
            "No desktop that the site lists has started this rollout with the key that it has now.",
            hint="Start it again. Where nobody of yours started it, somebody else can write to the object store.",
        )
    if part is not None and not _is_by(certificates, _said(rollout, part), part.signature):
        raise TrustRefused(
            "No desktop that the site lists has started this rollout for this box, as its row has it now.",
            hint="Somebody else can write to the object store. To bring it this box all the same, start it anew.",
        )


class SealedSubject:
    """See :class:`app.usecases.subjects.base.Subject`: what it brings goes only where the desktop said that started it,
    whatever rows came meanwhile.
    """

    def __init__(self, ctx: Context, rollout: str, subject: Subject) -> None:
        self._ctx, self._rollout, self._subject = ctx, rollout, subject

    def look(self, client: BoxClient, status: BoxStatus, part: RolloutBox) -> Found | None:
        return self._subject.look(client, status, part)

    def stands_against(self, status: BoxStatus, found: Found | None) -> str | None:
        return self._subject.stands_against(status, found)

    def forget(self, client: BoxClient) -> None:
        self._subject.forget(client)

    def bring(
        self, box: Box, client: BoxClient, part: RolloutBox, *, again: bool, sent: Sent, caps: Sequence[RateCap]
    ) -> Callable[[], int | None]:
        """:raises TrustRefused: nobody of the site has started it for this box."""
        rollout = rollout_store.get_rollout(self._ctx.database, self._rollout)
        require_sealed(self._ctx, rollout, replace(part, box=box.box))
        return self._subject.bring(box, client, part, again=again, sent=sent, caps=caps)

    def withdraw(self, client: BoxClient, reason: str) -> bool:
        return self._subject.withdraw(client, reason)


def _is_by(certificates: Sequence[str], said: bytes, signature: str | None) -> bool:
    return any(is_signed(one, "rollout", said, signature or "") for one in certificates)


def _said(rollout: Rollout, part: RolloutBox | None = None) -> bytes:
    """What is signed, of the whole or of one box; nothing of how far it has come."""
    whole = [rollout.rollout, rollout.subject, rollout.model, rollout.object, rollout.size, wire.to_dict(rollout.plan)]
    return json.dumps(whole if part is None else [*whole, part.box, part.wave, part.base], sort_keys=True).encode()
