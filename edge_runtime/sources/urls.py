"""Addresses of streams, and what of them may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from edge_runtime.contracts.errors import InputInvalid

PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
HIDDEN = "…"
"""What stands in place of a secret."""
_TELLING = re.compile(
    "pw|pwd|pass|passwd|password|passphrase|passcode|pin|secret|token|key|apikey"
    "|user|usr|username|login|auth|credential|credentials"
)
"""What follows a part of a path that is called so is a secret."""
_PAIR = re.compile(r"([^=:]*[=:])(.*)", re.DOTALL)
_TOKEN = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[0-9A-Za-z]{16,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""Nobody gives a name like this to a stream: who knows it may see it."""


class PathPart(NamedTuple):
    """Of a path; all ``before`` and ``value`` together are the path."""

    before: str
    value: str
    key: str | None
    """By what the secret ``value`` is known in other paths; None: it is none."""


def path_parts(path: str) -> Iterator[PathPart]:
    """The parts of a URL's path: cameras like to have passwords there too, as in ``/user=admin&password=x`` or
    ``/pw/x``. The same for a path whose secrets are hidden.
    """
    previous = ""
    for number, segment in enumerate(path.split("/")):
        slash = "/" if number else ""
        if _PAIR.fullmatch(segment):
            shown = ""
            for at, text in enumerate(re.split("([&;])", segment)):
                pair = _PAIR.fullmatch(text) if at % 2 == 0 else None
                yield PathPart(slash + (pair[1] if pair else text), pair[2] if pair else "", pair[1] if pair else None)
                slash, shown = "", f"{shown}{pair[1] + HIDDEN if pair else text}"
            previous = shown
            continue
        secret = segment and (_is_telling(previous) or segment == HIDDEN or _TOKEN.fullmatch(segment))
        yield PathPart(slash, segment, f"{previous}/" if secret else None)
        previous = HIDDEN if secret else segment


def path_without_secrets(path: str) -> str:
    """The path as it may be shown."""
    return "".join(f"{part.before}{HIDDEN if part.key and part.value else part.value}" for part in path_parts(path))


def _is_telling(segment: str) -> bool:
    return _TELLING.fullmatch(re.sub("[^a-z]", "", segment.lower())) is not None


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
    """The URL without user, password, the values behind ``?`` and what in its path looks like a secret: cameras like to
    have passwords in all of them.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(f"{pair.partition('=')[0]}={HIDDEN}" if "=" in pair else HIDDEN for pair in parts.query.split("&"))
    path = path_without_secrets(parts.path)
    return f"{parts.scheme}://{HIDDEN + at if user else ''}{host}{path}{'?' + query if parts.query else ''}"
