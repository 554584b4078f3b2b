"""The printed policy against what a real S3 server is asked for: every action in it is used, and no other one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from cloud_sync.objects import ObjectStore, open_store, probe_store
from cloud_sync.objects.base import PART_BYTES
from cloud_sync.objects.policy import access_policy
from edge_runtime.contracts.errors import InputInvalid, LinesideError, ObjectMissing
from tests.fakes.hostile_store import Fault, HostileStore, Request, hostile_store
from tests.object_server import BUCKET, object_server

_OF_OBJECTS = {
    ("GET", ""): "s3:GetObject",
    ("HEAD", ""): "s3:GetObject",
    ("PUT", ""): "s3:PutObject",
    ("DELETE", ""): "s3:DeleteObject",
    ("POST", "uploads"): "s3:PutObject",
    ("PUT", "partNumber uploadId"): "s3:PutObject",
    ("POST", "uploadId"): "s3:PutObject",
    ("GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
}
"""Amazon's "Required permissions for Amazon S3 API operations"."""
_OF_BUCKETS = {
    ("GET", "list-type"): "s3:ListBucket",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
}
_TELLING = frozenset({"uploads", "uploadId", "partNumber", "list-type"})
_HARMLESS = frozenset(
    {"prefix", "delimiter", "max-keys", "continuation-token", "part-number-marker", "key-marker", "upload-id-marker"}
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileStore]:
    with object_server(tmp_path) as running, hostile_store(running) as seen:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", seen.endpoint_url)
        yield seen


def needs(request: Request) -> tuple[str, str, str]:
    """(action, resource, prefix that is listed) of one request; KeyError where nobody knows which action it is."""
    query = parse_qs(request.query, keep_blank_values=True)
    assert query.keys() <= _TELLING | _HARMLESS | {"x-id"}, request
    told = " ".join(sorted(query.keys() & _TELLING))
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    action = (_OF_OBJECTS if key else _OF_BUCKETS)[request.method, told]
    return action, f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else ""), query.get("prefix", [""])[0]


def allowed(policy: Mapping[str, Any], action: str, resource: str, prefix: str) -> bool:
    """As Amazon decides, as far as these policies go: a star stands for anything at the end of a name alone."""
    return any(
        action in statement["Action"]
        and any(_like(resource, one) for one in statement["Resource"])
        and all(_like(prefix, one) for one in statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ()))
        for statement in policy["Statement"]
    )


def _like(value: str, pattern: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def every_call(store: ObjectStore, seen: HostileStore, folder: Path) -> dict[str, Callable[[], object]]:
    """Each method of a store, with what is large, what is missing and what breaks off."""
    body, upload = os.urandom(PART_BYTES + 1), store.start_upload("a/parts")
    other, local = store.start_upload("a/other"), folder / "local"
    local.write_bytes(body)

    def broken_off() -> None:
        store.put("a/small", b"1")
        seen.reset(lambda request: Fault("answer", 400, "BadDigest") if "partNumber" in request.query else None)
        with pytest.raises(LinesideError):
            store.put("a/large", body)
        seen.rule = lambda _request: None
        store.put("a/large", body)

    def missing() -> None:
        assert store.head("a/large") is not None
        assert store.head("a/nothing") is None

    def read() -> None:
        assert store.get("a/large") == body
        with pytest.raises(ObjectMissing):
            store.get("a/nothing")

    return {
        "put": broken_off,
        "put_file": lambda: store.put_file("a/file", local),
        "get": read,
        "get_file": lambda: store.get_file("a/file", folder / "back"),
        "head": missing,
        "list": lambda: [*store.list("a"), *store.list(""), *store.list("nothing")],
        "children": lambda: (store.children(""), store.children("a")),
        "folders": lambda: store.folders("a"),
        "delete": lambda: store.delete("a/small"),
        "get_range": lambda: store.get_range("a/large", 1, 100, bytes, _no_wait),
        "start_upload": lambda: None,
        "put_part": lambda: store.put_part("a/parts", upload, 1, 0, body, _no_wait),
        "parts": lambda: store.parts("a/parts", upload),
        "finish_upload": lambda: store.finish_upload("a/parts", upload, store.parts("a/parts", upload)),
        "abort_upload": lambda: store.abort_upload("a/other", other),
        "clear_uploads": lambda: (store.start_upload("a/old"), store.clear_uploads("a", 2**42)),
        "close": store.close,
    }


def _no_wait(_size: int) -> None:
    pass


@pytest.mark.parametrize("prefix", ["site/north", ""])
def test_what_a_store_asks_for_is_what_the_policy_allows(server: HostileStore, tmp_path: Path, prefix: str) -> None:
    address = f"s3://{BUCKET}/{prefix}"
    store, policy = open_store(address), access_policy(address)
    requests: list[Request] = []
    probe_store(store)
    calls = every_call(store, server, tmp_path)
    assert calls.keys() == {name for name in vars(ObjectStore) if not name.startswith("_")} - {"address"}
    requests += server.requests
    for call in calls.values():
        server.requests.clear()
        call()
        requests += server.requests
    needed = [needs(request) for request in requests]
    assert [one for one in needed if not allowed(policy, *one)] == []
    used = {action for action, _resource, _prefix in needed}
    assert used == {action for statement in policy["Statement"] for action in statement["Action"]}
    assert used == set(_OF_OBJECTS.values()) | set(_OF_BUCKETS.values())


def test_nothing_else_in_the_bucket_is_allowed() -> None:
    policy = access_policy(f"s3://{BUCKET}/site/north")
    bucket = f"arn:aws:s3:::{BUCKET}"
    for action in set(_OF_OBJECTS.values()):
        assert allowed(policy, action, f"{bucket}/site/north/a", "")
        for other in ("/site/northern/a", "/site/a", "/a", "-2/site/north/a", ""):
            assert not allowed(policy, action, f"{bucket}{other}", "")
    assert allowed(policy, "s3:ListBucket", bucket, "site/north/")
    for prefix in ("", "site/", "site/northern/"):
        assert not allowed(policy, "s3:ListBucket", bucket, prefix)
    assert not allowed(policy, "s3:ListBucket", f"{bucket}-2", "site/north/")
    assert "s3:*" not in json.dumps(policy)


@pytest.mark.parametrize(
    ("endpoint", "partition"),
    [
        (None, "aws"),
        ("https://minio.example.com:9000", "aws"),
        ("https://s3.us-gov-west-1.amazonaws.com", "aws-us-gov"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "aws-cn"),
    ],
)
def test_the_partition_is_the_endpoints(endpoint: str | None, partition: str) -> None:
    policy = access_policy("s3://bucket/p", endpoint_url=endpoint)
    resources = [one for statement in policy["Statement"] for one in statement["Resource"]]
    assert {one.split(":")[1] for one in resources} == {partition}


@pytest.mark.parametrize(
    "address", ["/mnt/nas", "folder:/mnt/nas", "", "s3://", "s3://b*ket/x", "s3://bucket/*", "s3://bucket/../x"]
)
def test_what_is_no_bucket_has_no_policy(address: str) -> None:
    with pytest.raises(InputInvalid):
        access_policy(address)
