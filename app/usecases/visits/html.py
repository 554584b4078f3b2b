"""A report as one page: no script, no font and no picture from elsewhere, every text escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from app.usecases.visits.view import BoxView, Fact, ReceiptView, ReportView, TableView

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { background: #eef1f4; }
body { margin: 0; color: #1b242d; font: 14px/1.5 "Noto Sans", "Noto Sans CJK SC", "Segoe UI", "Microsoft YaHei",
  "PingFang SC", "Helvetica Neue", Arial, sans-serif; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
table.sheet { width: 100%; max-width: 880px; margin: 32px auto; background: #fff; border-collapse: collapse;
  box-shadow: 0 1px 3px rgba(27, 36, 45, .16); }
table.sheet > tbody > tr > td { padding: 48px 56px 24px; }
table.sheet > tfoot td { padding: 0 56px 32px; }
h1 { margin: 4px 0 24px; font-size: 30px; line-height: 1.2; font-weight: 650; overflow-wrap: anywhere; }
h2 { margin: 40px 0 8px; font-size: 18px; line-height: 1.3; break-after: avoid; }
h3 { margin: 0; font-size: 15px; overflow-wrap: anywhere; }
p { margin: 4px 0 12px; color: #55626f; max-width: 68ch; }
.kicker { color: #0b6b6b; font-weight: 600; letter-spacing: .02em; }
.id, .foot, dd.long { font: 11px/1.45 "DejaVu Sans Mono", Consolas, Menlo, monospace; color: #55626f;
  overflow-wrap: anywhere; word-break: break-all; }
dl { margin: 0; display: grid; grid-template-columns: minmax(120px, 22%) 1fr; gap: 4px 16px; }
dt { color: #55626f; }
dd { margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; margin: 28px 0 0; }
.figure { border: 1px solid #d5dbe1; border-radius: 8px; padding: 14px 16px; break-inside: avoid; }
.figure b { display: block; font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.figure span { color: #55626f; font-size: 13px; }
.box, .receipt { margin: 16px 0 0; border: 1px solid #d5dbe1; border-radius: 8px; overflow: hidden;
  break-inside: avoid; }
.box header, .receipt header { padding: 12px 16px; background: #f5f7f9; border-bottom: 1px solid #d5dbe1; }
.receipt dl { padding: 12px 16px; }
table.rows { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
table.rows th { text-align: left; font-weight: 600; color: #55626f; font-size: 12px; padding: 8px 16px; }
table.rows td { padding: 6px 16px; border-top: 1px solid #e7ebef; vertical-align: top; overflow-wrap: anywhere; }
table.rows tr { break-inside: avoid; }
.box table.rows { table-layout: fixed; }
.box table.rows th:first-child, .box table.rows td:first-child { width: 20%; color: #55626f; }
.changed td:last-child { font-weight: 650; }
.changed td:last-child::before { content: "• "; color: #0b6b6b; }
.list th:first-child { width: 176px; }
.list th:nth-child(2) { width: 130px; }
.list { border: 1px solid #d5dbe1; border-radius: 8px; overflow: hidden; }
.left { margin: 0; padding: 10px 16px 12px 16px; border-top: 1px solid #e7ebef; background: #fdf6e7; color: #6b4a00;
  list-style: none; }
.left li::before { content: "▲ "; }
.foot { border-top: 1px solid #d5dbe1; padding-top: 8px; }
@page { size: A4; margin: 14mm 15mm 12mm; }
@media print {
  html { background: #fff; }
  body { font-size: 10.5pt; }
  table.sheet { margin: 0; max-width: none; box-shadow: none; }
  table.sheet > tbody > tr > td { padding: 0 0 6mm; }
  table.sheet > tfoot { display: table-footer-group; }
  table.sheet > tfoot td { padding: 2mm 0 0; }
}
"""


def draw_html(view: ReportView, line: bytes) -> bytes:
    """The page.

    :param line: kept in a comment as it is.
    """
    parts = [
        f'<p class="kicker">{_text(view.heading)}</p><h1>{_text(view.title)}</h1>',
        _facts(view.facts),
        '<div class="figures">',
        *(f'<div class="figure"><b>{_text(what)}</b><span>{_text(words)}</span></div>' for words, what in view.figures),
        f"</div><h2>{_text(view.box_heading)}</h2>",
        *(_box(box, view) for box in view.boxes),
        *(_table(table) for table in view.tables),
        f"<h2>{_text(view.receipt_heading)}</h2><p>{_text(view.receipt_why)}</p>",
        *(_receipt(receipt) for receipt in view.receipts),
        f"<h2>{_text(view.proof_heading)}</h2><p>{_text(view.proof_why)}</p>",
        _facts(view.proof, long=True),
    ]
    language = "zh-CN" if view.language == "zh" else "en"
    page = (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(view.title)} – {_text(view.heading)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        '<table class="sheet" role="presentation"><tfoot><tr><td>'
        f'<div class="foot">{_text(view.foot)}</div></td></tr></tfoot><tbody><tr><td>\n'
        f"{_lines(parts)}\n</td></tr></tbody></table>\n</body>\n</html>\n"
    )
    return page.encode() + b"<!-- " + line + b" -->"


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)


def _facts(facts: Iterable[Fact], *, long: bool = False) -> str:
    kind = ' class="long"' if long else ""
    return f"<dl>{''.join(f'<dt>{_text(name)}</dt><dd{kind}>{_text(value)}</dd>' for name, value in facts)}</dl>"


def _box(box: BoxView, view: ReportView) -> str:
    rows = "".join(_row((row.label, row.before, row.after), changed=row.changed) for row in box.rows)
    left = "".join(f"<li>{_text(one)}</li>" for one in box.left)
    still = f'<ul class="left">{left}</ul>' if left else ""
    return (
        f'<section class="box"><header><h3>{_text(box.name)}</h3><div class="id">{_text(box.box)}</div></header>'
        f'<table class="rows">{_head(view.columns)}{rows}</table>{still}</section>'
    )


def _table(table: TableView) -> str:
    remark = f"<p>{_text(table.remark)}</p>" if table.remark else ""
    rows = "".join(_row(cells) for cells in table.rows)
    body = f'<div class="list"><table class="rows">{_head(table.columns)}{rows}</table></div>' if rows else ""
    return f"<h2>{_text(table.heading)}</h2>{body}{remark}"


def _head(columns: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{_text(column)}</th>' for column in columns)
    return f"<thead><tr>{cells}</tr></thead>"


def _row(cells: Iterable[str], *, changed: bool = False) -> str:
    opening = '<tr class="changed">' if changed else "<tr>"
    return f"{opening}{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>"


def _receipt(receipt: ReceiptView) -> str:
    return (
        f'<section class="receipt"><header><h3>{_text(receipt.name)}</h3>'
        f'<div class="id">{_text(receipt.box)}</div></header>{_facts(receipt.facts, long=True)}</section>'
    )
