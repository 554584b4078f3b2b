"""Uploads in parts and ranges of objects, over any S3 server: botocore signs and carries, so that each part's sha256
is in its signature and the server checks it on arrival.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cloud_sync.objects.base import BLOCK_BYTES, Credentials, Pace, Part, Write
from cloud_sync.objects.s3_errors import code_of, no_answer, place, refusal
from edge_runtime.contracts.errors import (
    LinesideError,
    ObjectMissing,
    StoreCredentialsMissing,
    StoreRefused,
    StoreUnreachable,
)

if TYPE_CHECKING:
    from botocore.httpsession import URLLib3Session

CONNECT_TIMEOUT_S = 3.0
SILENCE_S = 20.0
"""How long a connection may stand still in either direction."""
CONNECTIONS = 16
_MAX_ANSWER_BYTES = 4 * 2**20
_UPLOAD_ID = re.compile(r"<UploadId>([^<]{1,2048})</UploadId>")
_UPLOAD = re.compile(r"<Upload>(.*?)</Upload>", re.DOTALL)
_PART = re.compile(r"<Part>(.*?)</Part>", re.DOTALL)
_NOT_ITS_PARTS = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "NoSuchUpload"})


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """Where a bucket is, and with what its requests are signed."""

    bucket: str
    prefix: str
    endpoint_url: str | None
    region: str
    virtual: bool
    """The bucket's name is the host's first label."""
    credentials: Callable[[], Credentials]

    def url(self, key: str) -> str:
        """Of an object, or of the bucket itself for ``""``."""
        host = self.endpoint_url or f"https://{self.bucket + '.' if self.virtual else ''}s3.{self.region}.amazonaws.com"
        path = "/".join(part for part in ("" if self.virtual else self.bucket, self.full(key) if key else "") if part)
        return f"{host}/{quote(path, safe='/-._~')}"

    def full(self, key: str) -> str:
        """A key with the store's prefix."""
        return f"{self.prefix}/{key}" if self.prefix else key


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def code(self) -> str | None:
        return code_of(self.body)


class S3Parts:
    """Requests of one bucket; from any thread."""

    def __init__(self, address: BucketAddress) -> None:
        # A tenth of a second to load, and not installed on training hosts: only where something is large.
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        self._at = address
        self._where = place(address.bucket, address.endpoint_url)
        self._session: URLLib3Session = URLLib3Session(
            verify=os.environ.get("AWS_CA_BUNDLE") or True,
            proxies=get_environ_proxies(address.url("")),
            timeout=(CONNECT_TIMEOUT_S, SILENCE_S),
            max_pool_connections=CONNECTIONS,
        )

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def get_range(self, key: str, start: int, length: int, write: Write, pace: Pace) -> None:
        """See :meth:`ObjectStore.get_range`."""
        headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        raw = self._send("GET", key, headers=headers)
        try:
            if raw.status_code not in (200, 206):
                raise self._refused(key, _read_answer(raw))
            # Some servers give the range, and say 200.
            span = str(raw.headers.get("Content-Range", ""))
            whole = not span and start == 0 and raw.headers.get("Content-Length") == str(length)
            if not span.startswith(f"bytes {start}-{start + length - 1}/") and not whole:
                raise StoreRefused(f"The object store {self._where} does not give parts of {key}.")
            came = 0
            for block in self._blocks(raw):
                came += len(block)
                if came > length:
                    raise StoreRefused(f"The object store {self._where} gave more of {key} than was asked for.")
                write(block)
                pace(len(block))
        finally:
            raw.raw.release_conn()
        if came < length:
            raise StoreUnreachable(f"The object store {self._where} broke off {key} after {start + came} bytes.")

    def start_upload(self, key: str) -> str:
        """See :meth:`ObjectStore.start_upload`."""
        answer = self._ask("POST", key, query={"uploads": ""})
        found = _UPLOAD_ID.search(answer.body)
        if found is None:
            raise StoreUnreachable(f"The object store {self._where} begins no upload of {key}.")
        return html.unescape(found[1])

    def put_part(self, key: str, upload: str, number: int, data: bytes, pace: Pace) -> None:
        """See :meth:`ObjectStore.put_part`."""
        self._ask("PUT", key, query={"partNumber": str(number), "uploadId": upload}, body=data, pace=pace)

    def parts(self, key: str, upload: str) -> dict[int, Part]:
        """See :meth:`ObjectStore.parts`."""
        found: dict[int, Part] = {}
        while True:
            query = {"uploadId": upload, "part-number-marker": str(max(found, default=0))}
            answer = self._ask("GET", key, query=query)
            page = {number: part for number, part in map(_part, _PART.findall(answer.body)) if number not in found}
            found |= page
            if not page or _text(answer.body, "IsTruncated") != "true":
                return found

    def finish_upload(self, key: str, upload: str, parts: Mapping[int, Part]) -> None:
        """See :meth:`ObjectStore.finish_upload`."""
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{html.escape(parts[number].tag)}</ETag></Part>"
            for number in sorted(parts)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        answer = self._ask("POST", key, query={"uploadId": upload}, body=body)
        # The status of this one goes out before the server knows how it ends.
        if "<Error>" in answer.body:
            raise self._refused(key, answer)

    def abort_upload(self, key: str, upload: str) -> None:
        """See :meth:`ObjectStore.abort_upload`."""
        try:
            self._ask("DELETE", key, query={"uploadId": upload})
        except ObjectMissing:
            return

    def clear_uploads(self, prefix: str, before_ms: int) -> int:
        """See :meth:`ObjectStore.clear_uploads`."""
        folder = self._at.full(prefix)
        old = [
            (key, upload)
            for key, upload, begun_ms in self._uploads(folder)
            if begun_ms < before_ms and key.startswith(f"{folder}/")
        ]
        for key, upload in old:
            self.abort_upload(key[len(self._at.full("")) :], upload)
        return len(old)

    def _uploads(self, folder: str) -> Iterator[tuple[str, str, int]]:
        marker: dict[str, str] = {}
        while True:
            try:
                answer = self._ask("GET", "", query={"uploads": "", "prefix": f"{folder}/", **marker})
            except ObjectMissing:
                return  # some servers say so where there is none
            for upload in _UPLOAD.findall(answer.body):
                with suppress(ValueError):  # of no time, it is taken for young
                    begun = datetime.fromisoformat(_text(upload, "Initiated"))
                    yield _text(upload, "Key"), _text(upload, "UploadId"), int(begun.timestamp() * 1000)
            following = {
                "key-marker": _text(answer.body, "NextKeyMarker"),
                "upload-id-marker": _text(answer.body, "NextUploadIdMarker"),
            }
            if _text(answer.body, "IsTruncated") != "true" or following == marker:
                return
            marker = following

    def _ask(
        self, method: str, key: str, *, query: Mapping[str, str], body: bytes = b"", pace: Pace | None = None
    ) -> _Answer:
        raw = self._send(method, key, query=query, body=body, pace=pace)
        try:
            answer = _read_answer(raw)
        finally:
            raw.raw.release_conn()
        if not 200 <= answer.status < 300:
            raise self._refused(key, answer)
        return answer

    def _send(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        pace: Pace | None = None,
    ) -> Any:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as Keys
        from botocore.exceptions import BotoCoreError

        try:
            found = self._at.credentials()
        except BotoCoreError as error:
            raise StoreCredentialsMissing(f"The credentials for {self._where} could not be renewed.") from error
        request = AWSRequest(
            method, self._at.url(key), headers=dict(headers or {}), data=body, params=dict(query or {})
        )
        keys = Keys(found.access_key_id, found.secret_access_key, found.session_token)
        S3SigV4Auth(keys, "s3", self._at.region).add_auth(request)
        prepared = request.prepare()
        prepared.stream_output = True
        if pace is not None:
            prepared.body = _PacedBody(body, pace)
        try:
            return self._session.send(prepared)
        except BotoCoreError as error:
            if isinstance(error.__context__, LinesideError):
                raise error.__context__ from None
            raise no_answer(error.__context__ or error, where=self._where) from error

    def _blocks(self, raw: Any) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        try:
            yield from raw.raw.stream(BLOCK_BYTES)
        except HTTPError as error:
            raise no_answer(error, where=self._where) from error

    def _refused(self, key: str, answer: _Answer) -> LinesideError:
        if answer.code in _NOT_ITS_PARTS:
            return ObjectMissing(f"The upload of {key} in {self._where} is gone, or a part of it ({answer.code}).")
        return refusal(answer.status, answer.code, key=key or "the list of uploads", where=self._where)


class _PacedBody:
    """Bytes that go out block by block, each when ``pace`` lets it."""

    def __init__(self, data: bytes, pace: Pace) -> None:
        self._data = memoryview(data)
        self._pace = pace

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self._data), BLOCK_BYTES):
            block = self._data[start : start + BLOCK_BYTES]
            self._pace(len(block))
            yield block


def _read_answer(raw: Any) -> _Answer:
    from urllib3.exceptions import HTTPError

    try:
        body = raw.raw.read(_MAX_ANSWER_BYTES)
    except HTTPError as error:
        raise StoreUnreachable("The object store broke off its answer.") from error
    return _Answer(raw.status_code, raw.headers, body.decode("utf-8", "replace"))


def _part(xml: str) -> tuple[int, Part]:
    number, size = (_text(xml, name) for name in ("PartNumber", "Size"))
    if not (number.isdecimal() and size.isdecimal()):
        raise StoreUnreachable("The object store's list of parts cannot be read.")
    return int(number), Part(int(size), _text(xml, "ETag"))


def _text(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]{{0,4096}})</{name}>", xml)
    return html.unescape(found[1]) if found else ""
