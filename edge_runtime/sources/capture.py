"""Pictures through OpenCV: from a camera, a stream or a video file."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.inference.preprocess import MAX_FRAME_PIXELS

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
JPEG_QUALITY = 95
"""Hardly a trace of it in the picture; 640×480 take about a millisecond to encode."""
_FORMATS = "avi,flv,m4v,matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpjpeg,rtp,rtsp,sdp,h264,hevc"
_OPTIONS = f"rtsp_flags;prefer_tcp|format_whitelist;{_FORMATS}"
_JPEG_END = b"\xff\xd9"
_RAW = -1.0


class Picture:
    """One picture as it left the decoder, or as the JPEG that the camera made of it."""

    __slots__ = ("_pixels",)

    def __init__(self, pixels: npt.NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def same_as(self, other: Picture) -> bool:
        """Equal in every bit, which no two pictures of a sensor are: its noise differs."""
        ours, theirs = self._pixels, other._pixels
        if ours.shape != theirs.shape:
            return False
        # A few rows tell nearly always.
        return bool((ours[::61] == theirs[::61]).all()) and bool(np.array_equal(ours, theirs))

    def jpeg(self) -> bytes:
        """The camera's own JPEG where it sent one, else one of :data:`JPEG_QUALITY`; empty where that fails."""
        if self._pixels.ndim == 2 and self._pixels.shape[0] == 1:
            raw = self._pixels.tobytes()
            end = raw.rfind(_JPEG_END)
            # Cameras pad their buffers.
            return raw[: end + len(_JPEG_END)] if end >= 0 else raw
        try:
            encoded, data = cv2.imencode(".jpg", self._pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        except cv2.error:
            return b""
        return bytes(data) if encoded else b""


class Capture:
    """An open camera, stream or file; used by one thread, closed by any.

    :attr:`is_open` is False where it could not be opened, for a reason that OpenCV does not tell.
    """

    def __init__(self, target: str, backend: int, *, network: bool = False) -> None:
        _keep_quiet()
        timeouts = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(OPEN_TIMEOUT_S * 1000)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(READ_TIMEOUT_S * 1000)),
        ]
        try:
            self._capture: Any = cv2.VideoCapture(target, backend, timeouts if network else [])
            self.is_open = bool(self._capture.isOpened()) and self._set_up(backend)
        except cv2.error:
            self.is_open = False

    @property
    def fps(self) -> float:
        """Pictures a second as the file says; 25 where it says nothing sensible."""
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        return fps if 0.01 <= fps <= 1000 else 25.0

    def grab(self) -> bool:
        """Go to the next picture; False at the end, or when none came in time."""
        try:
            return bool(self._capture.grab())
        except cv2.error:
            return False

    def picture(self) -> Picture | None:
        """The picture that was grabbed."""
        try:
            found, pixels = self._capture.retrieve()
        except cv2.error:
            return None
        return Picture(pixels) if found and pixels is not None and pixels.size else None

    def close(self) -> None:
        self._capture.release()

    def _set_up(self, backend: int) -> bool:
        """Ask for JPEG as the camera made it; False for pictures that are larger than anything a camera has."""
        capture = self._capture
        if backend == cv2.CAP_V4L2:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        if _fourcc(capture) in ("MJPG", "JPEG"):
            if backend == cv2.CAP_V4L2:
                capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
            else:
                capture.set(cv2.CAP_PROP_FORMAT, _RAW)
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        return bool(width * height <= MAX_FRAME_PIXELS)


def _fourcc(capture: Any) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    return code.to_bytes(4, "little").decode("latin-1").upper()


def _keep_quiet() -> None:
    """What ffmpeg prints would fill the journal, with addresses and their passwords.

    The formats are those of cameras: playlists and the like could name other files of this machine.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", _OPTIONS)
