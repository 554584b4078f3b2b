"""A visit's chain and its report: every change of a byte is found, and nothing hostile gets through."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from app.context import Context
from app.store import boxes as box_store
from app.store import visits as visit_store
from app.store.incoming import checked_row
from app.store.journal import StoreJournal
from app.store.records import Box, VisitEntry
from app.usecases import trust
from app.usecases.visits import fonts, recording, report_file, reporting
from app.usecases.visits.chain import check_chain, digest_of
from app.usecases.visits.verification import verify_report
from app.usecases.visits.words import Language
from cloud_sync.journal.changes import Change
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    InputInvalid,
    NotFound,
    ReportFontMissing,
    ReportForeign,
    ReportTampered,
    TrustRefused,
)
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.unit.app.rows import OpenDatabase

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


@pytest.fixture
def away(ctx: Context, box: Box) -> Iterator[Box]:
    """A box that nobody answers for, with the worst name that there is."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        found = replace(box, name=HOSTILE, address=f"127.0.0.1:{silent.getsockname()[1]}")
        box_store.put_box(ctx.database, found)
        yield found


@pytest.fixture
def ended(ctx: Context, away: Box) -> str:
    """A whole visit."""
    recording.begin_visit(ctx, title="Spring service")
    recording.note_visit(ctx, f"Looked at it. {HOSTILE} 灌装线 ])}} \x1b[31m", box=away.box)
    return recording.end_visit(ctx).visit


def test_a_visit_says_what_was_found_also_where_nobody_answers(ctx: Context, away: Box) -> None:
    begun = recording.begin_visit(ctx, title="  ")
    assert begun.begun.title == "North plant"
    assert "does not answer" in begun.begun.before[0].problem
    assert recording.open_visit(ctx) == begun.visit
    with pytest.raises(InputInvalid, match="has begun already"):
        recording.begin_visit(ctx, title="another")
    noted = recording.note_visit(ctx, " Cleaned the lens. ")
    assert [note.text for _at, _who, note in noted.notes] == ["Cleaned the lens."]
    ended = recording.end_visit(ctx)
    assert ended.after(away.box) is not None
    assert ended.ended is not None
    assert [entry.what for entry in ended.ended.done] == ["visit.begun"]
    assert recording.open_visit(ctx) is None
    calls: tuple[Callable[[], object], ...] = (
        lambda: recording.note_visit(ctx, "late"),
        lambda: recording.end_visit(ctx),
        lambda: recording.take_receipts(ctx),
    )
    for late in calls:
        with pytest.raises(InputInvalid, match="No visit has begun"):
            late()
    (row,) = recording.list_visits(ctx)
    assert (row.digest, row.here, row.problem, row.boxes) == (ended.digest, True, None, (away.box,))


@pytest.mark.parametrize(("title", "note"), [("x" * 201, ""), ("a\nb", ""), ("ok", "x" * 4001), ("ok", "  ")])
def test_words_that_cannot_be_kept_change_nothing(ctx: Context, away: Box, title: str, note: str) -> None:
    with pytest.raises(InputInvalid):
        recording.begin_visit(ctx, title=title)
        recording.note_visit(ctx, note)
    assert sum(len(recording.entries_of(ctx, row.visit)) for row in recording.list_visits(ctx)) <= 1


def test_a_site_without_boxes_has_nothing_to_visit(ctx: Context) -> None:
    with pytest.raises(InputInvalid, match="no box"):
        recording.begin_visit(ctx, title="x")
    assert recording.plan_visit(ctx).boxes == ()


def test_any_change_of_an_entry_breaks_the_chain(ctx: Context, ended: str) -> None:
    entries = recording.entries_of(ctx, ended)
    assert len(entries) == 4
    changed = {
        "at_ms": 1,
        "who": "somebody",
        "kind": "note",
        "body": "{}",
        "visit": "0" * 16 + entries[0].visit[16:],
        "replica": "0" * 64,
        "desktop": "0" * 64,
        "previous": "1" * 64,
        "digest": "1" * 64,
        "signature": "0" * 128,
        "certificate": "-----BEGIN CERTIFICATE-----",
        "seq": 9,
    }
    assert set(changed) == set(wire.to_dict(entries[0]))
    for number in range(len(entries)):
        for name, value in changed.items():
            bent = [*entries]
            bent[number] = wire.from_dict({**wire.to_dict(entries[number]), name: value}, VisitEntry)
            if bent[number] == entries[number]:
                continue
            with pytest.raises(ReportTampered):
                check_chain(bent)
    for cut in (entries[1:], [entries[0], *entries[2:]], [entries[0], entries[2], entries[1], entries[3]], []):
        with pytest.raises(ReportTampered):
            check_chain(cut)
    # Sealed anew without the key: the digests fit, the signature does not.
    forged = replace(entries[1], body='{"text":"nothing was done"}')
    with pytest.raises(ReportTampered, match="signature"):
        check_chain([entries[0], replace(forged, digest=digest_of(forged)), *entries[2:]])


def test_an_entry_that_was_changed_in_the_database_is_shown_and_holds_up_nothing(ctx: Context, ended: str) -> None:
    ctx.database.write(lambda w: w.execute("UPDATE visit_entries SET who = 'nobody' WHERE seq = 2"))
    (row,) = recording.list_visits(ctx)
    assert row.problem is not None
    assert "Entry 2" in row.problem
    assert recording.plan_visit(ctx).boxes
    with pytest.raises(ReportTampered):
        reporting.write_report(ctx, ended, ctx.home / "x.html")


def test_visits_travel_to_other_desktops_and_nobody_writes_in_anothers_name(
    ctx: Context, ended: str, open_database: OpenDatabase
) -> None:
    entries = visit_store.entries_of(ctx.database, ended)
    other = open_database("other")
    journal = StoreJournal(other)
    sent = [change for _number, change in StoreJournal(ctx.database).unsealed(1000) if change.table == "visit_entries"]
    journal.apply(ctx.site.replica, 1, sent)
    assert visit_store.entries_of(other, ended) == entries
    (ends,) = visit_store.list_ends(other)
    assert ends == (entries[0], entries[-1])
    row = wire.to_dict(entries[1])
    for changes, replica in (({}, "f" * 64), ({"replica": "f" * 64}, "f" * 64), ({"digest": "x"}, ctx.site.replica)):
        bent = Change(
            table="visit_entries", key=f"{ended}/2", body={**row, **changes}, clock=sent[0].clock, replica=replica
        )
        with pytest.raises(InputInvalid):
            journal.apply(replica, 2, [bent])
    assert checked_row("visit_entries", f"{ended}/2", row) == row


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_a_report_stands_for_itself(ctx: Context, ended: str, tmp_path: Path, kind: str, language: Language) -> None:
    out = tmp_path / f"report.{kind}"
    written = reporting.write_report(ctx, ended[:8], out, language=language)
    assert written.bytes == out.stat().st_size
    proof = verify_report(out, ctx)
    assert (proof.visit, proof.own_site, proof.site) == (ended, True, ctx.site.site)
    assert verify_report(out, None).own_site is False
    again = tmp_path / f"again.{kind}"
    assert reporting.write_report(ctx, ended, again, language=language).sha256 == written.sha256


def test_a_flipped_bit_anywhere_in_a_report_is_found(ctx: Context, ended: str, tmp_path: Path) -> None:
    for kind, step in (("html", 1), ("pdf", 29)):
        out = tmp_path / f"report.{kind}"
        reporting.write_report(ctx, ended, out, language="zh")
        whole = out.read_bytes()
        report_file.check_report(whole)
        tail = len(whole) - 400
        for at in [*range(0, tail, step), *range(tail, len(whole))]:
            bent = bytearray(whole)
            bent[at] ^= 1 << (at % 8)
            with pytest.raises(ReportTampered):
                report_file.check_report(bytes(bent))
        for cut in (b"", whole[:-1], whole[: len(whole) // 2], whole + b"\n", whole + whole, whole[1:]):
            with pytest.raises(ReportTampered):
                report_file.check_report(cut)


def test_a_report_that_somebody_else_sealed_is_found(ctx: Context, ended: str, tmp_path: Path) -> None:
    from edge_runtime.identity import create_identity

    stranger = create_identity(tmp_path / "keys", "stranger")
    entries = tuple(recording.entries_of(ctx, ended))
    roots = tuple(path.read_text("utf-8") for path in ctx.roots().paths)
    document = report_file.ReportDocument(
        language="en",
        site=ctx.site.site,
        site_name="x",
        roots=roots,
        writer=stranger.certificate_pem,
        entries=entries,
    )
    for bent, why in (
        (document, "do not list"),
        (replace(document, writer=ctx.identity.certificate_pem), "not that of the desktop"),
        (replace(document, site="0" * 64), "another site"),
        (replace(document, roots=()), "do not list"),
        (replace(document, roots=(*roots, roots[0])), "do not follow"),
        (replace(document, roots=("{}",)), "do not follow"),
    ):
        content = report_file.seal_report("html", bent, stranger, lambda line: b"<p>" + line)
        with pytest.raises(ReportTampered, match=why):
            report_file.check_report(content)
    twice = report_file.seal_report("html", document, ctx.identity, lambda line: line + line)
    with pytest.raises(ReportTampered):
        report_file.check_report(twice)


def test_a_page_that_says_something_else_than_its_visit_is_found(ctx: Context, ended: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    reporting.write_report(ctx, ended, out, language="en")
    assert verify_report(out, ctx).page == "as-told"
    document = report_file.check_report(out.read_bytes()).document

    def lying(line: bytes) -> bytes:
        return reporting.draw("html", document, line).replace(b"Looked at it", b"Replaced all")

    out.write_bytes(report_file.seal_report("html", document, ctx.identity, lying))
    with pytest.raises(ReportTampered, match="something else"):
        verify_report(out, ctx)
    older = replace(document, program="0.0.1")
    out.write_bytes(report_file.seal_report("html", older, ctx.identity, lying))
    assert verify_report(out, ctx).page == "not-compared"


def test_a_report_of_a_desktop_that_was_struck_off_is_believed_only_where_its_visit_was_known(
    ctx: Context, away: Box, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    with ExitStack() as stack:
        thief = admitted(ctx, tmp_path, stack)
        box_store.put_box(thief.database, away)
        recording.begin_visit(thief, title="All boxes serviced")
        visit = recording.end_visit(thief).visit
        reporting.write_report(thief, visit, out)
        entries = recording.entries_of(thief, visit)
    assert verify_report(out, ctx).struck_off == ()
    trust.strike_off(ctx, "second", root_key=ctx.places.root_key, passphrase=PASSPHRASE)
    with pytest.raises(TrustRefused, match="does not list its desktop any more: second"):
        verify_report(out, ctx)
    ctx.database.write(lambda writer: [visit_store.keep_entry(writer, entry) for entry in entries])
    assert verify_report(out, ctx).struck_off == ("second",)


def test_a_report_of_another_site_is_told_and_what_is_no_file_too(ctx: Context, ended: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    reporting.write_report(ctx, ended, out)
    elsewhere = replace(ctx.site, site="1" * 64)
    own, ctx.site = ctx.site, elsewhere
    with pytest.raises(ReportForeign, match="North plant"):
        verify_report(out, ctx)
    ctx.site = own
    (tmp_path / "link.html").symlink_to(out)
    for wrong in (tmp_path / "gone.html", tmp_path, tmp_path / "link.html"):
        with pytest.raises(NotFound):
            verify_report(wrong, ctx)
    for name in ("report", "report.docx"):
        with pytest.raises(InputInvalid):
            reporting.write_report(ctx, ended, tmp_path / name)
    with pytest.raises(InputInvalid):
        reporting.write_report(ctx, ended, tmp_path / "report.html" / "below.html")


def test_a_page_holds_nothing_hostile_and_asks_for_nothing(ctx: Context, ended: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    reporting.write_report(ctx, ended, out, language="en")
    page = out.read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    shown = page[: page.index("lineside-visit-report-1:")]
    assert not re.findall(r"<(?:script|img|link|iframe|object|embed|svg|base|form)\b", shown)
    assert not re.findall(
        r"""(?i)(?:https?:|//[a-z]|@import|url\(|\bsrc=|\bhref=)""", shown.replace("&lt;img src=", "")
    )
    assert "\x1b" not in page
    assert "default-src 'none'" in page
    assert recording.get_visit(ctx, ended).digest in page


def test_words_are_whole_in_both_languages() -> None:
    body = resources.files("resources").joinpath("translations/visit_words.json").read_text("utf-8")
    for group in json.loads(body).values():
        for key, said in group.items():
            assert set(said) == {"en", "zh"}, key
            assert said["en"].strip(), key
            assert said["zh"].strip(), key
            names = [sorted(re.findall(r"\{(\w+)", text)) for text in said.values()]
            assert names[0] == names[1], key


def test_a_machine_without_fonts_says_so_and_single_characters_are_written_as_numbers(tmp_path: Path) -> None:
    with pytest.raises(ReportFontMissing):
        fonts.choose_fonts(["报告"], "报告", [tmp_path])
    chosen = fonts.choose_fonts(["Report 报告 łódź"], "报告")
    assert fonts.drawable("Report 报告 łódź \ue000", chosen) == "Report 报告 łódź [U+E000]"


def test_a_desktop_that_the_root_does_not_list_writes_no_report(ctx: Context, ended: str, tmp_path: Path) -> None:
    from edge_runtime.identity import create_identity

    ctx.places.keys.rename(tmp_path / "keys")
    create_identity(ctx.places.keys, "stranger")
    with pytest.raises(TrustRefused):
        reporting.write_report(ctx, ended, tmp_path / "report.html")
