"""Who started a rollout. Rows and files come through an object store, to which others may be able to write, and a
program or a configuration is not signed by itself: so the desktop that starts it says so, and whoever goes on looks.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from app.store.records import Rollout
from app.usecases.visits.seal import is_signed, sign
from edge_runtime.contracts.errors import TrustRefused

if TYPE_CHECKING:
    from app.context import Context


def sealed(ctx: Context, rollout: Rollout) -> Rollout:
    """With this desktop's signature."""
    return replace(rollout, signature=sign(ctx.identity, "rollout", _said(rollout)))


def require_sealed(ctx: Context, rollout: Rollout) -> None:
    """:raises TrustRefused: no desktop that the site lists has started this very rollout."""
    certificates = [desktop.certificate for desktop in ctx.roots().desktops().values()]
    for certificate in (ctx.identity.certificate_pem, *certificates):
        if is_signed(certificate, "rollout", _said(rollout), rollout.signature or ""):
            return
    raise TrustRefused(
        "No desktop that the site lists has started this rollout with the key that it has now.",
        hint="Start it again. Where nobody of yours started it, somebody else can write to the object store.",
    )


def _said(rollout: Rollout) -> bytes:
    return json.dumps([rollout.rollout, rollout.subject, rollout.model, rollout.object, rollout.size]).encode()
