"""How a person proves to a machine who they are, and how they are asked for what they have not said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.fleet.ssh.address import SshTarget
from edge_runtime.contracts.enrolment_errors import SshRefused

EXPIRED = "password has expired"
"""What a server says that lets somebody in only to choose a new one."""
Secret = Literal["password", "passphrase", "sudo"]
Ask = Callable[[Secret], str | None]
"""Gives a secret that was not given before; None: there is nobody to ask."""
Check = Callable[[], None]
"""Raises Cancelled when somebody asked to stop."""


def nobody(_what: Secret) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How a person proves who they are; a password is asked for only where nothing else is given or helps."""

    password: str | None = field(default=None, repr=False)
    key: Path | None = None
    """A private key, or the public half of one that a running agent holds."""
    agent: bool = True
    """Try the keys of a running agent."""
    sudo_password: str | None = field(default=None, repr=False)
    ask: Ask = nobody


def expired(target: SshTarget) -> SshRefused:
    return SshRefused(
        f"The password of {target.user} at {target.host} is right, and has expired.",
        hint="Sign in there once by hand and choose a new one; nothing was changed there.",
    )
