"""``lineside boxes enrol ssh://…`` and ``lineside boxes release``."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Session
from edge_runtime.contracts.enrolment_errors import ReleaseRowsWait
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.ssh.address import SshTarget
    from app.fleet.ssh.sign_in import SignIn
    from app.store.records import Box
    from app.usecases.enrolment import EnrolmentReport
    from app.usecases.release import ReleaseReport, Rows

_MOST_BYTES = 4096
_PROMPTS = {
    "password": "Password of {who}: ",
    "passphrase": "Passphrase of the key: ",
    "sudo": "Password for sudo of {who}: ",
}


def add_sign_in(parser: argparse.ArgumentParser) -> None:
    """How a person signs in over SSH."""
    parser.add_argument(
        "--host-key",
        metavar="LABEL",
        help="the fingerprint on the machine's label: SHA256:…, or the text of its QR code",
    )
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="read the password from the first line of FILE"
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="sign in with this private key, or with the agent's of which this is the public half (default: a running "
        "agent); with --password-file as well where the machine wants both",
    )
    parser.add_argument(
        "--key-passphrase-file",
        type=Path,
        metavar="FILE",
        help="read what opens the key of --key from the first line of FILE; it is sent to nobody",
    )
    parser.add_argument(
        "--sudo-password-file", type=Path, metavar="FILE", help="read sudo's password from FILE (default: the same)"
    )


def add_release(topic: Topic) -> None:
    release = topic.verb("release", _release, "take everything of Lineside off a box over SSH, and prove it")
    release.add_argument("box", nargs="?", help="name or id; without it, whatever of Lineside is on the machine --at")
    release.add_argument("--at", metavar="ssh://USER@HOST[:PORT]", help="where it is (default: where it was enrolled)")
    release.add_argument(
        "--any-site", action="store_true", help="without a name: also a box of another site, or of none that it names"
    )
    add_sign_in(release)
    rows = release.add_mutually_exclusive_group()
    rows.add_argument("--collect", action="store_true", help="bring over first what waits there")
    rows.add_argument("--discard", action="store_true", help="let go what waits there")
    release.add_argument("--yes", action="store_true", help="do not ask")


def enrol(arguments: argparse.Namespace, session: Session, facts: Callable[[Box], list[str]]) -> None:
    """:param facts: the lines that tell of a box."""
    from app.fleet.ssh.address import read_target
    from app.usecases import enrolment

    target = read_target(arguments.where)
    with session.open() as ctx:
        host_key = _host_key(ctx, arguments.host_key, target)
        sign_in = _sign_in(arguments, session, target)
        with session.stoppable() as cancel:
            report = enrolment.enrol_over_ssh(
                ctx,
                target,
                host_key,
                sign_in,
                name=arguments.name,
                bundle=arguments.bundle,
                progress=session.progress,
                cancel=cancel,
            )
    session.answer(_enrolled(report), [*facts(report.box), *_enrolled_lines(report)])


def is_over_ssh(where: str) -> bool:
    """Whether it is no folder.

    :raises InputInvalid: it is an address from which the beginning is missing.
    """
    from app.fleet.ssh.address import SCHEME, is_target, looks_like_target

    if looks_like_target(where) and not Path(where).exists():
        raise InputInvalid(f"{where!r} is no folder here.", hint=f"Over SSH it is {SCHEME}{where.strip()}.")
    return is_target(where)


def _enrolled(report: EnrolmentReport) -> dict[str, object]:
    return {
        "box": report.box,
        "changed": report.changed,
        "sent_bytes": report.sent_bytes,
        "host_key": report.host_key,
        "version": report.version,
        "boot": report.boot,
        "warnings": report.warnings,
    }


def _enrolled_lines(report: EnrolmentReport) -> list[str]:
    from app.usecases.enrolment import BOOT_NOTES

    done = f"Changed there: {', '.join(report.changed)} ({text.size(report.sent_bytes)} sent)."
    return [
        "",
        done if report.changed else "Everything was as it should be; nothing was changed there.",
        BOOT_NOTES.get(report.boot, ""),
        *(f"Note: {text.clean(warning)}" for warning in report.warnings),
    ]


def _release(arguments: argparse.Namespace, session: Session) -> None:
    from app.fleet.ssh.address import read_target
    from app.usecases import release

    rows = release.Rows.COLLECT if arguments.collect else release.Rows.DISCARD if arguments.discard else None
    if arguments.box is None and not arguments.at:
        raise InputInvalid("Name a box, or say which machine is meant.", hint="Use --at ssh://USER@HOST.")
    if arguments.any_site and arguments.box is not None:
        raise InputInvalid("A box that is named is known: it is of this site.", hint="Leave --any-site out.")
    with session.open() as ctx:
        if arguments.box is None:
            if rows is release.Rows.COLLECT:
                raise InputInvalid("A box that is on no list cannot be collected from.", hint="Enrol it first.")
            target, host_key, known = read_target(arguments.at), arguments.host_key, None
        else:
            known, target, host_key = _known(ctx, arguments)
        host_key = _host_key(ctx, host_key, target)
        if not arguments.yes:
            _confirm(known.name if known else target.host, target)
        sign_in = _sign_in(arguments, session, target)

        def once(how: Rows) -> ReleaseReport:
            with session.stoppable() as cancel:
                if known is None:
                    return release.release_machine(
                        ctx,
                        target,
                        host_key,
                        sign_in,
                        rows=how,
                        any_site=arguments.any_site,
                        progress=session.progress,
                        cancel=cancel,
                    )
                return release.release_box(
                    ctx, known.box, target, host_key, sign_in, rows=how, progress=session.progress, cancel=cancel
                )

        try:
            report = once(rows or release.Rows.KEEP)
        except ReleaseRowsWait as waiting:
            if not _at_terminal() or session.as_json:
                raise
            choices = ["collect", "discard"] if known else ["discard"]
            answer = _ask(f"{text.clean(waiting.message)}\nWhat with that? [{'/'.join(choices)}/stop] ").strip().lower()
            if answer not in choices:
                raise
            report = once(release.Rows(answer))
    session.answer({"released": report}, _released_lines(report, listed=known is not None))


def _known(ctx: Context, arguments: argparse.Namespace) -> tuple[Box, SshTarget, str | None]:
    """The box that is named, where it is, and the host key that was given or verified there."""
    from app.fleet.ssh.address import SshTarget, read_target
    from app.usecases import release

    box, access = release.ssh_access(ctx, arguments.box)
    if arguments.at:
        target = read_target(arguments.at)
    elif access is not None:
        target = SshTarget(access.user, access.host, access.port)
    else:
        raise InputInvalid(
            f"{text.clean(box.name)} was not enrolled over SSH from this desktop.",
            hint="Say where it is: --at ssh://USER@HOST. To strike it off the list only, use `lineside boxes forget`.",
        )
    known = access.host_key if access and (access.host, access.port) == (target.host, target.port) else None
    return box, target, arguments.host_key or known


def _released_lines(report: ReleaseReport, *, listed: bool) -> list[str]:
    rows = report.lost_rows
    lost = "An unknown number of rows" if rows is None else counted(rows, "row", "rows")
    return [
        f"Removed: {', '.join(map(text.clean, report.removed)) or 'nothing, for nothing was there'}.",
        *(f"not there any more: {text.clean(what)}" for what in report.looked_for),
        *([f"{lost} went with it, of which no desktop has a copy."] if report.lost_rows != 0 else []),
        f"{text.clean(report.name)} is off this machine and off the list."
        if listed
        else f"Nothing of Lineside is left on {text.clean(report.name)}.",
    ]


def _confirm(name: str, target: SshTarget) -> None:
    """:param name: the box's, or the machine's where no box is named."""
    if not _at_terminal():
        raise InputInvalid("There is no terminal to ask whether you mean it.", hint="Use --yes.")
    asked = f"Type the name of what goes ({text.clean(name)}): "
    if _ask(f"Everything of Lineside goes from {target}: programs, models, what it saw. {asked}").strip() != name:
        raise InputInvalid("That is not its name; nothing was changed.")


def _host_key(ctx: Context, given: str | None, target: SshTarget) -> str:
    """The fingerprint to expect: as given, as verified there before, or as typed from the label. A yes is no answer."""
    from app.fleet.ssh.address import read_fingerprint
    from app.usecases.enrolment import known_host_key

    if label := given or known_host_key(ctx, target):
        return read_fingerprint(label)
    if not _at_terminal():
        raise InputInvalid(
            f"The fingerprint of the host key of {target.host} is needed.", hint="Use --host-key, from its label."
        )
    return read_fingerprint(_ask(f"Fingerprint on the label of {target.host} (SHA256:…): "))


def _sign_in(arguments: argparse.Namespace, session: Session, target: SshTarget) -> SignIn:
    from app.fleet.ssh.sign_in import Secret, SignIn

    typed: dict[Secret, str] = {}
    if arguments.key_passphrase_file:
        typed["passphrase"] = _first_line(arguments.key_passphrase_file)

    def ask(what: Secret) -> str | None:
        """Once for each: the same command may sign in twice."""
        if what not in typed:
            if not _at_terminal():
                return None
            session.end_line()
            typed[what] = getpass.getpass(_PROMPTS[what].format(who=f"{target.user} at {target.host}"))
        return typed[what]

    sudo_file = arguments.sudo_password_file
    return SignIn(
        password=_first_line(arguments.password_file) if arguments.password_file else None,
        key=arguments.key,
        sudo_password=_first_line(sudo_file) if sudo_file else None,
        ask=ask,
    )


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _first_line(file: Path) -> str:
    try:
        with file.open("r", encoding="utf-8") as opened:
            return opened.read(_MOST_BYTES).partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The password cannot be read from {file}.") from error
