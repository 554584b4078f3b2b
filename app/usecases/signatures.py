"""This desktop's signatures over the site's releases, brought to a box."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import LinesideError

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient
    from app.store.records import Box
    from cloud_sync.release.sign import ReleaseRepository
    from edge_runtime.contracts.status import BoxStatus

Files = list[tuple[str, bytes]]


def newest(repository: ReleaseRepository, box: Box, status: BoxStatus) -> Files:
    """Signatures that a box takes, in the order in which to bring them. Called with ``ctx.signing`` held.

    :raises SignedInFuture, ClockDoubtful: nothing can be signed for it.
    """
    repository.make_ready(seen_s=status.signed_s, who=box.name)
    # Read now: before they have all been sent, another box may have them signed anew.
    return [(file.name, file.read_bytes()) for file in repository.metadata_files()]


def bring(client: BoxClient, files: Files) -> None:
    for name, body in files:
        client.put_metadata(name, body)


def renew(ctx: Context, box: Box, client: BoxClient, status: BoxStatus, *, rooted: bool) -> None:
    """Answer for the versions of its own program that a box runs, where the desktop that signed them counts no more:
    it does not start them again otherwise.

    :param rooted: it has a new root since this moment, and has not looked yet who counts.
    """
    runtime = status.runtime
    if runtime is None:
        return
    files: Files = []
    # Where this desktop cannot sign, its clock being wrong, the rest of the visit goes on.
    with suppress(LinesideError), ctx.signing:
        repository = ctx.repository()
        ran = rooted and any(slot.state == "COMMITTED" for slot in runtime.slots)
        if ran or any(map(repository.has, runtime.unsigned)):
            files = newest(repository, box, status)
    bring(client, files)
