"""The boxes as witnesses of this desktop's own chain: each keeps how far it had come, and says so when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.fleet.client import BoxClient
from app.fleet.failures import problems_of
from app.store import activity as activity_store
from app.store import boxes as box_store
from app.store.database import Database
from app.store.records import Box
from edge_runtime.contracts.errors import BoxRefused, DiskFull, InputInvalid, LinesideError, NotFound
from edge_runtime.contracts.witness import ActivityHead, Witnessed, said
from edge_runtime.identity import certificate_der, is_signed_by, signature_of

if TYPE_CHECKING:
    from app.context import Context

AT_ONCE = 16

Says = Literal["confirms", "contradicts", "nothing", "forged", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one box has to say of this desktop's chain."""

    box: str
    name: str
    says: Says
    """``confirms``: it has a head that stands in the chain here; ``contradicts``: one that does not, though this
    desktop signed it; ``nothing``: it was never told one; ``forged``: it claims one that this desktop did not sign,
    which says something of that box and nothing of the chain; ``silent``: it could not be asked."""
    entry: int = 0
    """Of the head that it has."""
    at_ms: int | None = None
    """When it was told, by its own clock."""
    problem: str | None = None
    """Why it could not be asked."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a box answered, before it is held against the chain."""

    box: Box
    witnessed: Witnessed | None
    signed: bool = False
    problem: str | None = None

    def against(self, db: Database) -> Witness:
        """Whether the head stands in the chain of this database."""
        if self.witnessed is None:
            return self._saying("silent")
        head = self.witnessed.head
        if head is None:
            return self._saying("nothing")
        if not self.signed:
            return self._saying("forged", head)
        stands = activity_store.digest_at(db, head.entry) == head.digest
        return self._saying("confirms" if stands else "contradicts", head)

    def _saying(self, says: Says, head: ActivityHead | None = None) -> Witness:
        return Witness(
            box=self.box.box,
            name=self.box.name,
            says=says,
            entry=head.entry if head else 0,
            at_ms=self.witnessed.at_ms if head and self.witnessed else None,
            problem=self.problem,
        )


def ask_witnesses(ctx: Context) -> Sequence[Heard]:
    """What every enrolled box has of this desktop's chain, those that do not answer among them."""
    known = box_store.list_boxes(ctx.database)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="witnesses") as pool:
        return list(pool.map(lambda box: _ask(ctx, box), known))


def tell_head(ctx: Context, client: BoxClient) -> None:
    """Have a box keep how far this desktop's chain has come.

    It is told nothing where what it has does not stand in the chain any more: it keeps the proof of that.
    """
    # A box of before, or one without room, is no witness; what it was asked for otherwise goes on.
    with suppress(NotFound, BoxRefused, DiskFull, InputInvalid):
        kept, here = client.witnessed().head, activity_store.newest(ctx.database)
        if here is None or (kept is not None and not _goes_on(ctx, kept, here[0])):
            return
        entry, digest = here
        signature = signature_of(ctx.identity, said(ctx.identity.fingerprint, entry, digest))
        head = ActivityHead(entry=entry, digest=digest, signature=signature)
        client.tell_head(head, after=kept.digest if kept else "")


def _goes_on(ctx: Context, kept: ActivityHead, newest: int) -> bool:
    return kept.entry < newest and activity_store.digest_at(ctx.database, kept.entry) == kept.digest


def _ask(ctx: Context, box: Box) -> Heard:
    try:
        with problems_of(box.address), BoxClient(box.address, box.certificate, ctx.identity) as client:
            witnessed = client.witnessed()
    except NotFound:
        return Heard(box, None, problem="its software keeps nothing of the kind yet")
    except LinesideError as error:
        return Heard(box, None, problem=error.message)
    head, identity = witnessed.head, ctx.identity
    signed = head is not None and is_signed_by(
        certificate_der(identity.certificate_pem),
        said(identity.fingerprint, head.entry, head.digest),
        head.signature,
    )
    return Heard(box, witnessed, signed)
