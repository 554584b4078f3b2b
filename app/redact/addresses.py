"""Users, passwords and tokens in addresses, of cameras above all: each maker puts them elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from app.redact.spans import Span, looks_random, readings

_BEGIN = re.compile(r"(?i):(?:\\{0,4}/){2}|%(?:25){0,3}3A(?:%(?:25){0,3}2F){2}")
_RUN = re.compile(r"""[^\s"<>`]*+""")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_AT = re.compile(r"(?i)@|%(?:25){0,3}40")
# What stands behind a name in prose: an address ends there.
_HOST_AND_PORT = re.compile(r"""(?:\[[^\]\s]*\]|[^:\s]*):(?:\d{0,5}|(?i:port))[\\.,;:'|)\]}]*""")
_LATE_AT = re.compile(r"[^@\n\r]{0,100}@(?=[\w\[])")
_QUERY = re.compile(r"(?i)[?#]|%(?:25){0,3}3F")
_LOOSE = re.compile(r"""(?<![^\s"'(=,\[{<>])(?!mailto:|sha256:)([\w.+-]{1,64}):([^\s"'/<>]{1,128})@(?=[\w\[])""")
_STREAMS = frozenset({"rtsp", "rtsps", "rtspt", "rtspu", "rtmp", "rtmps", "srt", "mms"})
_FOLDERS = frozenset({"file", "folder", "s3", "gs"})
_LOGINS = frozenset({"ssh", "sftp", "scp", "rsync"})
"""Whose user alone is no secret."""
_PIECE = re.compile(r"[A-Za-z]+|\d+")
_PATH_WORDS = (
    "amp audio av avc axis bin cam camera cgi ch chan channel channels dash edge feed file flv h hd hevc high hls "
    "id image img index input isapi jpeg jpg live low m main mcast media mediainput medium mjpeg mjpg mp mpeg mpg ms "
    "mts multicast nph onvif play preview primary profile psia pull push real realmonitor rtsp s sav sd sdp secondary "
    "smp snap snapshot src stream streaming streams sub tcp trackid track ts udp ucast ulaw unicast video videomain "
    "videosub videostream view vis"
)
_WORDS = frozenset(_PATH_WORDS.split())
"""Of which the paths of streams are made; anything else in one may be a token."""
_QUERY_WORDS = (
    "audio camera channel channels codec compression fps height profile proto protocol quality resolution stream "
    "streamtype subtype transport transportmode unicast video videocodec width"
)
HARMLESS = frozenset(_QUERY_WORDS.split())
"""Names behind ``?`` whose short values only say which stream it is."""
_USERS = frozenset({"user", "usr", "username", "login", "loginuse", "account", "name", "u", "id"})
"""Hidden in an address, but no secret elsewhere: half of all cameras have a user ``admin``."""
_MOST_DIGITS = 4
"""Digits of a number in a path that says which stream it is."""


def in_addresses(text: str) -> Iterator[Span]:
    """Everything that may be secret in the addresses of a text."""
    begins = list(_BEGIN.finditer(text))
    for number, begin in enumerate(begins):
        limit = begins[number + 1].start() if number + 1 < len(begins) else len(text)
        run = _RUN.match(text, begin.end(), limit)
        scheme = _SCHEME.search(text[max(0, begin.start() - 12) : begin.start()])
        if run is not None:
            yield from _in_one(text, run.start(), run.end(), limit, scheme[0].lower() if scheme else "")
    for loose in _LOOSE.finditer(text):
        yield Span(loose.start(2), loose.end(2), secrets=readings(loose[2]))


def plain_path(path: str) -> str:
    """A stream's path with nothing in it but words and short numbers of which such paths are made."""
    return "/".join(piece if _is_plain(piece) else "…" for piece in path.split("/"))


def _in_one(text: str, start: int, end: int, limit: int, scheme: str) -> Iterator[Span]:
    *_, last = [None, *_AT.finditer(text, start, end)]
    body = start
    if last is not None:
        user = text[start : last.start()]
        if scheme not in _LOGINS or not re.fullmatch(r"[\w.-]{1,64}", user):
            yield Span(start, last.start(), "[credentials]", _of_user(user))
        body = last.end()
    elif late := _late(text, start, end, limit):
        yield Span(start, late, "[credentials]", _of_user(text[start:late]))
        return
    elif colon := _odd_port(text, start, end):
        yield Span(colon + 1, end, secrets=readings(text[colon + 1 : end]))
        return
    query = _QUERY.search(text, body, end)
    if scheme not in _FOLDERS:
        yield from _in_path(text, body, query.start() if query else end, scheme)
    if query is not None:
        yield from _in_query(text, query.end(), end)


def _authority(text: str, start: int, end: int) -> str:
    return re.split(r"[/?#\\]", text[start : min(end, start + 300)], maxsplit=1)[0]


def _odd_port(text: str, start: int, end: int) -> int | None:
    """Where a user's colon stands in what has no host behind it."""
    authority = _authority(text, start, end)
    if ":" not in authority or authority.startswith("[") or _HOST_AND_PORT.fullmatch(authority):
        return None
    return start + authority.index(":")


def _late(text: str, start: int, end: int, limit: int) -> int | None:
    """The @ behind a password with a blank or a quote in it."""
    authority = _authority(text, start, end)
    if ":" not in authority or authority.startswith("["):
        return None
    host = authority.partition(":")[0]
    if _HOST_AND_PORT.fullmatch(authority) and ("." in host or host in ("", "localhost")):
        return None
    if end >= limit or text[end] in "\n\r" or (text[end] in '"<>`' and _HOST_AND_PORT.fullmatch(authority)):
        return None
    found = None
    while late := _LATE_AT.match(text, end if found is None else found + 1, limit):
        found = late.end() - 1
        if found - end > 200:
            break
    return found


def _of_user(whole: str) -> tuple[str, ...]:
    """The password, or what stands alone for a user and is a token."""
    if ":" not in whole:
        user, colon, password = unquote(whole[:300]).partition(":")
        return readings(whole) + (readings(password) if colon else ())
    user, _colon, password = whole.partition(":")
    return readings(password) if password else readings(user)


def _in_path(text: str, start: int, end: int, scheme: str) -> Iterator[Span]:
    """A path such as ``/user=admin_password=X_channel=1.sdp`` or ``/0/admin:X/main``, or one that is a token."""
    at = text.find("/", start, end)
    while at >= 0:
        stop = text.find("/", at + 1, end)
        piece_end = end if stop < 0 else stop
        piece = text[at + 1 : piece_end]
        told = min((mark for mark in (piece.find("="), piece.find(":")) if mark >= 0), default=-1)
        if told >= 0 and piece.rstrip(".,;:|)'\\")[told:]:
            yield Span(at + 1 + told + 1, piece_end, secrets=readings(piece[told + 1 :]))
        elif scheme in _STREAMS and not _is_plain(piece.rstrip(".,;:|)'\\")):
            yield Span(at + 1, piece_end, "…", (piece,) if looks_random(piece) else ())
        at = stop


def _in_query(text: str, start: int, end: int) -> Iterator[Span]:
    """All values behind ``?``, save those which only say which stream it is."""
    for pair in re.finditer(r"[^&;]+", text[start:end]):
        name, equals, value = pair[0].partition("=")
        bare = value.rstrip(".,:|)'\\}]")
        if not equals and not name.strip(".,:|)'\\}]"):
            continue
        if equals and name.lower() in HARMLESS and re.fullmatch(r"\w{0,12}", bare):
            continue
        first = start + pair.start() + (len(name) + 1 if equals else 0)
        hidden = value if equals else name
        known = looks_random(hidden) or (equals and name.lower().lstrip("&-") not in _USERS)
        yield Span(first, start + pair.end(), secrets=readings(hidden) if known else ())


def _is_plain(piece: str) -> bool:
    return (
        len(piece) <= 40
        and all(
            len(part) <= _MOST_DIGITS if part.isdigit() else part.lower() in _WORDS for part in _PIECE.findall(piece)
        )
        and all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in piece)
    )
