"""Credentials and region from where S3 tools usually find them: variables, profile, and what boto3 knows beside."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from cloud_sync.objects.base import Credentials
from edge_runtime.contracts.errors import StoreCredentialsMissing

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Access:
    """How to get at a store: ``credentials`` renews them where they are for a session only."""

    credentials: Callable[[], Credentials]
    region: str


def find_access(given: Credentials | None) -> Access:
    """Given credentials, else the usual variables, else boto3's session (profile, single sign-on, machine role).

    :raises StoreCredentialsMissing: there are none, or the profile cannot be used.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if given is not None:
        return Access(lambda: given, region or DEFAULT_REGION)
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        token = os.environ.get("AWS_SESSION_TOKEN") or None
        found = Credentials(access_key_id=key, secret_access_key=secret, session_token=token)
        return Access(lambda: found, region or DEFAULT_REGION)
    return _from_session(region)


def _from_session(region: str | None) -> Access:
    # Takes 0.3 s and is not installed on training hosts, which get their keys in variables.
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise StoreCredentialsMissing("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.") from error
    try:
        session = boto3.session.Session()
        chain = session.get_credentials()
        region = region or session.region_name
    except (BotoCoreError, ClientError) as error:
        raise StoreCredentialsMissing(f"The AWS profile cannot be used ({type(error).__name__}).") from error
    if chain is None:
        raise StoreCredentialsMissing("Neither the AWS variables nor a profile hold credentials.")

    def current() -> Credentials:
        frozen = chain.get_frozen_credentials()
        return Credentials(
            access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token or None
        )

    return Access(current, region or DEFAULT_REGION)
