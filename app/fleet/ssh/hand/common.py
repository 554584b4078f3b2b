"""Where things lie on a box, and how the deeds run programs and write files."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PREFIX = Path("/opt/lineside-edge")
HOME = Path("/var/lib/lineside-edge")
USER = "lineside-edge"
NOBODY = 65534
PROGRAM = PREFIX / "bin" / "lineside-edge"
SUPERVISE = PREFIX / "bin" / "supervise"
ANCHOR = PREFIX / "site-root.json"
"""The site's root in root's own hands: by it the box's launcher judges versions that came over the network."""
INBOX = Path("/opt/.lineside-edge.inbox")
"""Root's own copy of what was uploaded: nobody can change it between the check and its use."""
SERVICE = "lineside-edge.service"
UNIT = Path("/etc/systemd/system", SERVICE)
DROP_INS = Path("/etc/systemd/system", f"{SERVICE}.d")
"""What people added to the unit."""
WANTED = Path("/etc/systemd/system/multi-user.target.wants", SERVICE)
CRON = Path("/etc/cron.d/lineside-edge")
LOCK = Path("/run/lineside-edge.enrol.lock")
VISIT = Path("/run/lineside-edge.visit")
"""Which desktop is at work here, and when it was heard last."""
STAGING = ".lineside-upload"
"""In the home folder of whoever signed in."""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
LOCK_SECONDS = 120.0
VISIT_SECONDS = 90.0
"""A desktop that was not heard for so long is gone: it says at least every 20 s that it is here."""
CHUNK = 2**20
Answer = dict[str, Any]


class Refused(Exception):
    """It was not done."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


@contextmanager
def alone() -> Iterator[None]:
    """No other hand changes anything meanwhile: one whose desktop is gone may still be finishing."""
    taken: list[int] = []

    def take() -> list[int]:
        handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before has removed the file that was opened here.
            if os.fstat(handle).st_nlink:
                taken.append(handle)
        if not taken:
            os.close(handle)
        return taken

    if not within(LOCK_SECONDS, take):
        raise Refused("ssh.busy", f"What was begun here earlier is not finished after {LOCK_SECONDS:.0f} s.")
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            LOCK.unlink()
        os.close(taken[0])


def claim(request: Answer) -> Answer:
    """This desktop is at work here, and no other one until it goes or is silent for long.

    :param request: ``visitor``: its fingerprint.
    """
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        told = json.loads(text(VISIT, 4096))
        other, since = str(told["visitor"]), now - float(told["heard"])
    except (ValueError, KeyError, TypeError):
        other, since = "", VISIT_SECONDS
    if other != request["visitor"] and since < VISIT_SECONDS:
        raise Refused("ssh.busy", f"The Lineside desktop {other[:12]} is at work here; it was heard {since:.0f} s ago.")
    write(VISIT, json.dumps({"visitor": request["visitor"], "heard": now}), 0o600)
    return {"changed": False}


def let_go(_request: Answer) -> Answer:
    """The desktop is done here."""
    VISIT.unlink(missing_ok=True)
    return {"changed": False}


def within(seconds: float, holds: Callable[[], object]) -> bool:
    """Look again and again until something holds; False where it does not in time.

    What is looked at (locks of others, processes that are no children of this one) wakes nobody up.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def run(*words: str | Path, most: int = 65536, seconds: float = 60, **options: Any) -> tuple[int, str]:
    """Status and output of a program, both of its streams, of a long one its last ``most`` bytes."""
    try:
        ended = subprocess.run(  # noqa: S603 - programs of the machine with words of ours, no shell
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            timeout=seconds,
            check=False,
            cwd="/",
            env=ENVIRONMENT,
            **{"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **options},
        )
    except FileNotFoundError:
        return 127, f"there is no {words[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"{words[0]} did not end in {seconds:.0f} s"
    return ended.returncode, ended.stdout[-most:].decode(errors="replace").strip()


def must(*words: str | Path, **options: Any) -> str:
    """:func:`run` for what has to succeed."""
    status, said = run(*words, **options)
    if status:
        line = said.splitlines()[-1][:300] if said else f"status {status}"
        raise Refused("enrolment.refused", f"{Path(words[0]).name} failed: {line}.")
    return said


def box_program(*words: str | Path, files: Sequence[int] = ()) -> Answer:
    """What the box's own program says, run by the user as whom it always runs.

    :param files: descriptors that it may open below /proc/self/fd.
    """
    account = pwd.getpwnam(USER)
    who: Answer = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "umask": 0o077}
    _status, said = run(PROGRAM, *words, "--json", stderr=subprocess.DEVNULL, pass_fds=tuple(files), **who)
    try:
        answer: Answer = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise Refused("enrolment.refused", f"lineside-edge {words[0]} ended without an answer.") from error
    if "error" in answer:
        told = answer["error"]
        raise Refused(str(told["code"]), str(told["message"]), str(told.get("hint", "")))
    return answer


def write(path: Path, body: str, mode: int) -> bool:
    """Have a file with this content, all or nothing; False where it is so already."""
    if text(path, 2**20) == body and not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) == mode:
        return False
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        file.write(body.encode())
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    part.replace(path)
    return True


def text(path: Path, most: int) -> str:
    """The beginning of a plain file; empty where there is none that can be read. Follows no link, waits for no pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        with os.fdopen(os.dup(handle), "rb") as file:
            return file.read(most).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(handle)


def is_mount(path: Path) -> bool:
    """Something is mounted there, be it a folder of the same disk: it can be emptied, and not be moved or removed."""
    lines = text(Path("/proc/self/mountinfo"), 4 * CHUNK).splitlines()
    return any(words[4] == str(path) for words in map(str.split, lines) if len(words) > 4)


def is_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def has_cron() -> bool:
    """It runs; that a program of that name lies there starts nothing at boot."""
    return CRON.parent.is_dir() and any(map(_is_cron, Path("/proc").glob("[0-9]*")))


def _is_cron(process: Path) -> bool:
    try:
        return process.stat().st_uid == 0 and text(process / "comm", 64).strip() in ("cron", "crond")
    except OSError:
        return False


def uid_of_box() -> int | None:
    try:
        return pwd.getpwnam(USER).pw_uid
    except KeyError:
        return None


def ours(*, children: bool = False) -> list[int]:
    """Processes that run the box's programs; with ``children`` all of the box's user."""
    return _processes({str(PROGRAM), str(SUPERVISE)}, everything=children)


def supervisors() -> list[int]:
    """Processes that start the box again where there is no systemd; a box may outlive its own."""
    return _processes({str(SUPERVISE)})


def _processes(programs: set[str], *, everything: bool = False) -> list[int]:
    """Of the box's user, those that run one of these programs, or everything."""
    uid, found = uid_of_box(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # One that has ended and that nobody waits for is gone, whatever its first process thinks of that.
            mine = folder.stat().st_uid == uid and ") Z" not in text(folder / "stat", 512)
            if mine and (everything or programs & set(text(folder / "cmdline", 4096).split("\0")[:6])):
                found.append(int(folder.name))
    return sorted(found)
