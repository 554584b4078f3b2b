"""Answers that are read from somebody who may be hostile: how long they are is said before, and no more is taken."""

from __future__ import annotations

import pytest

from edge_runtime.http_answers import MAX_HEAD_BYTES, AnswerInvalid, AnswerReader, request

LIMIT = 1000
OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("piece", [1, 7, len(WHOLE)])
def test_an_answer_comes_in_whatever_pieces(piece: int) -> None:
    reader = AnswerReader(LIMIT)
    for start in range(0, len(WHOLE), piece):
        assert not reader.complete
        reader.feed(WHOLE[start : start + piece])
    assert (reader.complete, reader.status, bytes(reader.body), reader.keeps_open) == (True, 200, b"hello", True)


@pytest.mark.parametrize(
    ("head", "status", "keeps_open"),
    [(OK, 200, True), (OK + b"Connection: close\r\n", 200, False), (b"HTTP/1.1 404 Not Found\r\n", 404, True)],
)
def test_without_a_body_it_ends_with_its_head(head: bytes, status: int, keeps_open: bool) -> None:
    reader = AnswerReader(LIMIT)
    reader.feed(head + b"Content-Length: 0\r\n\r\n")
    assert (reader.complete, reader.status, reader.keeps_open, bytes(reader.body)) == (True, status, keeps_open, b"")


INVALID = {
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a chunk of less than nothing": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
    "a chunk without end": OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunks and a length": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    "another encoding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "no length": OK + b"\r\nhello",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "less than nothing": OK + b"Content-Length: -5\r\n\r\nhello",
    "no number": OK + b"Content-Length: +5\r\n\r\nhello",
    "too long": OK + b"Content-Length: 1001\r\n\r\nhello",
    "far too long": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
    "more than it said": WHOLE + b"!",
    "two answers": WHOLE + WHOLE,
    "more after the last": OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello, you",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "in between": b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
    "no status": b"HTTP/1.1 999 x\r\nContent-Length: 5\r\n\r\nhello",
    "not the protocol": b"SSH-2.0-OpenSSH\r\n",
    "an endless head": OK + b"a: b\r\n" * MAX_HEAD_BYTES,
    "an endless header": OK + b"a: " + b"b" * MAX_HEAD_BYTES,
}


@pytest.mark.parametrize("sent", INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("piece", [1000, 10**6])
def test_what_is_no_answer_of_a_box_is_refused(sent: bytes, piece: int) -> None:
    reader = AnswerReader(LIMIT)
    with pytest.raises(AnswerInvalid):
        for start in range(0, len(sent), piece):
            reader.feed(sent[start : start + piece])
    assert len(reader.body) <= LIMIT


def test_where_it_ends_is_told_apart() -> None:
    with pytest.raises(ConnectionResetError):
        AnswerReader(LIMIT).feed(b"")
    reader = AnswerReader(LIMIT)
    reader.feed(WHOLE[:-1])
    with pytest.raises(ConnectionAbortedError):
        reader.feed(b"")


def test_a_request_says_how_long_its_body_is() -> None:
    assert request("GET", "/v1/status?since=1") == b"GET /v1/status?since=1 HTTP/1.1\r\nHost: box\r\n\r\n"
    assert request("POST", "/v1/roll") == b"POST /v1/roll HTTP/1.1\r\nHost: box\r\nContent-Length: 0\r\n\r\n"
    assert request("PUT", "/x", b"{}").endswith(b"\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize("target", ["", "v1", "/a b", "/a\r\nX: y", "/é"])
def test_a_target_that_is_not_quoted_is_no_request(target: str) -> None:
    with pytest.raises(ValueError, match="no target"):
        request("GET", target)
