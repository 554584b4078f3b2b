"""Why a camera or a stream does not open, in words that help: OpenCV only says that it does not."""

from __future__ import annotations

import base64
import errno
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import unquote
from urllib.request import AbstractDigestAuthHandler, HTTPPasswordMgrWithDefaultRealm, Request

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.urls import PORTS, check_url

TIMEOUT_S = 3.0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
_MAX_ANSWER = 4096
_CHALLENGE = re.compile(r"^WWW-Authenticate:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_FACT = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')
_NEXT = re.compile(r",[ \t]*(?=(?:Basic|Digest)[ \t])", re.IGNORECASE)
"""Between two ways in one header."""
_STRENGTH = {"MD5": 1, "SHA": 2, "SHA-256": 3}
_EXAMPLE = "rtsp://USER:PASSWORD@CAMERA/…"
_ANYWHERE = "http://camera/"
"""What a password is for, to the library that hashes it: here it is for one place only."""


def why_no_camera(device: Path) -> str:
    """What stands in the way of a device."""
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except FileNotFoundError:
        return f"There is no {device}: the camera is unplugged, or has another number."
    except PermissionError:
        return f"{device} may not be opened: put the service's user into the group of the device, mostly `video`."
    except OSError as error:
        if error.errno == errno.EBUSY:
            return f"{device} is in use by another program."
        return f"{device} cannot be opened: {error.strerror or error}."
    os.close(handle)
    return f"{device} gives no pictures: another program may be using it, or it is no camera."


def why_no_stream(url: str) -> str:
    """What a server says to a question of our own; it gets the password where it asks, as from whoever opens it."""
    try:
        parts = check_url(url)
    except InputInvalid as error:
        return error.message
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username is not None else None
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    if parts.scheme.startswith("rtsp"):
        question = Question(
            "DESCRIBE", f"{parts.scheme}://{place}{path}", "RTSP/1.0", "CSeq: 1\r\nAccept: application/sdp"
        )
    else:
        question = Question("GET", path, "HTTP/1.0", f"Host: {place}")
    tls = parts.scheme in ("https", "rtsps")
    try:
        with _connected(host, port, tls=tls) as connection:
            answer = ask(connection, question.text())
            if answer is not None and answer.status == UNAUTHORIZED:
                words = question.with_password(answer.challenges, *user) if user else None
                if words is None:
                    return _no_way_in(answer, place, has_password=user is not None)
                answer = None
                # Many cameras take an answer only on the connection on which they asked; others close that.
                with suppress(ConnectionError):
                    answer = ask(connection, words)
                if answer is None:
                    with _connected(host, port, tls=tls) as another:
                        answer = ask(another, words)
    except TimeoutError:
        return f"{place} does not answer."
    except socket.gaierror:
        return f"There is no machine called {host} in this network."
    except ConnectionRefusedError:
        return f"{place} refuses the connection: nothing listens there."
    except ssl.SSLError as error:
        return f"{place} offers no sound TLS: {error.reason or 'it speaks something else'}."
    except OSError as error:
        return f"{place} cannot be reached: {error.strerror or type(error).__name__}."
    return _meaning(answer.status if answer else None, place)


@dataclass(frozen=True, slots=True)
class Answer:
    """What there is to see in a server's answer."""

    status: int
    challenges: tuple[str, ...]
    """Ways in which it wants a password, each as ``Basic realm="…"``."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a server, ``uri`` as its first line has it."""

    method: str
    uri: str
    protocol: str
    more: str
    """What else its head has."""

    def text(self, authorization: str = "") -> str:
        lines = [f"{self.method} {self.uri} {self.protocol}", self.more, authorization]
        return "".join(f"{line}\r\n" for line in lines if line) + "\r\n"

    def with_password(self, challenges: Sequence[str], user: str, password: str) -> str | None:
        """It again; None where the server wants a password in no way that is known here."""
        offers = [(way.lower(), rest) for way, _, rest in (challenge.partition(" ") for challenge in challenges)]
        digests = [
            {"algorithm": "MD5"} | {key.lower(): quoted or bare for key, quoted, bare in _FACT.findall(rest)}
            for way, rest in offers
            if way == "digest"
        ]
        for told in digests:
            told["algorithm"] = told["algorithm"].upper()
        for told in sorted(digests, key=lambda told: _STRENGTH.get(told["algorithm"], 0), reverse=True):
            known = HTTPPasswordMgrWithDefaultRealm()
            known.add_password(None, _ANYWHERE, user, password)
            request = Request(_ANYWHERE, method=self.method)
            request.selector = self.uri
            # An algorithm or a quality that is not known here is passed over.
            with suppress(ValueError, URLError):
                if words := AbstractDigestAuthHandler(known).get_authorization(request, told):
                    return self.text(f"Authorization: Digest {words}")
        # In the clear only where the server knows nothing better: not because this box does not.
        if not digests and any(way == "basic" for way, _ in offers):
            return self.text(f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}")
        return None


def _no_way_in(answer: Answer, place: str, *, has_password: bool) -> str:
    if not has_password:
        return f"{place} wants a user name and a password: put them into the address, as in {_EXAMPLE}."
    wanted = ", ".join(challenge.split(" ")[0][:20] for challenge in answer.challenges) or "none that it names"
    return (
        f"{place} takes a password only in a way that this box does not know ({wanted}): allow Basic or Digest there."
    )


def _meaning(status: int | None, place: str) -> str:
    """What the last answer says, after the password where one was asked for."""
    if status is None:
        return f"{place} does not answer as a stream would."
    if status == UNAUTHORIZED:
        return f"{place} refuses the user name or the password: try them in the camera's own page."
    if status == FORBIDDEN:
        return (
            f"{place} does not let this user see the stream: allow it in the camera's settings, or take another user."
        )
    if status == NOT_FOUND:
        return f"{place} answers, but has no such stream: look up the path, what follows the address, in its manual."
    if status >= 300:
        return f"{place} answers with status {status} instead of a stream."
    return f"{place} answers, but sends no pictures that this box can read."


@contextmanager
def _connected(host: str, port: int, *, tls: bool) -> Iterator[socket.socket]:
    """:raises OSError: nobody answers, TimeoutError among them."""
    with closing(socket.create_connection((host, port), TIMEOUT_S)) as plain:
        if not tls:
            yield plain
            return
        # Cameras have certificates of their own making; whoever opens the stream does not look at them either.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with closing(context.wrap_socket(plain, server_hostname=host)) as connection:
            yield connection


def ask(connection: socket.socket, question: str) -> Answer | None:
    """What there is in the answer; None where it is no answer of this kind.

    :raises OSError: none comes in time, or the connection ends.
    """
    connection.sendall(question.encode())
    deadline = time.monotonic() + TIMEOUT_S
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_ANSWER and (more := connection.recv(_MAX_ANSWER)):
        head += more
        if time.monotonic() > deadline:
            raise TimeoutError
    text = head.decode("latin-1")
    found = re.match(r"(?:HTTP|RTSP)/[0-9.]+ ([0-9]{3})", text)
    challenges = tuple(each for line in _CHALLENGE.findall(text) for each in _NEXT.split(line))
    return Answer(int(found[1]), challenges) if found else None
