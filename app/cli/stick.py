"""``lineside sync export`` and ``lineside sync import``: a site on a stick."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Session

if TYPE_CHECKING:
    from app.context import Context
    from app.usecases.stick.exporting import Damage
    from app.usecases.stick.importing import ImportReport


def add_verbs(topic: Topic) -> None:
    """Beside the others of ``lineside sync``."""
    out = topic.verb("export", _export, "bring everything that is here onto a stick, for desktops without a network")
    out.add_argument("folder", type=Path, help="the stick, or any folder; several desktops may add to one")
    out.add_argument("--without-samples", action="store_true", help="leave the samples' bytes here: they are the most")
    out.add_argument("--encrypt", action="store_true", help="ask for a passphrase; for a stick that is new")
    back = topic.verb("import", _import, "take over what other desktops of this site exported to a stick")
    back.add_argument("folder", type=Path, help="the stick")
    for one in (out, back):
        one.add_argument(
            "--passphrase-file", type=Path, metavar="FILE", help="of an encrypted stick (default: ask on the terminal)"
        )


def _export(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.stick.exporting import export_to

    with session.open() as ctx, session.stoppable() as cancel:
        report = export_to(
            ctx,
            arguments.folder,
            samples=not arguments.without_samples,
            passphrase=_passphrase(ctx, arguments, encrypt=arguments.encrypt),
            progress=session.progress,
            cancel=cancel,
        )
        session.one(
            "exported",
            report,
            {
                "written to": lambda r: r.folder,
                "segments of this desktop": lambda r: r.segments,
                "other desktops' changes": lambda r: "went along" if r.snapshot else "nothing new",
                "files": lambda r: f"{r.files}, read back ({text.size(r.bytes)} with the changes)",
                "files that were there": lambda r: r.there,
                "samples left out": lambda r: r.left_out,
                "not exported": lambda r: _problems(r.problems),
            },
        )


def _import(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.stick.importing import import_from

    with session.open() as ctx, session.stoppable() as cancel:
        passphrase = _passphrase(ctx, arguments, encrypt=False)
        report = import_from(ctx, arguments.folder, passphrase=passphrase, progress=session.progress, cancel=cancel)
        session.one(
            "imported",
            report,
            {
                "read from": lambda r: r.folder,
                "changes": lambda r: r.changes,
                "rows of snapshots": lambda r: r.rows,
                "files": lambda r: f"{r.files} ({text.size(r.bytes)})",
                "files on no stick yet": lambda r: r.missing,
                "keys": _keys,
                "passed by": lambda r: _problems(r.problems),
            },
        )


def _passphrase(ctx: Context, arguments: argparse.Namespace, *, encrypt: bool) -> str | None:
    """Asked for where it is needed: of a stick that is encrypted, or that is to be."""
    from app.cli.passphrase import known_passphrase, new_passphrase
    from app.usecases.stick.opening import look

    found = look(ctx, arguments.folder)
    if found.encrypted:
        return known_passphrase(arguments.passphrase_file, "the stick")
    if encrypt or arguments.passphrase_file is not None:
        return new_passphrase(arguments.passphrase_file, "the new stick")
    return None


def _keys(report: ImportReport) -> str:
    if not report.root:
        return "unchanged"
    words = [f"root {report.root} taken over"]
    words += [f"admitted: {', '.join(report.admitted)}"] if report.admitted else []
    words += [f"struck off: {', '.join(report.struck_off)}"] if report.struck_off else []
    return "; ".join(words)


def _problems(problems: Sequence[Damage]) -> str:
    return "; ".join(f"{one.what}: {one.why}" for one in problems) or "nothing"
