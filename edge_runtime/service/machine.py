"""Marks of the machine under a box, by which two that were made from one image are told apart."""

from __future__ import annotations

import base64
import binascii
import hashlib
import platform
import re
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """Empty where the machine has none. The ids themselves stay on it: they may be secrets of other programs."""

    machine: str
    """sha256 over the system's machine-id."""
    host_key: str
    """Fingerprint of the SSH server's Ed25519 key, as ``ssh-keygen -l`` prints it."""
    kernel_boot: str
    """sha256 over the id of this start of the system: boxes on one machine have it in common, two machines never."""
    arch: str
    """As ``uname -m`` says it."""


def read_machine(root: Path = Path("/")) -> Machine:
    """The machine that this process runs on."""
    return Machine(
        machine=_hashed("machine", _first_line(root / "etc" / "machine-id")),
        host_key=host_key_fingerprint(_first_line(root / "etc" / "ssh" / "ssh_host_ed25519_key.pub")),
        kernel_boot=_hashed("boot", _first_line(root / "proc" / "sys" / "kernel" / "random" / "boot_id")),
        arch=re.sub(r"[^a-z0-9_]", "_", platform.machine().lower())[:20],
    )


def host_key_fingerprint(line: str) -> str:
    """``SHA256:…`` of an OpenSSH public key; nothing where it is none."""
    kind, _, rest = line.partition(" ")
    if kind != "ssh-ed25519":
        return ""
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _hashed(what: str, text: str) -> str:
    # An image that was made to be copied says so in place of an id.
    if not text or text == "uninitialized":
        return ""
    return hashlib.sha256(f"lineside {what} {text}".encode()).hexdigest()


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).partition(b"\n")[0].decode("ascii", "replace").strip()
    except OSError:
        return ""
