"""The deeds that make a box of a machine."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from app.fleet.ssh.hand.common import (
    ANCHOR,
    CHUNK,
    CRON,
    DROP_INS,
    ENVIRONMENT,
    HOME,
    INBOX,
    PREFIX,
    SERVICE,
    STAGING,
    SUPERVISE,
    UNIT,
    USER,
    WANTED,
    Answer,
    Refused,
    box_program,
    has_cron,
    is_systemd,
    must,
    ours,
    run,
    supervisors,
    text,
    within,
    write,
)
from app.fleet.ssh.hand.home import content, listening_port, stay
from app.fleet.ssh.hand.release import stop_box

INSTALL_SECONDS = 900.0
NO_VIDEO_GROUP = "SupplementaryGroups=video\n"


def staged(request: Answer) -> Answer:
    """As whoever signed in: what is in the folder for uploads.

    :param request: ``wanted``: names of the files, which are the digests of their content; ``make``: make the folder,
        and remove from it what nobody wants any more.
    """
    folder, make = staging(), request["make"]
    if not make and not folder.exists():
        return {"folder": str(folder), "files": {}}
    if make:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise Refused("enrolment.refused", f"{folder} is not a folder of {pwd.getpwuid(os.getuid()).pw_name}.")
    found = {}
    for path in folder.iterdir():
        if path.name in request["wanted"] and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                found[path.name] = {
                    "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
                    "size": os.fstat(file.fileno()).st_size,
                }
        elif make and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif make:
            path.unlink()
    return {"folder": str(folder), "files": found}


def unstage(_request: Answer) -> Answer:
    """As whoever signed in: remove the folder for uploads."""
    folder = staging()
    there = folder.is_dir() and not folder.is_symlink()
    if there:
        shutil.rmtree(folder)
    return {"changed": there}


def staging() -> Path:
    return Path(pwd.getpwuid(os.getuid()).pw_dir) / STAGING


def make_user(_request: Answer) -> Answer:
    """The user as whom the box runs: no password, no shell."""
    try:
        account = pwd.getpwnam(USER)
    except KeyError:
        shell = next((each for each in ("/usr/sbin/nologin", "/sbin/nologin") if Path(each).exists()), "/bin/false")
        # A group of that name is what an earlier release could not take away.
        group = ("--gid", USER) if _has_group(USER) else ("--user-group",)
        options = ("--system", *group, "--no-create-home", "--home-dir", str(HOME), "--shell", shell)
        must("useradd", *options, USER)
        return {"changed": True}
    if account.pw_uid == 0:
        raise Refused("enrolment.refused", f"The user {USER} has all of root's rights on this machine.")
    return {"changed": False}


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def install(request: Answer) -> Answer:
    """Copy what was uploaded to a folder of root's own, hold each file against its digest, install from there.

    :param request: ``folder``: where it was uploaded to; ``files``: path and size by digest.
    """
    if INBOX.is_dir() and not INBOX.is_symlink():
        shutil.rmtree(INBOX)
    INBOX.mkdir(mode=0o700, parents=True)
    try:
        uploaded, wrong = Path(request["folder"]), []
        for digest, (path, size) in request["files"].items():
            target = INBOX / path
            target.parent.mkdir(mode=0o700, exist_ok=True)
            if not _copy(uploaded / digest, target, digest, size):
                wrong.append(digest)
        if wrong:
            return {"changed": False, "wrong": wrong}
        command = (sys.executable, "-I", INBOX / "install.py", "--prefix", PREFIX, "--json")
        status, said = run(*command, seconds=INSTALL_SECONDS, stderr=subprocess.DEVNULL)
        try:
            answer: Answer = json.loads(said)
        except ValueError as error:
            raise Refused("edge-install.refused", f"The installer ended with status {status} and no answer.") from error
        if "error" in answer:
            told = answer["error"]
            raise Refused(str(told["code"]), str(told["message"]), str(told["hint"]))
        return {"changed": bool(answer["changed"]), "wrong": []}
    finally:
        shutil.rmtree(INBOX, ignore_errors=True)


def _copy(source: Path, target: Path, digest: str, size: int) -> bool:
    """False: what lies there is not the file with this digest. Whoever owns the folder may be changing it."""
    try:
        handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    found = hashlib.sha256()
    with os.fdopen(handle, "rb") as file, target.open("xb") as copy:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        while size >= 0 and (chunk := file.read(CHUNK)):
            size -= len(chunk)
            found.update(chunk)
            copy.write(chunk)
    return size == 0 and found.hexdigest() == digest


def serve(request: Answer) -> Answer:
    """Have the box started at every boot: by systemd, or else by a supervisor of its own, where cron starts that.

    :param request: ``unit``, ``clock`` and ``supervise``: the unit, its drop-in for the clock, the supervisor.
    """
    if is_systemd():
        unit = request["unit"]
        if not _has_group("video"):
            # systemd refuses to start a unit with a group that is not there.
            unit = unit.replace(NO_VIDEO_GROUP, "")
        if not UNIT.exists():
            # Only at the first time: whoever took it away later does not want it.
            DROP_INS.mkdir(parents=True, exist_ok=True)
            write(DROP_INS / "clock.conf", request["clock"], 0o644)
        changed = write(UNIT, unit, 0o644)
        if changed:
            must("systemctl", "daemon-reload")
        if not WANTED.is_symlink():
            must("systemctl", "enable", SERVICE)
            changed = True
        return {"changed": changed, "boot": "systemd"}
    changed = write(SUPERVISE, f"#!{os.path.realpath(sys.executable)} -I\n{request['supervise']}", 0o755)
    if has_cron():
        line = f"# Starts the Lineside box at boot.\n@reboot {USER} {SUPERVISE}\n"
        return {"changed": write(CRON, line, 0o644) or changed, "boot": "cron"}
    return {"changed": changed, "boot": "by-hand"}


def exchange(request: Answer) -> Answer:
    """Have the box make its key, and trust the desktop and its site.

    :param request: ``name``: of a new box; ``desktop`` and ``roots``, the newest last: what it is to trust.
    """
    account = pwd.getpwnam(USER)
    if not HOME.exists():
        HOME.mkdir(mode=0o700, parents=True)
        os.chown(HOME, account.pw_uid, account.pw_gid)
    facts = HOME.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (0, account.pw_uid):
        raise Refused("enrolment.refused", f"{HOME} belongs to somebody else.")
    if facts.st_uid == 0:
        # Made a moment ago by a hand that was stopped before its next line.
        os.chown(HOME, account.pw_uid, account.pw_gid)
    before = content()
    stay()
    made = box_program("init", "--home", HOME, "--name", request["name"])
    handles = [_in_memory(body) for body in (request["desktop"], *request["roots"])]
    desktop, *roots = (f"/proc/self/fd/{handle}" for handle in handles)
    try:
        box_program("trust", "--home", HOME, "--desktop", desktop, "--root", *roots, files=handles)
    finally:
        for handle in handles:
            os.close(handle)
    anchored = write(ANCHOR, request["roots"][-1], 0o644)
    return {**made, "changed": content() != before or anchored, "port": listening_port()}


def _in_memory(body: str) -> int:
    """A file without a name, so that nothing is left behind."""
    handle = os.memfd_create("lineside")
    with os.fdopen(os.dup(handle), "wb") as file:
        file.write(body.encode())
    return handle


def start(request: Answer) -> Answer:
    """Have the box run, the version that is in force, and looked after by what starts it again.

    :param request: ``anew``: even where it runs already.
    """
    running = ours()
    anew = bool(running) and (request["anew"] or _runs_another_version(running) or not _is_looked_after())
    if running and not anew:
        return {"changed": False}
    if is_systemd():
        must("systemctl", "restart" if anew else "start", "--no-block", SERVICE)
        return {"changed": True}
    if anew:
        stop_box()
    account = pwd.getpwnam(USER)
    groups = [each.gr_gid for each in grp.getgrall() if each.gr_name == "video"]
    subprocess.Popen(  # noqa: S603 - our own supervisor, no shell
        [str(SUPERVISE)],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=groups,
        umask=0o077,
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    within(10, supervisors)
    return {"changed": True}


def _is_looked_after() -> bool:
    """Without its supervisor a box runs on until it ends, and never again.

    A new one cannot take it over, only start one of its own: such a box has to end first.
    """
    return is_systemd() or bool(supervisors())


def _runs_another_version(pids: list[int]) -> bool:
    current = f" {(PREFIX / 'current').resolve()}/"
    for pid in pids:
        loaded = [line for line in text(Path(f"/proc/{pid}/maps"), 16 * CHUNK).splitlines() if f" {PREFIX}/" in line]
        if loaded and not any(current in line for line in loaded):
            return True
    return False
