"""The deeds that take everything off a machine again, and the look at what is left."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.fleet.ssh.hand.common import (
    CHUNK,
    CRON,
    DROP_INS,
    HOME,
    INBOX,
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
    is_mount,
    is_systemd,
    must,
    ours,
    run,
    text,
    uid_of_box,
    within,
)
from app.fleet.ssh.hand.home import KEYS, LOST, OUT, begin_leaving, is_leaving, is_there, waiting
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
    """End the supervisor and the box, politely first; then whatever else runs as the box's user.

    :raises Refused: one does not end.
    """
    for how, children in ((signal.SIGTERM, False), (signal.SIGKILL, True)):
        for pid in ours(children=children):
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        if within(STOP_SECONDS, lambda: not ours(children=True)):
            return
    left = ours(children=True)
    raise Refused("enrolment.refused", f"Processes of {USER} do not end: {', '.join(map(str, left))}.")


def remove(_request: Answer) -> Answer:
    """Remove the box's programs, its home, and what it left elsewhere."""
    removed = []
    if UNIT.exists() or WANTED.is_symlink():
        for link in (UNIT, WANTED):
            link.unlink(missing_ok=True)
        if is_systemd():
            must("systemctl", "daemon-reload")
        removed.append(str(UNIT))
    if is_there() and not is_mount(HOME):
        _clear(GONE)
        # Whose home it was can be read until all of it goes at once.
        with suppress(OSError):
            HOME.rename(GONE)
    if is_there() and is_mount(HOME):
        removed += _empty_home()
    gone = [folder for folder in (INBOX, PREFIX, DROP_INS, HOME, GONE) if not is_mount(folder) and _clear(folder)]
    removed += [str(HOME if folder == GONE else folder) for folder in gone]
    for part in (part for path in (UNIT, CRON) for part in path.parent.glob(f".{path.name}.part")):
        part.unlink()
    removed += _sweep()
    return {"changed": bool(removed), "removed": removed}


def remove_user(_request: Answer) -> Answer:
    """Remove the box's user, by which the rest of what it has is known: the last that goes."""
    removed = []
    if uid_of_box() is not None:
        must("userdel", USER)
        removed.append(f"user {USER}")
    if _lines("/etc/group"):
        # Where people were made members, it stays after its user.
        run("groupdel", USER)
    left = [f"{USER} in {table}" for table in ("/etc/passwd", "/etc/group") if _lines(table)]
    return {"changed": bool(removed), "removed": removed, "looked_for": [f"user and group {USER}"], "left": left}


def _empty_home() -> list[str]:
    """Leave the place where somebody mounts a disk as it was before a box lived there; what was done."""
    # Whose home it was can be read as long as the keys are there: they go last, and at once.
    gone = [_clear(path) for path in HOME.iterdir() if path not in (KEYS, OUT, LOST)]
    if os.path.lexists(KEYS):
        _clear(OUT)
        KEYS.rename(OUT)
    gone.append(_clear(OUT))
    if HOME.stat().st_uid == uid_of_box():
        os.chown(HOME, 0, 0)
    return [f"everything in {HOME}"] if any(gone) else []


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
    looked = [_at(path) for path in paths]
    if uid_of_box() is not None:
        # The user goes last, once these were found to be none: without it nobody could tell whose they are.
        looked.append((f"processes of {USER}", [f"process {pid}" for pid in ours(children=True)]))
        looked.append((f"files of {USER} in {', '.join(SCRATCH)}", [str(path) for path, _handle in _in_scratch()]))
    open_ports = listeners()
    looked += [(f"port {port}", [open_ports[port]] if port in open_ports else []) for port in PORTS]
    left = [each for _what, found in looked for each in found]
    return {"looked_for": [what for what, _found in looked], "left": left[:MOST_LEFT]}


def _at(path: Path) -> tuple[str, list[str]]:
    """What was looked for there, and what there is."""
    if path == HOME and is_there() and is_mount(path):
        # Who mounts it there keeps a disk for it, which is no box's.
        return f"anything in {path}, which is left because a disk is mounted there", [
            str(one) for one in path.iterdir() if one != LOST
        ]
    return f"file {path}", [str(path)] if path.exists() or path.is_symlink() else []


def _lines(table: str) -> list[str]:
    """What a table of accounts says of the box's user or group."""
    return [line for line in text(Path(table), 16 * CHUNK).splitlines() if line.startswith(f"{USER}:")]


def _sweep() -> list[str]:
    """Remove what the box's user has where any program may leave some; what cannot be removed is found afterwards."""
    removed = []
    for path, handle in _in_scratch():
        # By the folder that is open: others may put a link in the place of what they own.
        with suppress(OSError):
            if stat.S_ISDIR(os.stat(path.name, dir_fd=handle, follow_symlinks=False).st_mode):
                shutil.rmtree(path.name, dir_fd=handle)
            else:
                os.unlink(path.name, dir_fd=handle)
            removed.append(str(path))
    return removed


def _in_scratch() -> Iterator[tuple[Path, int]]:
    """Files of the box's user, and the open folder in which each is; not what is in folders of its own."""
    uid = uid_of_box()
    for folder in SCRATCH if uid is not None else ():
        for where, folders, files, handle in os.fwalk(folder, follow_symlinks=False):
            for name in [*folders, *files]:
                with suppress(OSError):
                    if os.stat(name, dir_fd=handle, follow_symlinks=False).st_uid != uid:
                        continue
                    if name in folders:
                        folders.remove(name)
                    yield Path(where, name), handle
