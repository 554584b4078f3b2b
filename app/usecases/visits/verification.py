"""Holding a report against what it says of itself, and against the site of this desktop where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.store import visits as visit_store
from app.usecases.visits.records import read_visit
from app.usecases.visits.report_file import MAX_REPORT_BYTES, CheckedReport, check_report
from app.usecases.visits.reporting import draw
from edge_runtime.contracts.errors import (
    InputInvalid,
    NotFound,
    ReportFontMissing,
    ReportForeign,
    ReportTampered,
    TrustRefused,
)
from edge_runtime.identity import fingerprint_of
from edge_runtime.plain_files import open_plain
from edge_runtime.update.roots import read_root

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A report of which no byte was changed."""

    visit: str
    title: str
    digest: str
    entries: int
    site: str
    site_name: str
    own_site: bool
    """It is the site of this desktop. Otherwise it is what the report says of itself, and to be compared by hand."""
    desktop: str
    """Fingerprint of the desktop that recorded the visit."""
    desktop_name: str
    writer: str
    """Of the desktop that wrote the file."""
    writer_name: str
    page: Literal["as-told", "not-compared"]
    """Whether the page that a reader sees is what this version draws of the visit in it. What another version or
    other fonts drew cannot be compared: then what is here counts, and not the page."""
    struck_off: tuple[str, ...] = ()
    """Names of those of its desktops that the site does not list any more; the visit was known here before."""


def verify_report(path: Path, ctx: Context | None) -> Proof:
    """Check a report, byte by byte.

    :param ctx: the site of this desktop, where it has one.
    :raises NotFound: it cannot be read.
    :raises ReportTampered: something of it was changed, or its page says something else than the visit in it.
    :raises ReportForeign: it is sound, and another site's.
    :raises TrustRefused: it is of a desktop that was struck off, and nobody knew of the visit before.
    """
    try:
        with open_plain(path) as file:
            content = file.read(MAX_REPORT_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from error
    checked = check_report(content)
    document = checked.document
    try:
        visit = read_visit(document.entries)
    except InputInvalid as error:
        raise ReportTampered(error.message) from error
    if visit.begun.site != document.site:
        raise ReportTampered("The visit in the report is another site's than the report.")
    if ctx is not None and ctx.site.site != document.site:
        raise ReportForeign(
            f"It is of the site {document.site_name!r} ({document.site[:12]}), not of {ctx.site.name!r}."
        )
    writer = fingerprint_of(document.writer)
    struck_off = _struck_off(ctx, checked, [visit.desktop, writer]) if ctx is not None else ()
    return Proof(
        visit=visit.visit,
        title=visit.begun.title,
        digest=visit.digest,
        entries=len(document.entries),
        site=document.site,
        site_name=document.site_name,
        own_site=ctx is not None,
        desktop=visit.desktop,
        desktop_name=checked.names[visit.desktop],
        writer=writer,
        writer_name=checked.names[writer],
        page=_compared(checked),
        struck_off=struck_off,
    )


def _compared(checked: CheckedReport) -> Literal["as-told", "not-compared"]:
    """Draw it once more: its writer sealed the page, and could have drawn anything."""
    try:
        if draw(checked.kind, checked.document, checked.line) == checked.drawn:
            return "as-told"
    except ReportFontMissing:
        return "not-compared"
    if checked.kind == "html" and checked.document.program == version("lineside"):
        raise ReportTampered("The page says something else than the visit that is in it.")
    return "not-compared"


def _struck_off(ctx: Context, checked: CheckedReport, desktops: Sequence[str]) -> tuple[str, ...]:
    """Those of a report's desktops that the newest root does not list.

    A report says itself which roots there are, and whoever was struck off leaves out the one that says so.
    """
    roots, document = ctx.roots(), checked.document
    listed = roots.facts.desktops
    newest = read_root(document.roots[-1].encode())
    if newest.version > roots.version:
        if roots.newest.decode() not in document.roots:
            raise TrustRefused(f"The report knows another root {roots.version} of the site than this desktop.")
        listed = newest.desktops
    gone = dict.fromkeys(desktop for desktop in desktops if listed is not None and desktop not in listed)
    names = tuple(checked.names[desktop] for desktop in gone)
    if names and tuple(visit_store.entries_of(ctx.database, document.entries[0].visit)) != document.entries:
        raise TrustRefused(
            f"Nothing was changed, but the site does not list its desktop any more: {', '.join(names)}. Whoever has its"
            " old key can have made this report at any time.",
            hint="Believe only what reached another desktop by sync before it was struck off.",
        )
    return names
