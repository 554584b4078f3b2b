"""Object stores: any S3 server, or a folder, with the same meaning."""

from __future__ import annotations

import os
from pathlib import Path

from cloud_sync.objects.base import Credentials, ObjectInfo, ObjectStore
from cloud_sync.objects.folder import FolderStore
from cloud_sync.objects.probe import StoreReport, probe_store
from edge_runtime.contracts.errors import InputInvalid

__all__ = ["Credentials", "ObjectInfo", "ObjectStore", "StoreReport", "open_store", "probe_store"]


def open_store(address: str, *, endpoint_url: str | None = None, credentials: Credentials | None = None) -> ObjectStore:
    """Open a store by its address; close it afterwards.

    A folder is made if the one above it is there. An S3 store is not contacted yet.

    :param address: ``s3://BUCKET/PREFIX``, ``folder:PATH`` or a folder's path.
    :param endpoint_url: an S3 server other than Amazon's; AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL count without it.
    :param credentials: for S3; the usual AWS variables and profile count without them.
    :raises InputInvalid: an address that cannot be one.
    :raises StoreCredentialsMissing: S3 without credentials.
    :raises StoreUnreachable: a folder that is not there.
    :raises StoreRefused: a folder that may not be used.
    """
    if not address or "\0" in address:
        raise InputInvalid("An object store's address must not be empty.")
    if address.startswith("s3://"):
        # obstore and boto3 are not loaded where a folder is enough.
        from cloud_sync.objects.credentials import find_access
        from cloud_sync.objects.s3 import S3Store

        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        endpoint_url = endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        access = find_access(credentials)
        return S3Store(
            bucket, prefix, credentials=access.credentials, endpoint_url=endpoint_url or None, region=access.region
        )
    if "://" in address:
        raise InputInvalid(f"{address.partition('://')[0][:20]}:// is no kind of object store; use s3:// or a folder.")
    return FolderStore(Path(address.removeprefix("folder:")).expanduser())
