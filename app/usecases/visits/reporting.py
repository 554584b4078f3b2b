"""Writing the report of a visit: a page or a PDF, sealed by this desktop."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from app.usecases.visits.html import draw_html
from app.usecases.visits.recording import entries_of
from app.usecases.visits.records import read_visit
from app.usecases.visits.report_file import FileKind, ReportDocument, seal_report
from app.usecases.visits.view import report_view
from app.usecases.visits.words import Language, resolve_language
from edge_runtime.contracts.errors import InputInvalid, TrustRefused
from edge_runtime.update.durable import write_durably

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """A report on the disk."""

    path: str
    visit: str
    bytes: int
    sha256: str


def write_report(ctx: Context, visit: str, out: Path, *, language: Language | None = None) -> WrittenReport:
    """Write the report of a visit; a file of that name is replaced.

    :param visit: the beginning of its id.
    :param out: ends in ``.html`` or ``.pdf``.
    :param language: None: that of this desktop.
    :raises InputInvalid: the file's name says no format, or it cannot be written there.
    :raises ReportTampered: an entry of the visit was changed.
    :raises ReportFontMissing: no font here has the characters of the language, for a PDF.
    :raises TrustRefused: the site does not list this desktop.
    :raises DiskFull: no room.
    """
    kind = _kind_of(out)
    if ctx.identity.fingerprint not in ctx.roots().desktops():
        raise TrustRefused("The site's root does not list this desktop: nobody could believe its seal.")
    entries = entries_of(ctx, visit)
    roots = ctx.roots()
    document = ReportDocument(
        language=language or resolve_language(ctx.settings.language),
        site=ctx.site.site,
        site_name=ctx.site.name,
        roots=tuple(path.read_text("utf-8") for path in roots.paths),
        writer=ctx.identity.certificate_pem,
        entries=tuple(entries),
        program=version("lineside"),
    )
    content = seal_report(kind, document, ctx.identity, lambda line: draw(kind, document, line))
    try:
        write_durably(out, [content])
    except OSError as error:
        raise InputInvalid(f"{out} cannot be written: {error.strerror}.") from error
    return WrittenReport(
        path=str(out), visit=entries[0].visit, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


def draw(kind: FileKind, document: ReportDocument, line: bytes) -> bytes:
    """The file without its seal; the same version draws the same one of the same visit, a PDF with the same fonts.

    :param line: what it holds as it is.
    :raises ReportFontMissing: no font here has the characters of the language, for a PDF.
    """
    view = report_view(read_visit(document.entries), document.language)
    if kind == "html":
        return draw_html(view, line)
    from app.usecases.visits.pdf import draw_pdf

    return draw_pdf(view, line, document.entries[-1].at_ms)


def _kind_of(out: Path) -> FileKind:
    match out.suffix.lower():
        case ".html":
            return "html"
        case ".pdf":
            return "pdf"
    raise InputInvalid(f"{out.name!r} does not say what to write.", hint="End the name in .html or .pdf.")
