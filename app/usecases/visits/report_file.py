"""A report as a file that shows any change of a byte. Pure.

Whatever is drawn, a page or a PDF, holds one line with the whole visit in it and ends with a seal: the sha256 of
everything before it, signed by the desktop that wrote the file. Comments of its format hide both from a reader.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.store.records import VisitEntry
from app.usecases.visits.chain import check_chain
from app.usecases.visits.seal import is_signed, sign
from app.usecases.visits.words import Language
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, ReportTampered, TrustRefused
from edge_runtime.contracts.rows import Digest, Name
from edge_runtime.identity import Identity, fingerprint_of
from edge_runtime.update.roots import check_root, follow

FileKind = Literal["html", "pdf"]
MAX_REPORT_BYTES = 256 * 2**20
_LINE = re.compile(rb"lineside-visit-report-1:([A-Za-z0-9+/=]{1,268435456}):end")
_SEALS: dict[FileKind, tuple[bytes, bytes]] = {
    "html": (b"\n<!-- lineside-visit-seal ", b" -->\n"),
    "pdf": (b"\n% lineside-visit-seal ", b"\n"),
}
_SEAL_WORDS = re.compile(rb"([0-9a-f]{64}) ([0-9a-f]{128})")
_SEAL_BYTES = 64 + 1 + 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """Everything that a report rests on."""

    format: Literal["lineside-visit-report-1"] = "lineside-visit-report-1"
    language: Language
    site: Digest
    site_name: Name
    roots: tuple[str, ...]
    """The site's roots as they were signed, the first one first: whoever made an entry is listed in one of them."""
    writer: str
    """Certificate (PEM) of the desktop that wrote the file."""
    entries: tuple[VisitEntry, ...]
    program: str = ""
    """Version of Lineside that drew it: the same one draws the same page of the same visit."""


@dataclass(frozen=True, slots=True)
class CheckedReport:
    """A report of which nothing was changed."""

    document: ReportDocument
    kind: FileKind
    drawn: bytes
    """The file without its seal."""
    line: bytes
    """What is drawn around it: the whole visit."""
    names: dict[str, str]
    """Of all desktops that any of its roots lists, by fingerprint."""


def seal_report(kind: FileKind, document: ReportDocument, identity: Identity, draw: Callable[[bytes], bytes]) -> bytes:
    """The whole file.

    :param draw: given the line that it must hold as it is; returns the file without its seal.
    """
    drawn = draw(b"lineside-visit-report-1:" + base64.b64encode(wire.encode(document)) + b":end")
    opening, closing = _SEALS[kind]
    digest = hashlib.sha256(drawn).digest()
    signature = sign(identity, "visit report", digest)
    return drawn + opening + f"{digest.hex()} {signature}".encode() + closing


def check_report(content: bytes) -> CheckedReport:
    """The report in these bytes, hostile until it has passed.

    :raises ReportTampered: a byte of it was changed, or it is no report.
    """
    kind, drawn, digest, signature = _unseal(content)
    if hashlib.sha256(drawn).hexdigest() != digest:
        raise ReportTampered("What the report shows is not what was sealed.")
    document, line = _document(drawn)
    if not is_signed(document.writer, "visit report", bytes.fromhex(digest), signature):
        raise ReportTampered("The report's seal is not that of the desktop that it names.")
    check_chain(document.entries)
    names = _names(document)
    for owner in (fingerprint_of(document.writer), *(entry.desktop for entry in document.entries)):
        if owner not in names:
            raise ReportTampered(f"The site's roots in the report do not list the desktop {owner[:12]}.")
    return CheckedReport(document, kind, drawn, line, names)


def _unseal(content: bytes) -> tuple[FileKind, bytes, str, str]:
    if len(content) > MAX_REPORT_BYTES:
        raise ReportTampered("The file is far too long to be a report.")
    for kind, (opening, closing) in _SEALS.items():
        length = len(opening) + _SEAL_BYTES + len(closing)
        tail = content[-length:]
        words = _SEAL_WORDS.fullmatch(tail[len(opening) : -len(closing)])
        if words and tail.startswith(opening) and tail.endswith(closing):
            return kind, content[:-length], words[1].decode(), words[2].decode()
    raise ReportTampered("The file does not end with the seal of a report.")


def _document(drawn: bytes) -> tuple[ReportDocument, bytes]:
    lines = list(_LINE.finditer(drawn))
    if len(lines) != 1:
        raise ReportTampered("The file does not hold the visit that it should report.")
    try:
        body = base64.b64decode(lines[0][1], validate=True)
        return wire.decode(body, ReportDocument, what="visit in the report"), lines[0][0]
    except (binascii.Error, InputInvalid) as error:
        raise ReportTampered(f"The visit in the report cannot be read: {error}.") from error


def _names(document: ReportDocument) -> dict[str, str]:
    """Whom the site has listed; its first root is what its name is made of."""
    names: dict[str, str] = {}
    trusted: bytes | None = None
    try:
        for text in document.roots:
            body = text.encode()
            facts = check_root(body) if trusted is None else follow(trusted, body)
            if trusted is None and facts.digest != document.site:
                raise ReportTampered("The first root in the report is another site's.")
            names |= {print_: desktop.name for print_, desktop in (facts.desktops or {}).items()}
            trusted = body
    except (InputInvalid, TrustRefused) as error:
        raise ReportTampered(f"The site's roots in the report do not follow one another: {error}.") from error
    return names
