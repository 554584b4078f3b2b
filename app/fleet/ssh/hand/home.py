"""What lies in the box's home, opened as its owner and never with root's rights.

The box's user is unprivileged and may have been taken over: what lies in its folders may be a link to a file of root's,
a pipe to which nobody writes, or without end. So a child with the rights of the folder's owner, and with little time,
does all that is done in there; at the end root takes the folder away as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import signal
import sqlite3
import stat
import time
import tomllib
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from app.fleet.ssh.hand.common import CHUNK, HOME, NOBODY, Answer, Refused, text

STREAMS = ("audits", "alerts", "samples", "shadows", "rollups", "results", "losses")
PORT = 7443
LEAVING = HOME / ".leaving"
"""Written once nothing that waits here holds up the release any more."""
KEYS = HOME / "keys"
OUT = HOME / ".gone"
"""Where the keys are on their way out of a home that cannot be moved itself."""
LOST = HOME / "lost+found"
"""What a file system of its own has at its root."""
SECONDS = 30.0
MOST_BYTES = 4 * CHUNK
MOST_FILES = 10_000


def as_owner(work: Callable[[], Any]) -> Any:
    """What the work gives, as JSON carries it, done by a child as whoever owns the home.

    :raises Refused: it did not end in time, or ended without an answer.
    :raises OSError: as the work does.
    """
    facts = HOME.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise Refused("enrolment.refused", f"{HOME} is not a folder.")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _in_child(work, writing, facts)
    os.close(writing)
    try:
        given = _read(reading, time.monotonic() + SECONDS)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        answer = json.loads(given)
    except ValueError as error:
        raise Refused("enrolment.refused", f"What lies in {HOME} cannot be read in time.") from error
    if "errno" in answer:
        raise OSError(answer["errno"], answer["why"], str(HOME))
    return answer["done"]


def _in_child(work: Callable[[], Any], writing: int, facts: os.stat_result) -> None:
    try:
        # Root's own folder is one that no box was given yet.
        user, group = facts.st_uid or NOBODY, facts.st_gid or NOBODY
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
        os.umask(0o077)
        try:
            answer = {"done": work()}
        except OSError as error:
            answer = {"errno": error.errno or 0, "why": error.strerror or str(error)}
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
    finally:
        # Nothing of what the parent has begun may end here, too.
        os._exit(0)


def _read(handle: int, deadline: float) -> bytes:
    """Everything until the other end closes; what has come so far where that takes too long or is too much."""
    given = bytearray()
    while len(given) < MOST_BYTES and select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(handle, CHUNK)
        if not piece:
            break
        given += piece
    return bytes(given)


def whose(*, count: bool) -> Answer | None:
    """Who lives here and whom it trusts; None where nobody does.

    :param count: what waits in the spool, too.
    """
    try:
        if is_there() and set(HOME.iterdir()) <= {LEAVING, OUT, LOST}:
            return {"lived_in": False}
        told: Answer = as_owner(lambda: _tell(count=count))
    except FileNotFoundError:
        return None
    except (Refused, OSError):
        # Somebody lives here, and does not let it be told who.
        return {"lived_in": True}
    return told


def is_there() -> bool:
    """There is a folder, and not only a link to one."""
    return HOME.is_dir() and not HOME.is_symlink()


def _tell(*, count: bool) -> Answer:
    return {
        "lived_in": True,
        "certificate": text(_identity() / "identity.crt", 16384) or None,
        "name": str(_configuration().get("name", ""))[:200] or None,
        "root": text(HOME / "trust" / "root.json", CHUNK) or None,
        "waiting": _waiting() if count else None,
        "leaving": os.path.lexists(LEAVING),
    }


def _identity() -> Path:
    """Where the identity in force lies: a box that was given a new one has it in a folder of its own."""
    current = KEYS / "current"
    if not os.path.lexists(current):
        return KEYS
    name = text(current, 64)
    # A name that is none leads to where nothing lies: whose home it is cannot be told then.
    return KEYS / (name if re.fullmatch(r"[0-9a-f]{32}", name) else "unreadable")


def _configuration() -> Answer:
    """What ``edge.toml`` says; empty where it cannot be read."""
    try:
        return tomllib.loads(text(HOME / "edge.toml", 262144))
    except (ValueError, RecursionError):
        return {}


def listening_port() -> int:
    """The port for desktops, as configured."""
    management = as_owner(_configuration).get("management")
    listen = management.get("listen") if isinstance(management, dict) else None
    port = str(listen or "").rpartition(":")[2]
    return int(port) if port.isdigit() and len(port) <= 5 else PORT


def waiting() -> int | None:
    """Rows that no desktop has acknowledged; None where that cannot be told."""
    with suppress(Refused, OSError):
        count: int | None = as_owner(_waiting)
        return count
    return None


def _waiting() -> int | None:
    path = HOME / "spool.db"
    if not os.path.lexists(path):
        return 0
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            counts: list[int] = [
                database.execute(
                    f"SELECT count(*) FROM {name}{' WHERE NOT acked' if name == 'samples' else ''}"  # noqa: S608 - names of ours
                ).fetchone()[0]
                for name in STREAMS
            ]
    except (sqlite3.Error, OSError):
        return None
    return sum(counts)


def is_leaving() -> bool:
    """Somebody has begun to release it."""
    return os.path.lexists(LEAVING)


def begin_leaving() -> None:
    # Without it what waits is asked about once more, and no harm is done.
    with suppress(Refused, OSError):
        as_owner(lambda: os.close(os.open(LEAVING, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)))


def stay() -> None:
    """Take back that somebody has begun to release it."""
    with suppress(FileNotFoundError):
        as_owner(LEAVING.unlink)


def content() -> str:
    """A digest of what makes the box itself: its key, its configuration, whom it trusts."""
    digest: str = as_owner(_content)
    return digest


def _content() -> str:
    found = hashlib.sha256()
    names = [HOME / "edge.toml"]
    for folder in (KEYS, HOME / "trust"):
        names += [Path(where, name) for where, _folders, files in os.walk(folder) for name in files]
    for path in sorted(names)[:MOST_FILES]:
        found.update(f"{path}\0{text(path, CHUNK)}\0".encode())
    return found.hexdigest()


def last_lines() -> list[str]:
    """The end of what the box wrote down of itself."""
    with suppress(Refused, OSError):
        lines: list[str] = as_owner(_last_lines)
        return lines
    return []


def _last_lines() -> list[str]:
    logs = (HOME / "log" / "edge.log", HOME / "log" / "supervise.log")
    return [line[:300] for log in logs for line in text(log, 4 * CHUNK).splitlines()[-3:]]
