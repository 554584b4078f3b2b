"""HTTP/1.1 as boxes speak it, seen from whoever asks one: the bytes of a request, and a reader of its answer. Pure.

An answer says how long it is and brings that much. Any other framing is refused: no box uses it, and whoever does may
want more memory or time than he was given.
"""

from __future__ import annotations

import re

import httptools

MAX_HEAD_BYTES = 64 * 1024
READ_BYTES = 64 * 1024
"""As much as should be read at a time."""
_SOUND_TARGET = re.compile(r"/[!-~]*")


class AnswerInvalid(Exception):
    """What came is no answer of a box; nothing more is to be read there."""


def request(method: str, target: str, body: bytes | None = None) -> bytes:
    """All of a request.

    :param target: path and query, quoted.
    :raises ValueError: the target is not.
    """
    if _SOUND_TARGET.fullmatch(target) is None:
        raise ValueError(f"{target!r} is no target of a request")
    head = f"{method} {target} HTTP/1.1\r\nHost: box\r\n"
    if body:
        head += "Content-Type: application/json\r\n"
    if method != "GET":
        head += f"Content-Length: {len(body or b'')}\r\n"
    return head.encode("ascii") + b"\r\n" + (body or b"")


class AnswerReader:
    """Takes the bytes of one answer until it is :attr:`complete`, and never holds more than it was told.

    :param limit: most bytes that the body may have.
    """

    def __init__(self, limit: int) -> None:
        self.status = 0
        self.body = bytearray()
        self.complete = False
        self.keeps_open = False
        """The connection is good for another request."""
        self._limit = limit
        self._begun, self._came, self._in_body = 0, 0, False
        self._lengths: list[bytes] = []
        self._wrong = ""
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what was read; nothing: the other side has ended the connection.

        :raises ConnectionResetError: before anything of an answer.
        :raises ConnectionAbortedError: in the middle of it.
        :raises AnswerInvalid: this is none, or it is too long.
        """
        if not data:
            if not self._came:
                raise ConnectionResetError("it ended the connection")
            raise ConnectionAbortedError("it ended the connection in the middle of an answer")
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise AnswerInvalid(self._wrong or "it is no HTTP that can be read") from error
        if not self._in_body and self._came > MAX_HEAD_BYTES:
            self._wrong = f"its head has more than {MAX_HEAD_BYTES} bytes"
        if self._wrong:
            raise AnswerInvalid(self._wrong)

    def on_message_begin(self) -> None:
        self._begun += 1
        if self._begun > 1:
            self._wrong = self._wrong or "it goes on after its end"

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self._lengths.append(value.strip())
        elif name == b"transfer-encoding":
            self._wrong = self._wrong or "it does not say how long it is"

    def on_headers_complete(self) -> None:
        # The parser forgets both when there is no body to come.
        self.status, self.keeps_open = self._parser.get_status_code(), self._parser.should_keep_alive()
        self._in_body = True
        if not 200 <= self.status <= 599:
            self._wrong = self._wrong or f"its status is {self.status}"
        elif len(self._lengths) != 1 or not self._lengths[0].isdigit():
            self._wrong = self._wrong or "it does not say how long it is"
        elif len(self._lengths[0]) > len(str(self._limit)) or int(self._lengths[0]) > self._limit:
            self._wrong = self._wrong or f"it has more than {self._limit} bytes"

    def on_body(self, body: bytes) -> None:
        if not self._wrong:
            self.body += body

    def on_message_complete(self) -> None:
        self.complete = True
