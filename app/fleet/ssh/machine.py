"""A machine on the other end of an SSH session: what it is, who has which rights there, and its hand."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from app.fleet.ssh.session import SshSession
from app.fleet.ssh.sign_in import EXPIRED, Ask, SignIn, expired
from edge_runtime.contracts import wire
from edge_runtime.contracts.enrolment_errors import (
    EnrolmentRefused,
    EnrolmentUnsuitable,
    SshBusy,
    SshSudo,
    SshUnexpected,
)
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, LinesideError
from edge_runtime.contracts.text import one_line
from edge_runtime.contracts.told import OF_A_BOX

T = TypeVar("T")
OF_A_MACHINE = (*OF_A_BOX, AlreadyExists, EnrolmentRefused, EnrolmentUnsuitable, SshBusy)
"""The errors that a machine may name: its own, and those of the box's program there."""
OLDEST_PYTHON = (3, 11)
HAND_MODULES = ("common", "home", "look", "release", "enrol", "main")
"""Each after those that it imports."""
PACKAGE = "app.fleet.ssh.hand"
DEED_S = 1200.0
STAY_S = 20.0
LET_GO_S = 20.0
MAX_PROBE = 65536
MAX_MESSAGE = 500
# Works in every shell that a person may have: there is no quote and no exclamation mark in it.
BOOTSTRAP = 'import sys;b=sys.stdin.buffer;exec(compile(b.read(int(b.readline())),"hand","exec"))'
LOADER = """\
import json, sys, types
given = json.loads(b.readline())
for name in given["packages"]:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
for name, source in given["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    parent, _, last = name.rpartition(".")
    setattr(sys.modules[parent], last, module)
    exec(compile(source, name, "exec"), module.__dict__)
sys.stdout.write("\\n" + given["mark"] + json.dumps(module.answer(given["request"])) + "\\n")
"""
MARK = "lineside-answer-"
"""With a word that nobody knows beforehand: what a shell says of itself is no answer."""
PROBE_MARK = "lineside-probe:"
PROBE = """\
echo; echo "lineside-probe:"
LC_ALL=C; export LC_ALL; PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
echo "arch=$(uname -m)"
echo "uid=$(id -u)"
echo "home=$HOME"
[ -d "$HOME" ] && [ -w "$HOME" ] && echo "writable=yes"
echo "clock=$(date +%s)"
echo "sudo=$(command -v sudo)"
echo "libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)"
df -Pk "$HOME" 2>/dev/null | { read -r line; read -r a b c d e; echo "free_kib=$d"; }
for name in python3 python3.11 python3.12 python3.13 python3.14; do
  for place in /usr/bin /usr/local/bin "$(command -v $name 2>/dev/null | sed 's,/[^/]*$,,')"; do
    [ -n "$place" ] && [ -x "$place/$name" ] && "$place/$name" -I -c \
      'import os, sys; print("python=%d.%d %s" % (*sys.version_info[:2], os.path.realpath(sys.executable)))' \
      2>/dev/null </dev/null
  done
done
exit 0
"""
_PLAIN_WORDS = ("env", "LC_ALL=C")
"""sudo's reasons are read here."""
_PYTHON = re.compile(r"(3)\.([0-9]{1,2}) (/[^\s\x00-\x1f]{1,200})")
_FOLDER = re.compile(r"/[^\x00-\x1f]{0,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What any shell can tell of its machine."""

    arch: str
    uid: int
    home: str
    """Of whoever signed in."""
    has_home: bool
    """It is there, and can be written to."""
    clock_s: int
    sudo: str | None
    """Path of the program."""
    libc: str
    free_bytes: int
    """Where that home is."""
    pythons: tuple[tuple[str, str], ...]
    """Version and path, the system's own first."""


def read_probe(output: bytes) -> Probe:
    """:raises SshUnexpected: it is not what :data:`PROBE` prints. Pure."""
    facts: dict[str, str] = {}
    pythons: list[tuple[str, str]] = []
    # Before the mark speak the files that a shell reads when it starts.
    said = output.decode(errors="replace").rpartition(f"\n{PROBE_MARK}\n")[2]
    for line in said.splitlines()[:200]:
        key, equals, value = line.partition("=")
        if key == "python" and (found := _PYTHON.fullmatch(value)):
            python = (f"3.{found[2]}", found[3])
            if python not in pythons:
                pythons.append(python)
        elif equals:
            facts.setdefault(key, value.strip())
    try:
        home = facts["home"]
        if not _FOLDER.fullmatch(home):
            raise ValueError
        return Probe(
            arch=one_line(facts["arch"])[:40],
            uid=int(facts["uid"]),
            home=home,
            has_home=facts.get("writable") == "yes",
            clock_s=int(facts["clock"]),
            sudo=facts["sudo"] if _FOLDER.fullmatch(facts.get("sudo", "")) else None,
            libc=one_line(facts.get("libc", ""))[:40],
            free_bytes=int(facts.get("free_kib") or 0) * 1024,
            pythons=tuple(pythons),
        )
    except (KeyError, ValueError) as error:
        raise SshUnexpected("Its shell does not say what kind of machine it is.") from error


def choose_python(probe: Probe, offered: tuple[str, ...]) -> tuple[str, str]:
    """Version and path of the first Python for which the bundle has something. Pure.

    :param offered: versions; none: any that is new enough.
    :raises EnrolmentUnsuitable: there is none.
    """
    for version, path in probe.pythons:
        if version in offered or (not offered and tuple(map(int, version.split("."))) >= OLDEST_PYTHON):
            return version, path
    found = ", ".join(version for version, _path in probe.pythons) or "no Python 3"
    wanted = ", ".join(offered) or "3.11 or newer"
    raise EnrolmentUnsuitable(
        f"It has {found}; a box needs Python {wanted}.",
        hint="Install one of these on the machine, or build the bundle for what it has: "
        "`make edge-bundle` takes PYTHONS, `--bundle` what it built. Nothing was changed.",
    )


class Machine:
    """:param python: the interpreter there that runs the hand."""

    def __init__(self, session: SshSession, probe: Probe, python: str, sudo: bytes | None) -> None:
        self.probe = probe
        self.python = python
        self._session = session
        self._visitor = ""
        self._heard_at = 0.0
        self._sudo = sudo
        """The line that sudo reads; None: it asks for no password."""

    def as_root(self, deed: str, kind: type[T], **request: Any) -> T:
        """Have a deed done with all rights; errors that the machine names are raised."""
        if self.probe.uid == 0:
            return self._do(deed, kind, [], b"", request)
        words = [*_PLAIN_WORDS, str(self.probe.sudo), "-k", *(["-n"] if self._sudo is None else ["-S", "-p", ""]), "--"]
        return self._do(deed, kind, words, self._sudo or b"", request)

    def as_self(self, deed: str, kind: type[T], **request: Any) -> T:
        """Have a deed done as whoever signed in."""
        return self._do(deed, kind, [], b"", request)

    @contextmanager
    def claimed(self, visitor: str) -> Iterator[None]:
        """No other desktop does anything there meanwhile.

        :param visitor: this desktop's fingerprint.
        :raises SshBusy: one does.
        """
        self._visitor = visitor
        self.stay()
        try:
            yield
        finally:
            # Where the link is cut the machine waits for this desktop for a while, and then for nobody.
            with suppress(LinesideError), self._session.undisturbed():
                self.as_root("let-go", _Done)

    def stay(self) -> None:
        """Say that this desktop is still at work there, if it has not said so lately."""
        if not self._heard_at or time.monotonic() - self._heard_at > STAY_S:
            self.as_root("claim", _Done)
            self._heard_at = time.monotonic()

    def _do(self, deed: str, kind: type[T], before: list[str], feed: bytes, request: dict[str, Any]) -> T:
        command = shlex.join([*before, self.python, "-I", "-c", BOOTSTRAP])
        mark = f"{MARK}{secrets.token_hex(8)}:"
        wanted = {"deed": deed, "visitor": self._visitor, **request}
        given = json.dumps({"packages": _packages(), "modules": _modules(), "mark": mark, "request": wanted})
        loader = LOADER.encode()
        sent = b"".join([feed, str(len(loader)).encode(), b"\n", loader, given.encode(), b"\n"])
        ended = self._session.run(command, sent, timeout_s=LET_GO_S if deed == "let-go" else DEED_S)
        line = next((one for one in ended.stdout.split(b"\n") if one.startswith(mark.encode())), None)
        host = self._session.target.host
        if line is None:
            last = (ended.stderr.strip().splitlines() or ["no reason was given"])[-1]
            raise SshUnexpected(f"{host} did not do what was asked ({deed}): {one_line(last)[:200]}.")
        body = line[len(mark) :]
        try:
            failed = wire.decode(body, _Failed, what=f"answer of {host}").error
            if failed is not None:
                raise _named(failed, host)
            return wire.decode(body, kind, what=f"answer of {host}")
        except InputInvalid as error:
            raise SshUnexpected(error.message) from error


@dataclass(frozen=True, slots=True)
class _Done:
    changed: bool


@dataclass(frozen=True, slots=True)
class _Error:
    code: str = ""
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Failed:
    error: _Error | None = None


def _named(told: _Error, host: str) -> LinesideError:
    """The error that a machine names: what kinds there are is not for it to say, and its words are no orders."""
    message, hint = (one_line(text)[:MAX_MESSAGE] for text in (told.message, told.hint))
    error = LinesideError.from_dict({"code": told.code, "message": message, "hint": hint}, among=OF_A_MACHINE)
    if type(error) is LinesideError:
        return SshUnexpected(f"{host} names an error that is not known here: {message[:200]}")
    return error


def meet(session: SshSession, sign_in: SignIn, *, offer: Callable[[Probe], tuple[str, ...]]) -> Machine:
    """Find out what the machine is, and get the rights that are needed there. Changes nothing.

    :param offer: gives the versions of Python that will do (none: any that runs the hand), or refuses the machine
        before a password is asked for.
    """
    outcome = session.run("/bin/sh -s", PROBE.encode(), limit=MAX_PROBE)
    if EXPIRED in outcome.stderr:
        raise expired(session.target)
    probe = read_probe(outcome.stdout)
    _version, python = choose_python(probe, offer(probe))
    return Machine(session, probe, python, None if probe.uid == 0 else _get_sudo(session, probe, python, sign_in))


def _get_sudo(session: SshSession, probe: Probe, python: str, sign_in: SignIn) -> bytes | None:
    """The line that sudo is to read; None where it wants none.

    :raises SshSudo: no way leads to root.
    """
    who, host = session.target.user, session.target.host
    if probe.sudo is None:
        raise SshSudo(f"{host} has no sudo, and {who} is not root.")
    # Tried with the very program that will run, for sudo may allow some and refuse others; "-k" keeps no ticket.
    tried = [python, "-I", "-c", "pass"]
    ended = session.run(shlex.join([*_PLAIN_WORDS, probe.sudo, "-k", "-n", "--", *tried]))
    if ended.status == 0:
        return None
    if "must have a tty" in ended.stderr:
        raise SshSudo(
            f"The sudo of {host} serves {who} at a terminal only.",
            hint=f"Put the line `Defaults:{who} !requiretty` into its rules there (`visudo`), or sign in as root. "
            "Nothing was changed there.",
        )
    said = ""
    given: list[Ask] = [
        lambda _what: sign_in.sudo_password,
        lambda _what: session.password,
        sign_in.ask,
    ]
    for secret in given:
        password = secret("sudo")
        if password is None:
            continue
        if "\n" in password or "\0" in password:
            raise InputInvalid("The password for sudo has more than one line.")
        line = f"{password}\n".encode()
        ended = session.run(shlex.join([*_PLAIN_WORDS, probe.sudo, "-k", "-S", "-p", "", "--", *tried]), line)
        if ended.status == 0:
            return line
        said = (ended.stderr.strip().splitlines() or [""])[-1]
        if sign_in.sudo_password is not None:
            break
    reason = f": {one_line(said)[:200]}" if said else ", and no password for sudo was given"
    raise SshSudo(f"{who} may not act as root on {host}{reason}.")


@cache
def _modules() -> tuple[tuple[str, str], ...]:
    folder = Path(__file__).with_name("hand")
    return tuple((f"{PACKAGE}.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in HAND_MODULES)


def _packages() -> list[str]:
    parts = PACKAGE.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def supervisor_source() -> str:
    """The program that keeps a box running where there is no systemd."""
    return Path(__file__).with_name("hand").joinpath("supervise.py").read_text("utf-8")
