"""A camera that speaks RTSP: JPEG pictures (RFC 2435) over the connection that asked for them, with a password."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import socketserver
import struct
import threading
from types import TracebackType
from urllib.request import parse_http_list, parse_keqv_list

from tests.fakes.cameras import jpegs

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"
WIDTH, HEIGHT = 64, 48


def packets(jpeg: bytes, sequence: int, timestamp: int) -> list[bytes]:
    """RTP packets of one picture, with its own quantization tables."""
    tables = b"".join(table[1:] for table in re.findall(rb"\xff\xdb\x00\x43(.{65})", jpeg, re.DOTALL))
    assert len(tables) == 128
    scan = jpeg.index(b"\xff\xda")
    data = jpeg[scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big") : -2]
    found: list[bytes] = []
    for begin in range(0, len(data), 1000):
        piece = data[begin : begin + 1000]
        last = begin + len(piece) == len(data)
        head = struct.pack(">BBHII", 0x80, 26 | last << 7, (sequence + len(found)) % 65536, timestamp, 1)
        head += struct.pack(">IBBBB", begin, 1, 255, WIDTH // 8, HEIGHT // 8)
        if begin == 0:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        found.append(head + piece)
    return found


def knows(given: str, user: str, method: str, nonce: str) -> bool:
    """Whether a Digest answer, as RFC 2069 had it and cameras still do, is that of ``name:password``."""
    told = parse_keqv_list(parse_http_list(given.removeprefix("Digest ")))
    name, _, password = user.partition(":")
    first = hashlib.md5(f"{name}:camera:{password}".encode(), usedforsecurity=False).hexdigest()
    second = hashlib.md5(f"{method}:{told.get('uri')}".encode(), usedforsecurity=False).hexdigest()
    whole = hashlib.md5(f"{first}:{nonce}:{second}".encode(), usedforsecurity=False).hexdigest()
    return told.get("nonce") == nonce and told.get("response") == whole


class RtspCamera:
    """Sends pictures to whoever knows the password and asks for ``/live``.

    :param digest: takes the password as Digest, on the connection on which it asked for it and on no other.
    """

    def __init__(self, *, user: str, digest: bool = False) -> None:
        self.jpegs = jpegs()
        self._closing = threading.Event()
        camera = self
        wanted = f"Basic {base64.b64encode(user.encode()).decode()}"

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                nonce = secrets.token_hex(8)
                way = f'Digest realm="camera", nonce="{nonce}"' if digest else 'Basic realm="camera"'
                while (request := self._request()) is not None:
                    method, url, fields = request
                    given = fields.get("authorization", "")
                    if not (knows(given, user, method, nonce) if digest else given == wanted):
                        self._answer(fields, "401 Unauthorized", {"WWW-Authenticate": way})
                    elif "/live" not in url:
                        self._answer(fields, "404 Not Found", {})
                    elif method == "DESCRIBE":
                        self._answer(
                            fields, "200 OK", {"Content-Base": f"{url}/", "Content-Type": "application/sdp"}, SDP
                        )
                    elif method == "SETUP":
                        self._answer(fields, "200 OK", {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"})
                    else:
                        self._answer(fields, "200 OK", {})
                    if method == "PLAY":
                        camera._play(self.wfile.write)

            def _request(self) -> tuple[str, str, dict[str, str]] | None:
                first = self.rfile.readline().decode()
                fields = {}
                while line := self.rfile.readline().decode().strip():
                    key, _, value = line.partition(":")
                    fields[key.lower()] = value.strip()
                words = first.split()
                return (words[0], words[1], fields) if len(words) == 3 else None

            def _answer(self, fields: dict[str, str], status: str, more: dict[str, str], body: str = "") -> None:
                told = {"CSeq": fields.get("cseq", "0"), "Session": "1", **more, "Content-Length": str(len(body))}
                lines = [f"RTSP/1.0 {status}", *(f"{key}: {value}" for key, value in told.items()), "", body]
                self.wfile.write("\r\n".join(lines).encode())

        class Server(socketserver.ThreadingTCPServer):
            # Else closing waits for whoever keeps a connection open and says nothing.
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Whoever looks may leave at any time."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.place = f"127.0.0.1:{self._server.server_address[1]}/live"

    def _play(self, send: object) -> None:
        assert callable(send)
        sequence = number = 0
        while not self._closing.wait(0.02):
            for packet in packets(self.jpegs[number % len(self.jpegs)], sequence, number * 1800):
                send(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
                sequence += 1
            number += 1

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> RtspCamera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
