"""Why a camera or a stream does not open, in words that help: OpenCV only says that it does not."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from contextlib import closing
from pathlib import Path

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.urls import PORTS, check_url

TIMEOUT_S = 3.0
_MAX_ANSWER = 4096


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
    """What a server says to a question of our own; sends no password."""
    try:
        parts = check_url(url)
    except InputInvalid as error:
        return error.message
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    if parts.scheme.startswith("rtsp"):
        question = f"DESCRIBE {parts.scheme}://{place}{path} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
    else:
        question = f"GET {path} HTTP/1.0\r\nHost: {place}\r\n\r\n"
    try:
        status = _ask(host, port, question, tls=parts.scheme in ("https", "rtsps"))
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
    return _meaning(status, place, has_password=parts.username is not None)


def _meaning(status: int | None, place: str, *, has_password: bool) -> str:
    if status is None:
        return f"{place} does not answer as a stream would."
    if status in (401, 403):
        if has_password:
            return f"{place} refuses the user name or the password."
        return f"{place} wants a user name and a password."
    if status == 404:
        return f"{place} has no such stream: check the path."
    if status >= 300:
        return f"{place} answers with status {status} instead of a stream."
    return f"{place} answers, but sends no pictures that this box can read."


def _ask(host: str, port: int, question: str, *, tls: bool) -> int | None:
    """The status in the answer; None where it is no answer of this kind.

    :raises OSError: nobody answers, TimeoutError among them.
    """
    connection: socket.socket = socket.create_connection((host, port), TIMEOUT_S)
    with closing(connection):
        if tls:
            # Cameras have certificates of their own making; nothing secret is sent here.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection = context.wrap_socket(connection, server_hostname=host)
        with closing(connection):
            connection.sendall(question.encode("ascii", "replace"))
            answer = connection.recv(_MAX_ANSWER)
    found = re.match(rb"(?:HTTP|RTSP)/[0-9.]+ ([0-9]{3})", answer)
    return int(found[1]) if found else None
