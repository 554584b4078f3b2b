"""A network camera that does what real ones do: it hangs, it cuts, it freezes, it comes back. And video files."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal

import cv2
import numpy as np

Mode = Literal["live", "frozen", "hang", "cut", "junk", "forbidden"]
PICTURES = 24


def pictures(count: int = PICTURES, *, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Scenes that differ, each brighter than the last."""
    rng = np.random.default_rng(7)
    return [rng.integers(5 * i, 5 * i + 60, (height, width, 3), np.uint8) for i in range(count)]


def jpegs(count: int = PICTURES) -> list[bytes]:
    return [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures(count)]


def write_video(path: Path, *, codec: str = "MJPG", fps: float = 20.0, count: int = PICTURES) -> None:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (64, 48))
    assert writer.isOpened()
    for picture in pictures(count):
        writer.write(picture)
    writer.release()


class NetworkCamera:
    """MJPEG over HTTP, a picture every ``pause_s``, in a ``mode`` that may change while it is looked at."""

    def __init__(self, *, user: str | None = None, port: int = 0, pause_s: float = 0.01) -> None:
        self.mode: Mode = "live"
        self.shown = 0
        self._pause_s = pause_s
        self.jpegs = jpegs()
        self.visits = 0
        self._user = user
        self._closing = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.visits += 1
                camera._serve(self)

            def log_request(self, *_: object) -> None:
                """Tests are quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Whoever looks may leave at any time."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/live.mjpg"

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        wanted = f"Basic {base64.b64encode((self._user or '').encode()).decode()}"
        if self._user and request.headers.get("Authorization") != wanted:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        mode = self.mode
        if mode == "forbidden" or not request.path.startswith("/live.mjpg"):
            request.send_error(403 if mode == "forbidden" else 404)
            return
        if mode == "junk":
            request.send_response(200)
            request.end_headers()
            request.wfile.write(b"<html>no camera" * 1000)
            return
        if mode == "hang":
            self._closing.wait(60)
            return
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        number = 0
        while self.mode != "cut" and not self._closing.wait(self._pause_s):
            if self.mode == "hang":
                continue
            number += self.mode == "live"
            body = self.jpegs[number % len(self.jpegs)]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            request.wfile.write(head.encode() + body + b"\r\n")
            self.shown += 1

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> NetworkCamera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
