"""What whoever looks after the bucket has to allow this desktop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from app.context import Context


def policy_for(address: str, *, endpoint_url: str | None = None) -> dict[str, Any]:
    """The least that a key has to be allowed for a store at ``s3://BUCKET/PREFIX``, as a policy of Amazon's IAM. Bursts
    meet their desktop in the same store, so it is theirs too.

    :raises InputInvalid: a folder, or no address.
    """
    from cloud_sync.objects.policy import access_policy

    return access_policy(address, endpoint_url=endpoint_url)


def site_policy(ctx: Context) -> dict[str, Any]:
    """:func:`policy_for` the store that is set up.

    :raises InputInvalid: there is none, or it is a folder.
    """
    if ctx.settings.store is None:
        raise InputInvalid(
            "This site has no object store yet.",
            hint="Name the bucket that is to be it: `lineside sync policy --bucket s3://BUCKET/PREFIX`.",
        )
    return policy_for(ctx.settings.store, endpoint_url=ctx.settings.endpoint_url)
