"""Holding a report against what it says of itself, and against the site of this desktop where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.usecases.visits.records import read_visit
from app.usecases.visits.report_file import MAX_REPORT_BYTES, check_report
from edge_runtime.contracts.errors import InputInvalid, NotFound, ReportForeign, ReportTampered
from edge_runtime.identity import fingerprint_of
from edge_runtime.plain_files import open_plain

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


def verify_report(path: Path, ctx: Context | None) -> Proof:
    """Check a report, byte by byte.

    :param ctx: the site of this desktop, where it has one.
    :raises NotFound: it cannot be read.
    :raises ReportTampered: something of it was changed.
    :raises ReportForeign: it is sound, and another site's.
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
    )
