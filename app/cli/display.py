"""Whether a window could be shown, found out before Qt is asked: it ends the process where it cannot."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

X_SOCKETS = "/tmp/.X11-unix"  # noqa: S108 - where X servers listen, by convention
ANSWER_S = 2.0
SCREENLESS = ("offscreen", "minimal", "vnc", "linuxfb", "eglfs")
"""Qt's platforms that need nobody to answer."""
_X_DISPLAY = re.compile(r"(?P<host>[^:/]*):(?P<number>\d{1,5})(\.\d+)?")


def has_display() -> bool:
    """True where a display answers, or where the platform brings its own."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0] in SCREENLESS:
        return True
    return _wayland_answers() or _x_answers()


def _wayland_answers() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY")
    return bool(name) and _connects(socket.AF_UNIX, str(Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / str(name)))


def _x_answers() -> bool:
    display = _X_DISPLAY.fullmatch(os.environ.get("DISPLAY", ""))
    if display is None:
        return False
    host, number = display["host"], int(display["number"])
    if host in ("", "unix"):
        path = f"{X_SOCKETS}/X{number}"
        return _connects(socket.AF_UNIX, path) or (sys.platform == "linux" and _connects(socket.AF_UNIX, f"\0{path}"))
    return _connects(socket.AF_INET, (host, 6000 + number))


def _connects(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_S)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True
