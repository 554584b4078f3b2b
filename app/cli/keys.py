"""``lineside site``: desktops and keys."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli import text
from app.cli.commands import Topic
from app.cli.passphrase import known_passphrase, new_passphrase
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import Cancelled, InputInvalid

if TYPE_CHECKING:
    from app.context import Context
    from app.usecases.trust import DesktopRow, Trust
    from cloud_sync.release.handover import Handover


def add_keys(topic: Topic) -> None:
    topic.verb("desktops", _desktops, "who may look after the boxes, and which boxes still have to hear of a change")
    request = topic.verb("request-join", _request, "on a new desktop: make its keys and ask to join a site")
    request.add_argument("file", type=Path, metavar="FILE", help="where to write the request, such as a USB stick")
    _add_name(request)
    admit = topic.verb("admit", _admit, "admit the desktop that made a request")
    admit.add_argument("file", type=Path, metavar="FILE", help="the request")
    admit.add_argument("--out", type=Path, metavar="FILE", help="where to write the admission (default: beside it)")
    join = topic.verb("join", _join, "on the new desktop: become one of the site's with the admission")
    join.add_argument("file", type=Path, metavar="FILE", help="the admission")
    join.add_argument("--site-number", metavar="NUMBER", help="what the desktop shows that wrote it (default: ask)")
    strike = topic.verb("strike-off", _strike_off, "let a lost desktop do nothing any more")
    strike.add_argument("desktop", metavar="DESKTOP", help="name, or the beginning of its fingerprint")
    strike.add_argument("--yes", action="store_true", help="do not ask, where it is this desktop")
    rotate = topic.verb("rotate-key", _rotate_key, "give this desktop new keys")
    root = topic.verb("rotate-root", _rotate_root, "replace the root key, in its file")
    root.add_argument("--new-passphrase-file", type=Path, metavar="FILE", help="passphrase of the new key")
    export = topic.verb("export-root", _export, "write the file for the safe: root key, roots, releases and boxes")
    export.add_argument("file", type=Path, metavar="FILE", help="where to write it")
    recover = topic.verb("recover", _recover, "take a site over with the file for the safe, when all desktops are lost")
    recover.add_argument("file", type=Path, metavar="FILE", help="what export-root wrote")
    _add_name(recover)
    introduce = topic.verb("introduce", _introduce, "bring boxes the newest root with the root key as the proof")
    introduce.add_argument("boxes", nargs="*", metavar="BOX", help="name or id (default: all that lack it)")
    topic.verb(
        "confirm-date", _confirm_date, "say that this desktop's date is right, after a long time without releases"
    )
    for parser in (admit, strike, rotate, root, export, introduce):
        parser.add_argument(
            "--root-key",
            type=Path,
            metavar="FILE",
            help="the root key: root.key.pem or an export (default: the site's own, if it is still there)",
        )
    for parser in (admit, strike, rotate, root, export, introduce, recover):
        parser.add_argument(
            "--passphrase-file",
            type=Path,
            metavar="FILE",
            help="read the root key's passphrase from the first line of FILE instead of asking",
        )


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="what to call this desktop (default: the machine's name)")


_ROWS: Columns[DesktopRow] = {
    "NAME": lambda row: row.name,
    "FINGERPRINT": lambda row: text.short(row.fingerprint),
    "SIGNS WITH": lambda row: text.short(row.signing_key),
    "": lambda row: "this desktop" if row.here else "",
}


def _key(arguments: argparse.Namespace, ctx: Context) -> dict[str, Any]:
    """Which root key, and what opens it."""
    return {
        "root_key": arguments.root_key or ctx.places.root_key,
        "passphrase": known_passphrase(arguments.passphrase_file),
    }


def _desktops(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import trust

    with session.open() as ctx:
        _answer(session, trust.get_trust(ctx))


def _answer(session: Session, known: Trust, **more: Any) -> None:
    lines = ["The root lists no desktop yet; the first change of the keys begins the list."]
    if known.desktops:
        lines = text.table(list(_ROWS), [[read(row) for read in _ROWS.values()] for row in known.desktops])
    lines.append(f"Root {known.root} is in force. The site's number is {known.site_number}.")
    if known.desktops and not known.listed_here:
        lines.append("This desktop is struck off: boxes refuse it. Have it admitted again by another one.")
    if known.pending:
        lines.append(f"Boxes that have not heard of it yet: {text.clean(', '.join(known.pending))}")
    if known.root_key and known.root_key_replaced:
        lines.append(
            f"In {known.root_key} lies a root key that was replaced: it signs nothing any more. Delete it; the one "
            "that counts is in the file that `rotate-root` was given."
        )
    elif known.root_key:
        lines.append(f"The root key lies on this desktop, in {known.root_key}. Move it to a stick in a safe.")
    if known.date_doubt:
        lines.append(text.clean(f"Nothing is signed for now. {known.date_doubt}"))
    session.answer(
        {
            "root": known.root,
            "site_number": known.site_number,
            "desktops": known.desktops,
            "pending": known.pending,
            "root_key": known.root_key,
            "root_key_replaced": known.root_key_replaced,
            "listed_here": known.listed_here,
            "date_doubt": known.date_doubt,
            **more,
        },
        lines,
    )


def _tell_boxes(ctx: Context) -> None:
    """Whoever answers hears of it now; the others at the next contact."""
    from app.usecases import boxes

    boxes.refresh(ctx)


def _request(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import joining

    request = joining.request_join(session.home, arguments.file, name=arguments.name)
    session.answer(
        {"name": request.name, "fingerprint": request.fingerprint, "request": str(arguments.file)},
        [
            f"Wrote {arguments.file}. Carry it to a desktop of the site; there: lineside site admit FILE",
            f"This desktop is called {text.clean(request.name)}. Its fingerprint, to compare there:",
            request.fingerprint,
        ],
    )


def _admit(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import trust

    with session.open() as ctx:
        request = trust.read_request(arguments.file)
        out = arguments.out or arguments.file.with_suffix(".admission")
        session.say(f"{text.clean(request.name)} asks to join. Compare its fingerprint with what it shows there:")
        session.say(request.fingerprint)
        trust.admit(ctx, request, out, **_key(arguments, ctx))
        _tell_boxes(ctx)
        session.say(f"Wrote {out}. Carry it to the new desktop; there: lineside site join FILE")
        session.say("The site's number, to compare there:")
        session.say(trust.get_trust(ctx).site_number)
        _answer(session, trust.get_trust(ctx), admission=str(out))


def _join(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import joining, trust

    number = arguments.site_number or _compared(joining.read_admission(arguments.file))
    with joining.join(session.home, arguments.file, number=number) as ctx:
        session.say(f"This desktop is one of {text.clean(ctx.site.name)}'s now.")
        _answer(session, trust.get_trust(ctx), site=ctx.site)


def _compared(admission: Handover) -> str:
    """The number of the site in the admission, once a person has compared it.

    :raises Cancelled: it is another one.
    :raises InputInvalid: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise InputInvalid(
            "There is no terminal to ask at whether this is the right site.",
            hint="Give the number that the desktop shows that wrote the admission: --site-number NUMBER.",
        )
    print(f"The admission is of the site {text.clean(admission.name)}, number", file=sys.stderr)
    print(admission.number, file=sys.stderr)
    print("Does the desktop that wrote it show the same number? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("Nothing was joined.", hint="Carry the admission again, and compare the number.")
    return admission.number


def _strike_off(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import trust

    with session.open() as ctx:
        chosen = trust.find_desktop(ctx, arguments.desktop)
        if chosen.here and not arguments.yes:
            _ask_before_own(chosen.name)
        trust.strike_off(ctx, chosen.fingerprint, **_key(arguments, ctx))
        _tell_boxes(ctx)
        _answer(session, trust.get_trust(ctx))


def _ask_before_own(name: str) -> None:
    """:raises Cancelled: no.
    :raises InputInvalid: there is nobody to ask.
    """
    means = (
        f"{text.clean(name)} is this desktop. Struck off, it can do nothing at this site any more, and only another "
        "desktop can admit it again."
    )
    if not sys.stdin.isatty():
        raise InputInvalid(means, hint="Say so beforehand: --yes.")
    print(f"{means}\nStrike it off? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("Nobody was struck off.")


def _rotate_key(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import trust

    with session.open() as ctx:
        trust.rotate_key(ctx, **_key(arguments, ctx))
        _tell_boxes(ctx)
        _answer(session, trust.get_trust(ctx))


def _rotate_root(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import trust

    with session.open() as ctx:
        chosen = _key(arguments, ctx)
        fresh = new_passphrase(arguments.new_passphrase_file or arguments.passphrase_file)
        trust.rotate_root(ctx, new_passphrase=fresh, **chosen)
        _tell_boxes(ctx)
        session.say(f"The new key is in {chosen['root_key']}. Every other copy is worth nothing now: export it again.")
        _answer(session, trust.get_trust(ctx))


def _export(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import trust

    with session.open() as ctx:
        file = trust.export_root(ctx, arguments.file, **_key(arguments, ctx))
        session.answer(
            {"export": str(file), "root": ctx.roots().version},
            [f"Wrote {file}. Keep it on a stick in a safe, and the passphrase in another place."],
        )


def _recover(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import joining, trust

    passphrase = known_passphrase(arguments.passphrase_file)
    unreached: dict[str, str] = {}
    with joining.recover(
        session.home,
        arguments.file,
        passphrase=passphrase,
        name=arguments.name,
        told=lambda box, problem: _told(session, unreached, box, problem),
    ) as ctx:
        _tell_boxes(ctx)
        session.say("Every desktop of before is struck off. Export the root key again, and set up the object store.")
        if unreached:
            session.say(
                f"{text.clean(', '.join(unreached))}: still under the desktops of before, until "
                "`lineside site introduce` reaches them."
            )
        _answer(session, trust.get_trust(ctx), site=ctx.site, unreached=unreached)


def _introduce(arguments: argparse.Namespace, session: Session) -> int:
    from app.usecases import introducing, trust

    unreached: dict[str, str] = {}
    with session.open() as ctx:
        introducing.introduce_all(
            ctx,
            arguments.boxes,
            told=lambda box, problem: _told(session, unreached, box, problem),
            **_key(arguments, ctx),
        )
        _tell_boxes(ctx)
        _answer(session, trust.get_trust(ctx), unreached=unreached)
        return 1 if unreached else 0


def _confirm_date(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import trust

    with session.open() as ctx:
        trust.confirm_date(ctx)
        _answer(session, trust.get_trust(ctx))


def _told(session: Session, unreached: dict[str, str], box: str, problem: str | None) -> None:
    session.say(f"{text.clean(box)}: {text.clean(problem) if problem else 'knows this desktop now.'}")
    if problem:
        unreached[box] = problem
