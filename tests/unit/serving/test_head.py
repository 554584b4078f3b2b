"""Heads and chunks: read the same however they are cut, and never beyond their bounds."""

from __future__ import annotations

from itertools import pairwise

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.serving import chunks
from edge_runtime.serving.chunks import ChunkedBody
from edge_runtime.serving.head import MAX_HEAD_BYTES, MAX_KEPT_BYTES, Head, read_head
from edge_runtime.serving.http import HttpResponse
from tests.unit.serving.raw_client import chunked, request

MOST = 1000
PIECES = st.lists(st.binary(min_size=1, max_size=60), max_size=8)


def fed(stream: bytes, cuts: list[int], *, most: int = MOST) -> tuple[ChunkedBody, int | HttpResponse]:
    """The body after this stream came in these pieces, and how much of it was taken or why it was refused."""
    body, taken = ChunkedBody(most), 0
    for begin, end in pairwise((0, *cuts, len(stream))):
        used = body.feed(stream[begin:end])
        if isinstance(used, HttpResponse):
            return body, used
        taken += used
        if body.complete:
            break
    return body, taken


def cuts(stream: bytes) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(stream)), max_size=6, unique=True).map(sorted)


@given(PIECES, st.binary(max_size=20), st.data())
def test_chunks_are_put_together_however_they_are_cut(pieces: list[bytes], behind: bytes, data: st.DataObject) -> None:
    stream = chunked(*pieces)
    body, taken = fed(stream + behind, data.draw(cuts(stream)))
    assert body.complete
    assert taken == len(stream), "what stands behind the body is not touched"
    assert bytes(body.body) == b"".join(pieces)


BITS = [
    b"1",
    b"a",
    b"0",
    b"FF",
    b"\r\n",
    b"\n",
    b"\r",
    b";x",
    b" ",
    b"x",
    b"-",
    b"0\r\n\r\n",
    b"1\r\nz\r\n",
    b"T: y\r\n",
]
STREAMS = st.lists(st.sampled_from(BITS), max_size=8).map(b"".join)


@given(st.binary(max_size=40) | STREAMS, st.data())
def test_what_comes_of_a_stream_does_not_depend_on_where_it_is_cut(stream: bytes, data: st.DataObject) -> None:
    whole, outcome = fed(stream, [])
    other, again = fed(stream, data.draw(cuts(stream)))
    assert (whole.complete, isinstance(outcome, HttpResponse)) == (other.complete, isinstance(again, HttpResponse))
    if whole.complete:
        assert (whole.body, outcome) == (other.body, again)


class Listening:
    """Takes what another parser finds."""

    def __init__(self) -> None:
        self.body, self.complete = b"", False

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.complete = True


@settings(max_examples=200)
@given(STREAMS)
def test_what_is_taken_for_a_whole_body_is_one_for_others_too(stream: bytes) -> None:
    """Whoever stands in front of the box must see the end of a body in the same place."""
    body, taken = fed(stream, [])
    if not body.complete or isinstance(taken, HttpResponse):
        return
    theirs = Listening()
    parser = httptools.HttpRequestParser(theirs)
    parser.feed_data(request("/", b"", "Transfer-Encoding: chunked", method="POST") + stream[:taken])
    assert theirs.complete
    assert theirs.body == bytes(body.body)


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"3e9\r\n", 413),
        (b"1f4\r\n" + bytes(500) + b"\r\n1f5\r\n", 413),
        (b"f" * 16 + b"\r\n", 413),
        (b"f" * 17 + b"\r\n", 400),
        (b"-1\r\n", 400),
        (b"0x1\r\n", 400),
        (b"+1\r\n", 400),
        (b"1_0\r\n", 400),
        (b"\r\n", 400),
        (b" 1\r\n", 400),
        (b"1\nz\n", 400),
        (b"1\r\nzz\r\n", 400),
        (b"1;" + b"x" * 9000, 400),
        (b"0\r\n" + b"T: y\n", 400),
    ],
    ids=lambda each: str(each)[:40],
)
def test_chunks_that_are_none_are_refused(stream: bytes, status: int) -> None:
    _, refusal = fed(stream, [])
    assert isinstance(refusal, HttpResponse)
    assert refusal.status == status


def test_wrapping_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SLACK_BYTES", 100)
    for stream in (b"1;" + b"x" * 50 + b"\r\nz\r\n", b"1\r\nz\r\n"):
        _, refusal = fed(stream * 50, list(range(0, 50 * len(stream), len(stream)))[1:])
        assert isinstance(refusal, HttpResponse)
        assert refusal.status == 413
    _, refusal = fed(b"0\r\n" + b"T: y\r\n" * 50, list(range(3, 300, 6)))
    assert isinstance(refusal, HttpResponse)


def head(*headers: str, version: str = "1.1", method: str = "POST") -> Head:
    found = read_head(request("/v2?x=y", b"", *headers, method=method, version=version), 10**6)
    assert isinstance(found, Head), found
    return found


def test_what_a_head_says() -> None:
    assert head() == Head(method=b"POST", target=b"/v2?x=y", keep_alive=True)
    assert head("Content-Length: 7", "EXPECT: 100-Continue").wants_continue
    assert not head("Expect: 100-continue").wants_continue, "there is no body to ask for"
    assert head("content-length: 7").length == 7
    assert head("Transfer-Encoding: chunked").chunked
    assert not head("Connection: close").keep_alive
    assert not head(version="1.0").keep_alive
    assert not head().is_old
    assert isinstance(read_head(b"GET / HTTP/1.0\r\n\r\n", 10), Head), "which need not say whom it asks"
    assert isinstance(read_head(b"GET / HTTP/1.1\r\nhost:\r\n\r\n", 10), Head)
    old = head("Connection: keep-alive", version="1.0")
    assert (old.keep_alive, old.is_old) == (True, True)
    assert head("Transfer-Encoding: Chunked").chunked
    assert head("Accept: a/b", "Accept: c/d").accept == "a/b, c/d"
    assert head("Content-Encoding: GZip").encoding == "gzip"
    assert head("Content-Encoding: identity").encoding == ""
    assert [
        head(f"Inference-Header-Content-Length: {text}").json_length for text in ("0", "12", "-1", "1e3", "9" * 13)
    ] == [
        0,
        12,
        -1,
        -1,
        -1,
    ]
    assert head("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 3").length == 3


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (request("/", b"", "Content-Length: 1000001", method="POST"), 413),
        (request("/", b"", "Content-Length: -1", method="POST"), 400),
        (request("/", b"", "Content-Length: +1", method="POST"), 400),
        (request("/", b"", "Content-Length: 1, 1", method="POST"), 400),
        (request("/", b"", "Content-Length: 1", "Content-Length: 1", method="POST"), 400),
        (request("/", b"", "Content-Length: 1", "Transfer-Encoding: chunked", method="POST"), 400),
        (request("/", b"", "Transfer-Encoding: gzip", method="POST"), 400),
        (request("/", b"", "Transfer-Encoding: foo", method="POST"), 400),
        (request("/", b"", "Transfer-Encoding: identity", method="POST"), 400),
        (request("/", b"", "Transfer-Encoding: chunked, gzip", method="POST"), 400),
        (request("/", b"", "Transfer-Encoding: gzip, chunked", method="POST"), 501),
        (request("/", b"", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked", method="POST"), 501),
        (request("/", b"", "Transfer-Encoding: chunked, chunked", method="POST"), 400),
        (request("/", b"", "X : y"), 400),
        (request("/", b"", "X: a\0b"), 400),
        (request("/", version="3.1"), 400),
        (request("/ x"), 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (request("/", b"", "Host: other"), 400),
        (request("/", b"", *("X: y" for _ in range(101))), 431),
        (request("/", b"", "X: " + "y" * MAX_HEAD_BYTES), 431),
    ],
    ids=lambda each: str(each)[:60],
)
def test_heads_that_are_refused(block: bytes, status: int) -> None:
    for _ in range(2):
        refusal = read_head(block, 10**6)
        assert isinstance(refusal, HttpResponse)
        assert (refusal.status, refusal.close) == (status, True)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_a_head_or_refused(block: bytes) -> None:
    found = read_head(block + b"\r\n\r\n", 10)
    assert isinstance(found, Head | HttpResponse)


def test_a_long_head_is_read_like_a_short_one() -> None:
    short = head("Content-Length: 3")
    assert head("Content-Length: 3", "X: " + "y" * MAX_KEPT_BYTES) == short
