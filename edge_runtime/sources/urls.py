"""Addresses of streams, and what of them may be shown."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from edge_runtime.contracts.errors import InputInvalid

PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
HIDDEN = "…"
"""What stands in place of a secret."""


def check_url(url: str) -> SplitResult:
    """The parts of a stream's URL.

    :raises InputInvalid: not an ``rtsp``, ``rtsps``, ``http`` or ``https`` URL; the message shows no password.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    # ffmpeg reads what follows a space or a line's end in its own way.
    if not usable or not re.fullmatch(r"[!-~]+", url) or len(url) > 2000:
        raise InputInvalid("A stream needs a URL such as rtsp://camera.local/live or http://camera.local/video.mjpg.")
    return parts


def without_secrets(url: str) -> str:
    """The URL without user, password and the values behind ``?``, in which cameras like to have passwords."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(f"{pair.partition('=')[0]}={HIDDEN}" if "=" in pair else HIDDEN for pair in parts.query.split("&"))
    return f"{parts.scheme}://{HIDDEN + at if user else ''}{host}{parts.path}{'?' + query if parts.query else ''}"
