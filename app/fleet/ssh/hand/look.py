"""Looking at a machine, which changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from app.fleet.ssh.hand.common import (
    CHUNK,
    HOME,
    NOBODY,
    PREFIX,
    PROGRAM,
    SERVICE,
    USER,
    Answer,
    has_cron,
    is_systemd,
    ours,
    run,
    text,
    uid_of_box,
)
from app.fleet.ssh.hand.home import is_there, last_lines, whose

PORTS = (7443, 7444)
INFERENCE = 8000
"""Where a new box answers programs on its own machine."""


def look(request: Answer) -> Answer:
    """Everything that decides whether and how this machine becomes a box.

    :param request: ``home``: of whoever signed in; with ``waiting``: counts what waits in the spool, too.
    """
    python = os.path.realpath(sys.executable)
    bits = "" if sys.maxsize > 2**32 else " with a Python of 32 bits"
    memory = re.search(r"^MemTotal:\s+([0-9]+) kB", text(Path("/proc/meminfo"), 65536), re.MULTILINE)
    return {
        "arch": platform.machine() + bits,
        "python": python,
        "python_version": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "python_problem": _python_problem(python),
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or "" if "CS_GNU_LIBC_VERSION" in os.confstr_names else "",
        "free_prefix": shutil.disk_usage(_existing(PREFIX)).free,
        "free_home": shutil.disk_usage(_existing(HOME)).free,
        "staging_disk": _existing(Path(request["home"])).stat().st_dev,
        "prefix_disk": _existing(PREFIX).stat().st_dev,
        "home_disk": _existing(HOME).stat().st_dev,
        "memory": int(memory[1]) * 1024 if memory else 0,
        "clock_ms": time.time_ns() // 1_000_000,
        "taken": {str(port): holder for port, holder in listeners((*PORTS, INFERENCE)).items()},
        "systemd": is_systemd(),
        "cron": has_cron(),
        "obstacle": _obstacle(),
        "installed": _installed(),
        "home": whose(count=bool(request.get("waiting"))),
        "running": bool(ours()),
        "hostname": platform.node()[:64],
    }


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _obstacle() -> str:
    """What stands where the box is to live; empty: nothing."""
    uid = uid_of_box()
    if uid == 0:
        return f"The user {USER} has all of root's rights on this machine."
    if not os.path.lexists(HOME):
        return ""
    if not is_there():
        return f"{HOME}, where a box lives, is a link or no folder."
    return "" if HOME.stat().st_uid in (0, uid) else f"{HOME}, where a box lives, belongs to somebody else."


def _python_problem(python: str) -> str:
    """Why another user than root cannot run this Python; empty: one can."""
    code = "import ctypes, hashlib, sqlite3, ssl"
    try:
        status, said = run(python, "-IS", "-c", code, user=NOBODY, group=NOBODY, extra_groups=[])
    except OSError as error:
        return error.strerror or str(error)
    return (said.splitlines() or ["it fails and says nothing"])[-1][:200] if status else ""


def listeners(ports: Sequence[int] = PORTS) -> dict[int, str]:
    """Who listens at ports of a box, other than a box."""
    inodes: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in text(Path(table), 4 * CHUNK).splitlines()[1:]:
            words = line.split()
            port = int(words[1].rpartition(":")[2], 16) if len(words) > 9 and words[3] == "0A" else 0
            if port in ports:
                inodes[f"socket:[{words[9]}]"] = port
    if not inodes:
        return {}
    box, found = set(ours()), dict.fromkeys(inodes.values(), "another program")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        port, pid = inodes.get(_target(link), 0), int(link.parts[2])
        if port and pid in box:
            found.pop(port, None)
        elif port in found:
            found[port] = text(Path(f"/proc/{pid}/comm"), 64).strip()
    return found


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _installed() -> Answer | None:
    """The version in force, and whether each of its files is the one that was installed."""
    try:
        folder = (PREFIX / "current").resolve(strict=True)
        facts = json.loads((folder / "installed.json").read_bytes())
        files = dict(facts["files"])
        whole = PROGRAM.resolve(strict=True) == folder / "bin" / PROGRAM.name
        for path in folder.rglob("*"):
            if path.is_symlink():
                whole = False
            elif path.is_file() and path.name != "installed.json":
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                whole &= files.pop(str(path.relative_to(folder)), "") == digest
        return {"id": str(facts["id"]), "version": str(facts["version"]), "whole": whole and not files}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_words(_request: Answer) -> Answer:
    """The end of what the box wrote down of itself."""
    lines = last_lines()
    if is_systemd():
        lines += run("journalctl", "-u", SERVICE, "-n", "3", "-o", "cat", "--no-pager")[1].splitlines()
    return {"said": [line[:300] for line in lines][-9:], "running": bool(ours())}
