"""An object store in a bucket of any S3 server: whole objects and lists through obstore, parts of objects through
:mod:`cloud_sync.objects.s3_parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from cloud_sync.objects.base import (
    MAX_GET_BYTES,
    PART_BYTES,
    Children,
    Credentials,
    ObjectInfo,
    Pace,
    Part,
    Write,
    check_bucket,
    check_key,
    check_prefix,
    is_key,
    too_large,
)
from cloud_sync.objects.files import open_local, write_local
from cloud_sync.objects.s3_errors import explained
from cloud_sync.objects.s3_parts import BucketAddress, S3Parts
from edge_runtime.contracts.errors import InputInvalid, LinesideError, ObjectMissing, StoreRefused

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

CONNECT_TIMEOUT = timedelta(seconds=3)
REQUEST_TIMEOUT = timedelta(seconds=10)
"""For a request without a body to speak of: head, list, delete, small puts. Bounds how long a silent server is waited
for; with the retries, an unreachable one is given up after about ten seconds."""
READ_TIMEOUT = timedelta(seconds=10)
"""A download may take for ever, but not stand still for longer than this."""
PART_TIMEOUT = timedelta(seconds=180)
"""For one part of an upload: 20 MiB in flight at 1 Mbit/s."""
RETRIES = 2
RETRY_TIMEOUT = timedelta(seconds=8)
"""No retry begins later than this after the first request."""
PARTS_IN_FLIGHT = 4
SMALL_BYTES = 64 * 2**10
CHUNK_BYTES = 4 * 2**20


class S3Store:
    """Objects under a prefix of a bucket.

    :param endpoint_url: an S3 server other than Amazon's; addressed by path.
    :param credentials: asked for whenever a session needs them, from any thread.
    :raises InputInvalid: not an S3 address or endpoint.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        credentials: Callable[[], Credentials],
        endpoint_url: str | None = None,
        region: str = "us-east-1",
    ) -> None:
        self._prefix = check_prefix(prefix)
        self.address = f"s3://{check_bucket(bucket)}/{self._prefix}".rstrip("/")
        self.endpoint_url = _checked_endpoint(endpoint_url)
        self._bucket = bucket

        # Virtual hosts need DNS names and a certificate for the bucket: only Amazon's own endpoint surely has them, and
        # its certificate does not cover a bucket with dots in its name.
        virtual = self.endpoint_url is None and "." not in bucket
        self._at = BucketAddress(bucket, self._prefix, self.endpoint_url, region, virtual, credentials)
        config: S3Config = {"region": region, "virtual_hosted_style_request": virtual, "disable_bulk_delete": True}
        if self.endpoint_url is not None:
            config["endpoint"] = self.endpoint_url

        def provide() -> S3Credential:
            found = credentials()
            return {
                "access_key_id": found.access_key_id,
                "secret_access_key": found.secret_access_key,
                "token": found.session_token,
                "expires_at": None,
            }

        def client(options: ClientConfig) -> Bucket:
            return Bucket(
                bucket,
                prefix=self._prefix or None,
                config=config,
                client_options={
                    "connect_timeout": CONNECT_TIMEOUT,
                    "allow_http": (self.endpoint_url or "").startswith("http://"),
                    **options,
                },
                retry_config=_RETRY,
                credential_provider=provide,
            )

        self._control = client({"timeout": REQUEST_TIMEOUT})
        self._down = client({"timeout": timedelta(days=1), "read_timeout": READ_TIMEOUT})
        self._up = client({"timeout": PART_TIMEOUT})

    def __repr__(self) -> str:
        return f"S3Store({self.address!r}, endpoint_url={self.endpoint_url!r})"

    def put(self, key: str, data: bytes) -> None:
        client = self._control if len(data) <= SMALL_BYTES else self._up
        with self._errors(check_key(key)):
            obstore.put(client, key, data, chunk_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT)

    def put_file(self, key: str, path: Path) -> None:
        check_key(key)
        with open_local(path) as source, self._errors(key):
            obstore.put(self._up, key, source, chunk_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT)

    def get(self, key: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        body = bytearray()
        for chunk in self._chunks(key):
            body += chunk
            if len(body) > max_bytes:
                raise too_large(key, max_bytes)
        return bytes(body)

    def get_file(self, key: str, path: Path) -> None:
        write_local(path, self._chunks(key))

    def head(self, key: str) -> ObjectInfo | None:
        try:
            with self._errors(check_key(key)):
                return _info(key, obstore.head(self._control, key))
        except ObjectMissing:
            return None
        except StoreRefused:
            # The answer to this has no body, and so no reason: a list of nothing is refused with one.
            for _none in self.list(f"{key}/none"):
                break
            raise

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix)
        before = None
        with self._errors(folder or "list"):
            for page in obstore.list(self._control, f"{folder}/" if folder else None, chunk_size=1000):
                for meta in page:
                    # A server over a file system may name a key twice that was written by several at once.
                    if is_key(meta["path"]) and meta["path"] != before:
                        before = meta["path"]
                        yield _info(before, meta)

    def children(self, prefix: str) -> Children:
        folder = check_prefix(prefix)
        with self._errors(folder or "list"):
            found = obstore.list_with_delimiter(self._control, f"{folder}/" if folder else None)
        return Children(_names(found["common_prefixes"]), _names(meta["path"] for meta in found["objects"]))

    def folders(self, prefix: str) -> tuple[str, ...]:
        return self.children(prefix).folders

    def delete(self, key: str) -> None:
        try:
            with self._errors(check_key(key)):
                obstore.delete(self._control, key)
        except ObjectMissing:
            return

    @cached_property
    def _parts(self) -> S3Parts:
        return S3Parts(self._at)

    def get_range(self, key: str, start: int, length: int, write: Write, pace: Pace) -> None:
        self._parts.get_range(check_key(key), start, length, write, pace)

    def start_upload(self, key: str) -> str:
        return self._parts.start_upload(check_key(key))

    def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
        self._parts.put_part(check_key(key), upload, number, data, pace)

    def parts(self, key: str, upload: str) -> dict[int, Part]:
        return self._parts.parts(check_key(key), upload)

    def finish_upload(self, key: str, upload: str, parts: Mapping[int, Part]) -> None:
        self._parts.finish_upload(check_key(key), upload, parts)

    def abort_upload(self, key: str, upload: str) -> None:
        self._parts.abort_upload(check_key(key), upload)

    def clear_uploads(self, prefix: str, before_ms: int) -> int:
        return self._parts.clear_uploads(check_prefix(prefix), before_ms)

    def close(self) -> None:
        """End the connections of parts; obstore's end with the process."""
        if "_parts" in self.__dict__:
            self._parts.close()

    def _chunks(self, key: str) -> Iterator[bytes]:
        with self._errors(check_key(key)):
            for chunk in obstore.get(self._down, key).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Every failure as one of ours. ``key`` may also be a word for what was done."""
        try:
            yield
        except LinesideError:
            raise
        # obstore says FileNotFoundError for a missing object, and other OSErrors of a local file that it reads.
        except (BaseError, OSError) as error:
            raise explained(error, key=key, bucket=self._bucket, endpoint_url=self.endpoint_url) from error


_RETRY: RetryConfig = {
    "max_retries": RETRIES,
    "retry_timeout": RETRY_TIMEOUT,
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=1), "base": 2},
}


def _names(paths: Iterable[str]) -> tuple[str, ...]:
    names = (path.rstrip("/").rsplit("/", 1)[-1] for path in paths)
    return tuple(sorted({name for name in names if is_key(name)}))


def _info(key: str, meta: ObjectMeta) -> ObjectInfo:
    # Some servers quote the tag in one answer and not in another.
    etag = meta["e_tag"].strip('"') if meta["e_tag"] else None
    modified_ms = int(meta["last_modified"].timestamp() * 1000)
    return ObjectInfo(key=key, size=meta["size"], modified_ms=modified_ms, etag=etag)


def _checked_endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise InputInvalid("The endpoint's address must look like https://host or http://host:port.")
    if parts.username is not None or parts.password is not None:
        raise InputInvalid("The endpoint's address must not hold a user name or password; give credentials apart.")
    return url.rstrip("/")
