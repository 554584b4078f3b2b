"""``lineside sync``."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Session
from app.cli.stick import add_verbs
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from app.store.records import SyncProblem, SyncStatus, Waiting
    from app.usecases.conflicts import Conflict
    from cloud_sync.objects import Credentials


NONE = "none"
ALWAYS = "always"


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "sync", "the site's object store")
    setup = topic.verb("setup", _setup, "try an object store and make it the site's")
    setup.add_argument("address", help="s3://BUCKET/PREFIX, or a folder")
    setup.add_argument("--endpoint-url", metavar="URL", help="of an S3 server that is not Amazon's")
    setup.add_argument(
        "--ask-credentials",
        action="store_true",
        help="ask for an access key and keep it in the system's keyring (default: the usual AWS variables or profile)",
    )
    policy = topic.verb("policy", _policy, "what an access key has to be allowed: a policy for Amazon's IAM, as JSON")
    policy.add_argument("--bucket", metavar="s3://BUCKET/PREFIX", help="default: the object store that is set up")
    policy.add_argument("--endpoint-url", metavar="URL", help="of --bucket, where it is not Amazon's usual one")
    topic.verb("now", _now, "send what is new here, fetch what is new there")
    limits = topic.verb("limits", _limits, "when files go, and how fast; without options: what was chosen")
    limits.add_argument("--rate", metavar="KB", help=f"kilobytes a second for files, both ways together, or '{NONE}'")
    limits.add_argument("--hours", metavar="HH:MM-HH:MM", help=f"files go between these times alone, or '{ALWAYS}'")
    limits.add_argument(
        "--metered",
        action=argparse.BooleanOptionalAction,
        help="every byte costs: changes and alerts go, files wait",
    )
    topic.verb("status", _status, "last sync, what waits, and why")
    topic.verb("conflicts", _conflicts, "what desktops that were apart decided differently")
    for name, run, words in (
        ("take", _take, "let the other value of a conflict stand, on every desktop"),
        ("keep", _keep, "let what stands stand, on every desktop"),
    ):
        topic.verb(name, run, words).add_argument("conflict", help="the beginning of its id")
    topic.verb("verify", _verify, "look whether everything is where it should be, here and in the object store")
    add_verbs(topic)
    rekey = topic.verb("rekey", _rekey, "go on as another desktop of the journal: this one's folder was copied")
    rekey.add_argument(
        "--ahead", action="store_true", help="this computer's clock was years ahead, and is right now: stamp anew"
    )


def _setup(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    credentials = _ask() if arguments.ask_credentials else None
    with session.open() as ctx:
        report = sync.setup_store(ctx, arguments.address, endpoint_url=arguments.endpoint_url, credentials=credentials)
        pairs = [("object store", report.address)]
        pairs += [(check.name, f"{'ok' if check.ok else 'no'}: {check.message}") for check in report.checks]
        if credentials is not None:
            pairs.append(("credentials", f"kept in {ctx.secrets.place}"))
        session.answer({"store": report}, text.facts(pairs))


def _ask() -> Credentials:
    from cloud_sync.objects import Credentials

    if not sys.stdin.isatty():
        raise InputInvalid("There is no terminal to ask for credentials.", hint="Use the usual AWS variables.")
    key = input("Access key id: ").strip()
    return Credentials(access_key_id=key, secret_access_key=getpass.getpass("Secret access key: ").strip())


def _policy(arguments: argparse.Namespace, session: Session) -> None:
    import json

    from app.usecases.store_access import policy_for, site_policy

    if arguments.bucket is None:
        with session.open() as ctx:
            found = site_policy(ctx)
    else:
        found = policy_for(arguments.bucket, endpoint_url=arguments.endpoint_url)
    session.answer({"policy": found}, json.dumps(found, indent=2).splitlines())


def _now(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    with session.open() as ctx, session.stoppable() as cancel:
        report = sync.sync_now(ctx, progress=session.progress, cancel=cancel)
        session.one(
            "synced",
            report,
            {
                "files sent": lambda r: f"{r.objects_sent} ({text.size(r.bytes_sent)})",
                "changes sent": lambda r: r.changes_sent,
                "changes received": lambda r: r.changes_received,
                "files received": lambda r: r.objects_received,
                "rows of figures sent": lambda r: r.figures_sent,
                "files wait": lambda r: _REASONS[r.held] if r.held else "no",
            },
        )


def _limits(arguments: argparse.Namespace, session: Session) -> None:
    from app.settings import Traffic
    from app.usecases.traffic import change_traffic
    from edge_runtime.contracts import wire

    changed: dict[str, object] = {}
    if arguments.rate is not None:
        changed["bytes_per_s"] = None if arguments.rate == NONE else _kilobytes(arguments.rate)
    if arguments.hours is not None:
        changed["hours"] = None if arguments.hours == ALWAYS else arguments.hours
    if arguments.metered is not None:
        changed["metered"] = arguments.metered
    with session.open() as ctx:
        if changed:
            limits = {**wire.to_dict(ctx.settings.traffic), **changed}
            change_traffic(ctx, wire.from_dict(limits, Traffic, what="limit"))
        session.one(
            "limits",
            ctx.settings.traffic,
            {
                "files, at most": lambda t: f"{text.size(t.bytes_per_s)} a second" if t.bytes_per_s else "no limit",
                "files go": lambda t: t.hours or ALWAYS,
                "metered link": lambda t: "yes: changes and alerts alone" if t.metered else "no",
            },
        )


def _kilobytes(given: str) -> int:
    if not given.isdecimal() or len(given) > 9:
        raise InputInvalid(f"{text.cut(given, 40)!r} is no number of kilobytes.", hint=f"A whole number, or '{NONE}'.")
    return int(given) * 1000


_REASONS = {
    "next-sync": "they go with the next sync",
    "under-way": "under way",
    "metered": "the link is metered",
    "hours": "it is not their time",
    "store-away": "the object store does not answer",
    "refused": "the object store refused; see the problem",
    "no-store": "there is no object store yet",
}
_WAITING = {
    "journal": "changes and alerts",
    "bundle": "models",
    "dataset": "datasets",
    "sample": "samples",
    "other": "other files",
    "coming": "files that other desktops have still to send, or that come with the next sync",
}


def _waiting(one: Waiting) -> str:
    size = f" ({text.size(one.bytes)})" if one.bytes else ""
    return f"{one.count} {_WAITING[one.kind]}{size}: {_REASONS[one.reason]}"


def _moving(status: SyncStatus) -> str:
    if status.moving is None:
        return "nothing"
    left = f", {status.left_s:.0f} s left" if status.left_s is not None else ""
    speed = f"{text.size(int(status.moving.bytes_per_s))} a second"
    return f"{text.size(status.moving.done)} of {text.size(status.moving.bytes)}, {speed}{left}"


def _status(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    with session.open() as ctx:
        session.one(
            "sync",
            sync.sync_status(ctx),
            {
                "object store": lambda s: s.store or "none: set one up with `lineside sync setup ADDRESS`",
                "last sync": lambda s: text.moment(s.last_ms),
                "problem": lambda s: s.problem,
                "queued": lambda s: "yes: the store was away when a sync was asked for" if s.queued else "no",
                "waiting changes": lambda s: s.pending_changes,
                "waiting files": lambda s: f"{s.pending_objects} ({text.size(s.pending_bytes)})",
                "what waits, and why": lambda s: "; ".join(map(_waiting, s.waiting)) or "nothing",
                "on its way": _moving,
                "files in the store": lambda s: f"{s.objects} ({text.size(s.bytes)})",
                "samples in the store alone": lambda s: s.stored,
                "conflicts": lambda s: f"{s.conflicts}: `lineside sync conflicts`" if s.conflicts else 0,
                "changes that do not come": lambda s: "; ".join(_problem(ctx, one) for one in s.problems) or "none",
            },
        )


def _problem(ctx: Context, one: SyncProblem) -> str:
    from app.usecases.rollout_conflicts import desktop_name

    return f"{desktop_name(ctx, one.replica)}: {one.message}"


def _conflicts(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import conflicts

    with session.open() as ctx:
        session.rows(
            "conflicts",
            conflicts.list_conflicts(ctx),
            {
                "ID": lambda c: c.conflict,
                "OF": lambda c: f"{_KINDS.get(c.kind, c.kind)} {c.subject}",
                "WHAT": lambda c: c.field or "there at all",
                "STANDS": lambda c: f"{_value(c.field, c.stands)} ({c.stands_by}, {text.moment(c.stands_ms)})",
                "OTHER": lambda c: f"{_value(c.field, c.other)} ({c.other_by}, {text.moment(c.other_ms)})",
            },
            empty="No conflicts: no two desktops decided one thing differently.",
        )


_KINDS = {
    "boxes": "box",
    "box_labels": "group of box",
    "label_events": "label of sample",
    "datasets": "dataset",
    "models": "model",
    "rollouts": "rollout",
    "decisions": "decision about",
}


def _value(field: str, value: object) -> str:
    if field:
        return text.cut(text.clean(value), 40)
    return "there" if value else "deleted"


def _take(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import conflicts

    with session.open() as ctx:
        _decided(session, conflicts.take_other(ctx, arguments.conflict), take=True)


def _keep(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import conflicts

    with session.open() as ctx:
        _decided(session, conflicts.keep(ctx, arguments.conflict), take=False)


def _decided(session: Session, one: Conflict, *, take: bool) -> None:
    value = _value(one.field, one.other if take else one.stands)
    what = f"{_KINDS.get(one.kind, one.kind)} {one.subject} {one.field}".rstrip()
    session.answer({"decided": one}, [f"{what}: {value}. The next sync tells the other desktops."])


def _verify(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    with session.open() as ctx:
        session.one(
            "verified",
            sync.verify(ctx, progress=session.progress),
            {
                "segments of this desktop": lambda r: r.segments,
                "sent again": lambda r: text.size(r.bytes_sent_again),
                "files": lambda r: r.objects,
                "lost here": lambda r: f"{r.lost_here}: they come again" if r.lost_here else 0,
                "lost in the store": lambda r: f"{r.lost_there}: the next sync sends them" if r.lost_there else 0,
            },
        )


def _rekey(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    with session.open() as ctx:
        done = sync.take_new_id(ctx, ahead=arguments.ahead)
        lines = [
            (
                f"This desktop goes on as {done.replica[:12]}, and was {done.former[:12]}; "
                f"{counted(done.changes, 'change goes', 'changes go')} out."
            ),
        ]
        if not arguments.ahead:
            lines.append("If its folder was copied, both copies have one signing key. Have one of them admitted as a")
            lines.append("desktop of its own: `lineside site request-join` there, `lineside site admit` here.")
        session.answer({"rekeyed": done}, lines)
