"""The least that an access key has to be allowed for a store in a bucket: a policy as Amazon's IAM takes it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from cloud_sync.objects.base import check_bucket, check_prefix
from edge_runtime.contracts.errors import InputInvalid

OBJECT_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
"""HEAD counts as GetObject; to begin, fill and finish an upload in parts as PutObject."""


def access_policy(address: str, *, endpoint_url: str | None = None) -> dict[str, Any]:
    """The policy for everything that a store at this address is asked for.

    :param address: ``s3://BUCKET/PREFIX``.
    :param endpoint_url: where it is not Amazon's usual one; says the partition of its names.
    :raises InputInvalid: not in a bucket, or no address.
    """
    if not address.startswith("s3://"):
        raise InputInvalid(
            "Only a bucket has an access policy: in a folder the file system says who may do what.",
            hint="Give this desktop's user the right to read and write there, or name a bucket: s3://BUCKET/PREFIX.",
        )
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    bucket_name, under = f"arn:{_partition(endpoint_url)}:s3:::{check_bucket(bucket)}", check_prefix(prefix)
    listing: dict[str, Any] = {"Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket_name]}
    if under:
        # Without leave to list what is not there, a missing object is refused and not said to be missing: Amazon asks
        # this condition then with the object's key.
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{under}/*"]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Objects",
                "Effect": "Allow",
                "Action": list(OBJECT_ACTIONS),
                "Resource": [f"{bucket_name}/{under}/*" if under else f"{bucket_name}/*"],
            },
            listing,
            # Names alone, of uploads that nobody finished; this action knows no prefix.
            {
                "Sid": "Uploads",
                "Effect": "Allow",
                "Action": ["s3:ListBucketMultipartUploads"],
                "Resource": [bucket_name],
            },
        ],
    }


def _partition(endpoint_url: str | None) -> str:
    host = urlsplit(endpoint_url or "").hostname or ""
    if host.endswith(".amazonaws.com.cn"):
        return "aws-cn"
    return "aws-us-gov" if ".us-gov-" in host and host.endswith(".amazonaws.com") else "aws"
