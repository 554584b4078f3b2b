"""A client that speaks HTTP byte by byte, so that it can speak it badly."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection; everything that is read has 20 seconds to come."""

    def __init__(self, address: tuple[str, int], *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(address)
        self._read = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> RawClient:
        self.socket.sendall(data)
        return self

    def answer(self) -> Answer:
        """The next response; AssertionError when the connection ends before it is whole."""
        head = self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        length = int(headers.get("content-length", "0"))
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return Answer(int(first.split()[1]), headers, body)

    def ended(self) -> bool:
        """Whether the server has closed, with nothing more to say; waits for it."""
        try:
            self._read += self.socket.recv(65536)
        except ConnectionError:
            return True
        return not self._read

    def head(self) -> bytes:
        """The next answer's head alone, where no body comes."""
        return self._until(b"\r\n\r\n")

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        head, _, self._read = self._read.partition(mark)
        return head

    def _more(self) -> None:
        got = self.socket.recv(65536)
        assert got, f"the server closed after {self._read!r}"
        self._read += got


def request(target: str, body: bytes = b"", *headers: str, method: str | None = None, version: str = "1.1") -> bytes:
    """A whole request; POST where there is a body."""
    method = method or ("POST" if body else "GET")
    lines = [f"{method} {target} HTTP/{version}", "Host: box", *headers]
    if body and not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def echo_body(*values: float, datatype: str = "FP32", request_id: str = "") -> bytes:
    """A JSON question for a model with input ``x`` of one axis."""
    tensor = {"name": "x", "shape": [len(values)], "datatype": datatype, "data": list(values)}
    return json.dumps({"id": request_id, "inputs": [tensor]}).encode()


def binary_echo(values: np.ndarray[Any, Any], *, name: str = "x") -> tuple[bytes, str]:
    """The same with binary tensors both ways; the body, and the header that says where the JSON ends."""
    text = json.dumps(
        {
            "inputs": [
                {
                    "name": name,
                    "shape": list(values.shape),
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": values.nbytes},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    return text + values.tobytes(), f"Inference-Header-Content-Length: {len(text)}"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
