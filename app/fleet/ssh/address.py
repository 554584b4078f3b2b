"""Where a machine is reached over SSH, and the fingerprint that its label bears. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from edge_runtime.config import join_address
from edge_runtime.contracts.errors import InputInvalid

SCHEME = "ssh://"
DEFAULT_PORT = 22
MAX_LABEL = 4096
_FINGERPRINT = re.compile(r"SHA256:([A-Za-z0-9+/]{43})(?![A-Za-z0-9+/])=?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}\$?")
_HOST = re.compile(r"[A-Za-z0-9:._%-]{1,255}")


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Who signs in, and where."""

    user: str
    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        where = join_address(self.host, self.port) if self.port != DEFAULT_PORT or ":" in self.host else self.host
        return f"{SCHEME}{self.user}@{where}"


def read_target(text: str) -> SshTarget:
    """``ssh://user@host[:port]``.

    :raises InputInvalid: it is none, or has a password in it.
    """
    try:
        parts = urlsplit(text.strip())
        host, port, password = parts.hostname or "", parts.port, parts.password
    except ValueError as error:
        raise InputInvalid(f"{text!r} is not an address like ssh://pi@192.0.2.7.") from error
    if password is not None:
        raise InputInvalid("A password has no place in an address, where others can see it.", hint="Leave it out.")
    user = unquote(parts.username or "")
    # In an address of this kind the sign before a zone is written as %25 (RFC 6874); people write it as it is.
    host = host.replace("%25", "%", 1)
    plain = parts.scheme == "ssh" and parts.path in ("", "/") and not parts.query and not parts.fragment
    if plain and not user and _HOST.fullmatch(host):
        raise InputInvalid(
            f"{text!r} is not an address like ssh://pi@192.0.2.7: it does not say as whom to sign in.",
            hint=f"Name the user: {SCHEME}USER@{join_address(host, port) if port else host}.",
        )
    usable = _HOST.fullmatch(host) and not host.startswith("-") and _USER.fullmatch(user) and port != 0
    if not plain or not usable:
        raise InputInvalid(f"{text!r} is not an address like ssh://pi@192.0.2.7.")
    return SshTarget(user, host, DEFAULT_PORT if port is None else port)


def is_target(text: str) -> bool:
    """It begins as an address of this kind does; people write the beginning in capitals, too."""
    return text.strip()[: len(SCHEME)].lower() == SCHEME


def looks_like_target(text: str) -> bool:
    """It is ``user@host``, of which only the beginning is missing."""
    user, at, rest = text.strip().partition("@")
    return bool(at and _USER.fullmatch(user) and re.fullmatch(r"\[?[A-Za-z0-9.:%-]+\]?(:[0-9]+)?", rest))


def read_fingerprint(label: str) -> str:
    """The host key's fingerprint, ``SHA256:`` and 43 characters, from what was typed or scanned from the label.

    :raises InputInvalid: there is none in it, or more than one.
    """
    found = {match[1] for match in _FINGERPRINT.finditer(label[:MAX_LABEL])}
    if len(found) > 1:
        raise InputInvalid("There is more than one fingerprint in that.", hint="Give the one of this machine.")
    for body in found:
        # The last character carries two bits that mean nothing: only one way of writing them is right.
        if base64.b64encode(base64.b64decode(f"{body}=")).decode() == f"{body}=":
            return f"SHA256:{body}"
    raise InputInvalid(
        "That is not the fingerprint of a host key.",
        hint="It is SHA256: and 43 characters, on the label, or on the machine's own screen with "
        "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`.",
    )
