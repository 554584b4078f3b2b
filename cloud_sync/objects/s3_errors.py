"""What an S3 server's refusal means, in words for a person."""

from __future__ import annotations

import re

from edge_runtime.contracts.errors import (
    LinesideError,
    ObjectMissing,
    StoreCredentialsMissing,
    StoreRefused,
    StoreUnreachable,
)

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")

_MEANING = {
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "InvalidAccessKeyId": "it does not know the access key",
    "AccessDenied": "these credentials may not do this",
    "ExpiredToken": "the session's credentials have expired",
    "TokenRefreshRequired": "the session's credentials have expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "this computer's clock and the server's differ too much",
    "NoSuchBucket": "there is no such bucket",
    "InvalidBucketName": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region (set AWS_REGION)",
    "AuthorizationHeaderMalformed": "the bucket is in another region (set AWS_REGION)",
    "IllegalLocationConstraintException": "the bucket is in another region (set AWS_REGION)",
    "QuotaExceeded": "its space is used up",
    "StorageFull": "its space is used up",
    "XMinioStorageFull": "its space is used up",
}
_HINTS = {
    "RequestTimeTooSkewed": "Set this computer's clock, then try again; everything waits locally.",
    "ExpiredToken": "Sign in again or save new credentials, then try again; everything waits locally.",
    "TokenRefreshRequired": "Sign in again or save new credentials, then try again; everything waits locally.",
}
# Answers of a server that is alive but cannot serve now: the same request may well succeed later.
_LATER = {408, 429, 500, 502, 503, 504, 507, 509}


def explained(error: Exception, *, key: str, bucket: str, endpoint_url: str | None) -> LinesideError:
    """The error of ours for one of obstore's. Built from the status and the code of the answer alone: obstore's own
    text quotes requests and answers at length.
    """
    text = str(error)
    where = place(bucket, endpoint_url)
    found = _STATUS.search(text)
    status = int(found[1]) if found else None
    code = code_of(text)
    if "redirect without LOCATION" in text:
        code = "PermanentRedirect"

    if "External AWS credential provider" in text:
        return StoreCredentialsMissing(f"The credentials for {where} could not be renewed.")
    if isinstance(error, FileNotFoundError):
        status = status or 404
    named = type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError")
    if status is not None or code in _MEANING or named:
        return refusal(status, code, key=key, where=where)
    return no_answer(error, where=where)


def place(bucket: str, endpoint_url: str | None) -> str:
    """A bucket, for people."""
    return f"{bucket} at {endpoint_url}" if endpoint_url else bucket


def code_of(body: str) -> str | None:
    """The code in an error's XML."""
    found = _CODE.search(body)
    return found[1] if found else None


def refusal(status: int | None, code: str | None, *, key: str, where: str) -> LinesideError:
    """The error for an answer with this status and code."""
    if code not in _MEANING:
        if status == 404:
            return ObjectMissing(f"There is no object {key} in {where}.")
        if status in _LATER:
            return StoreUnreachable(f"The object store {where} cannot serve now ({_answer(status, code)}).")
    meaning = _MEANING.get(code or "", "it does not allow this")
    return StoreRefused(
        f"The object store {where} refused {key}: {meaning} ({_answer(status, code)}).", hint=_HINTS.get(code or "")
    )


def no_answer(error: BaseException, *, where: str) -> StoreUnreachable:
    """The error for a connection that failed."""
    return StoreUnreachable(f"The object store {where} does not answer ({_cause(str(error))}).")


def _answer(status: int | None, code: str | None) -> str:
    return " ".join(str(part) for part in (status, code) if part is not None) or "no reason was given"


def _cause(text: str) -> str:
    lowered = text.lower()
    for sign, cause in (
        ("dns error", "its name cannot be found"),
        ("connection refused", "connection refused"),
        ("certificate", "its certificate is not trusted"),
        ("timedout", "no answer in time"),
        ("timed out", "no answer in time"),
        ("unreachable", "no way to its network"),
        ("reset", "the connection broke off"),
        ("incompletemessage", "the connection broke off"),
        ("unexpectedeof", "the connection broke off"),
    ):
        if sign in lowered:
            return cause
    return "the connection failed"
