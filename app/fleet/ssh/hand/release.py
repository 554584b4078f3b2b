"""The deeds that take everything off a machine again, and the look at what is left."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.fleet.ssh.hand.common import (
    CRON,
    DROP_INS,
    HOME,
    INBOX,
    LOCK,
    PREFIX,
    PROGRAM,
    SERVICE,
    STAGING,
    SUPERVISE,
    UNIT,
    USER,
    WANTED,
    Answer,
    Refused,
    is_systemd,
    must,
    ours,
    within,
)
from app.fleet.ssh.hand.home import begin_leaving, is_leaving, is_there, waiting
from app.fleet.ssh.hand.look import PORTS, listeners

GONE = HOME.with_name(f".{HOME.name}.gone")
"""Where the home is on its way out."""
STOP_SECONDS = 30.0
SCRATCH = ("/tmp", "/var/tmp", "/run", "/dev/shm")  # noqa: S108 - looked through, not written to
MOST_LEFT = 100


def stop(_request: Answer) -> Answer:
    """Stop the box and have nothing start it again; says what still waits in its spool."""
    changed = bool(ours())
    if is_there() and not is_leaving():
        begin_leaving()
        changed = True
    if is_systemd() and (UNIT.exists() or WANTED.is_symlink()):
        must("systemctl", "disable", "--now", SERVICE, seconds=STOP_SECONDS + 60)
        changed = True
    if CRON.exists():
        CRON.unlink()
        changed = True
    stop_box()
    return {"changed": changed, "waiting": waiting() if is_there() else 0}


def stop_box() -> None:
    """End the supervisor and the box, politely first.

    :raises Refused: one does not end.
    """
    for how in (signal.SIGTERM, signal.SIGKILL):
        for pid in ours():
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        if within(STOP_SECONDS, lambda: not ours(children=True)):
            return
    left = ours(children=True)
    raise Refused("enrolment.refused", f"Processes of {USER} do not end: {', '.join(map(str, left))}.")


def remove(_request: Answer) -> Answer:
    """Remove the box's programs, its home and its user."""
    removed = []
    if UNIT.exists() or WANTED.is_symlink():
        for link in (UNIT, WANTED):
            link.unlink(missing_ok=True)
        if is_systemd():
            must("systemctl", "daemon-reload")
        removed.append(str(UNIT))
    if is_there():
        _clear(GONE)
        # Whose home it was can be read until all of it goes at once.
        with suppress(OSError):
            HOME.rename(GONE)
    gone = [folder for folder in (INBOX, PREFIX, DROP_INS, HOME, GONE) if _clear(folder)]
    removed += [str(HOME if folder == GONE else folder) for folder in gone]
    for part in (part for path in (UNIT, CRON) for part in path.parent.glob(f".{path.name}.part")):
        part.unlink()
    for path in _in_scratch():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        removed.append(str(path))
    with suppress(KeyError):
        pwd.getpwnam(USER)
        must("userdel", USER)
        removed.append(f"user {USER}")
    return {"changed": bool(removed), "removed": removed}


def _clear(path: Path) -> bool:
    """False where nothing is there."""
    if not os.path.lexists(path):
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return True


def look_for(request: Answer) -> Answer:
    """Look for everything that a box has on a machine: what was looked for, and what of it is still there.

    :param request: ``home``: of whoever signed in, where uploads lie.
    """
    staging = Path(request["home"]) / STAGING
    paths = [PREFIX, PROGRAM, SUPERVISE, HOME, GONE, INBOX, staging, UNIT, DROP_INS, WANTED, CRON]
    looked = [(f"file {path}", [str(path)] if path.exists() or path.is_symlink() else []) for path in paths]
    looked.append((f"processes of {USER}", [f"process {pid}" for pid in ours(children=True)]))
    looked.append((f"user and group {USER}", _accounts()))
    looked.append((f"files of {USER} in {', '.join(SCRATCH)}", [str(path) for path in _in_scratch()]))
    open_ports = listeners()
    looked += [(f"port {port}", [open_ports[port]] if port in open_ports else []) for port in PORTS]
    left = [each for _what, found in looked for each in found]
    return {"looked_for": [what for what, _found in looked], "left": left[:MOST_LEFT]}


def _accounts() -> list[str]:
    found = []
    for table in ("/etc/passwd", "/etc/group"):
        with suppress(OSError):
            lines = Path(table).read_text("utf-8", errors="replace").splitlines()
            found += [f"{USER} in {table}" for line in lines if line.startswith(f"{USER}:")]
    return found


def _in_scratch() -> Iterator[Path]:
    """Files of the box's user where any program may leave some."""
    try:
        uid = pwd.getpwnam(USER).pw_uid
    except KeyError:
        return
    for folder in SCRATCH:
        for where, folders, files in os.walk(folder):
            for name in [*folders, *files]:
                path = Path(where, name)
                with suppress(OSError):
                    if path.lstat().st_uid == uid and path != LOCK:
                        yield path
