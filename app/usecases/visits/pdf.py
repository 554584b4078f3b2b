"""A report as a PDF of A4 pages, with its fonts in it and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, WrapMode, XPos, YPos
from fpdf.fonts import FontFace
from fpdf.util import Padding

from app.usecases.visits.fonts import Font, choose_fonts, drawable
from app.usecases.visits.view import BoxView, Fact, ReceiptView, ReportView, TableView
from app.usecases.visits.words import word

Colour = tuple[int, int, int]
INK: Colour = (27, 36, 45)
QUIET: Colour = (85, 98, 111)
ACCENT: Colour = (11, 107, 107)
PAPER: Colour = (255, 255, 255)
LINE: Colour = (213, 219, 225)
SHADE: Colour = (245, 247, 249)
WARN_INK: Colour = (107, 74, 0)
WARN_SHADE: Colour = (253, 246, 231)
CHANGED = "•"
MARGIN_MM = 16.0
FOOT_MM = 18.0
_HAIR_MM = 0.2
_ROW_MM = 6.4


def draw_pdf(view: ReportView, line: bytes, made_ms: int) -> bytes:
    """The file without its seal.

    :param line: attached to it as it is.
    :param made_ms: when it is said to have been made: of the visit's last entry, so that it is drawn the same again.
    :raises ReportFontMissing: no font here has the characters of the report's language.
    """
    fonts = choose_fonts(view.texts(), view.heading + view.receipt_why + view.proof_why + CHANGED)
    pdf = _Report(view, fonts, datetime.fromtimestamp(made_ms / 1000, UTC))
    pdf.embed_file(bytes=line, basename="visit.txt", mime_type="text/plain", compress=False, modification_date=None)
    pdf.add_page()
    pdf.head()
    pdf.boxes()
    for table in view.tables:
        pdf.listing(table)
    pdf.receipts()
    pdf.proof()
    return bytes(pdf.output())


class _Report(FPDF):
    """Draws from top to bottom; lengths in millimetres."""

    def __init__(self, view: ReportView, fonts: Sequence[Font], made: datetime) -> None:
        super().__init__(format="A4")
        self._view, self._fonts = view, fonts
        for number, font in enumerate(fonts):
            for style, path in (("", font.regular), ("B", font.bold)):
                self.add_font(f"f{number}", style, path, collection_font_number=font.number)
        self.set_fallback_fonts([f"f{number}" for number in range(1, len(fonts))], exact_match=False)
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.c_margin = 0.0
        self.set_auto_page_break(auto=True, margin=FOOT_MM)
        self.set_creation_date(made)
        self.set_title(self._clean(f"{view.title} – {view.heading}"))
        self.set_lang("zh-CN" if view.language == "zh" else "en")
        self.set_producer("Lineside")

    def footer(self) -> None:
        """The digest of the visit and the page, on every one."""
        self.set_y(-FOOT_MM + 5)
        self._rule()
        self._font(7, QUIET)
        self.set_y(self.get_y() + 2)
        self.cell(w=self.epw * 0.8, h=4, text=self._clean(self._view.foot))
        page = word(self._view.language, "page", n=self.page_no(), all="{nb}")
        self.cell(w=self.epw * 0.2, h=4, text=page, align="R")

    def head(self) -> None:
        view = self._view
        self._font(10, ACCENT, bold=True)
        self._under(view.heading, 5)
        self._font(21, INK, bold=True)
        self._under(view.title, 9.5)
        self.ln(3)
        self._facts(view.facts, 9.5)
        self.ln(5)
        self._figures()

    def boxes(self) -> None:
        self._heading(self._view.box_heading)
        for box in self._view.boxes:
            self._box(box)
            self.ln(4)

    def listing(self, table: TableView) -> None:
        self._heading(table.heading)
        if table.rows:
            self._font(8.5, INK)
            self._style_lines()
            with self.table(
                col_widths=(21, 17, 62),
                borders_layout=TableBordersLayout.HORIZONTAL_LINES,
                headings_style=FontFace(emphasis="BOLD", color=QUIET, fill_color=SHADE),
                line_height=4.6,
                padding=1.2,
                text_align="LEFT",
            ) as drawn:
                for cells in (table.columns, *table.rows):
                    row = drawn.row()
                    for cell in cells:
                        row.cell(self._clean(cell))
        if table.remark:
            self._font(8.5, QUIET)
            self._under(table.remark, 5)

    def receipts(self) -> None:
        self._heading(self._view.receipt_heading, room=70)
        self._font(8.5, QUIET)
        self._under(self._view.receipt_why, 4.6)
        for receipt in self._view.receipts:
            self.ln(2)
            self._receipt(receipt)

    def proof(self) -> None:
        self._heading(self._view.proof_heading)
        self._font(8.5, QUIET)
        self._under(self._view.proof_why, 4.6)
        self.ln(1)
        self._facts(self._view.proof, 7.5)

    def _figures(self) -> None:
        gap, height = 4.0, 18.0
        width = (self.epw - gap * 2) / 3
        top = self.get_y()
        for number, (words, figure) in enumerate(self._view.figures):
            left = self.l_margin + number * (width + gap)
            self._style_lines()
            self.rect(left, top, width, height, style="D", round_corners=True, corner_radius=1.6)
            self.set_xy(left + 4, top + 2.6)
            self._font(16, INK, bold=True)
            self.cell(w=width - 8, h=7, text=self._clean(figure))
            self.set_xy(left + 4, top + 9.6)
            self._font(7.5, QUIET)
            self.multi_cell(w=width - 8, h=3.5, text=self._clean(words), align="L")
        self.set_xy(self.l_margin, top + height)

    def _box(self, box: BoxView) -> None:
        # A box begins on the next page rather than with its name alone at the foot of this one.
        self._keep_together(12 + _ROW_MM * min(len(box.rows) + 1 + len(box.left), 16))
        self._banner(box.name, box.box)
        self._font(8.5, INK)
        self._style_lines()
        bold = FontFace(emphasis="BOLD", color=INK)
        quiet = FontFace(color=QUIET)
        with self.table(
            col_widths=(20, 40, 40),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD", color=QUIET),
            line_height=4.4,
            padding=(1.0, 2.0),
            text_align="LEFT",
        ) as drawn:
            heading = drawn.row()
            for column in self._view.columns:
                heading.cell(column)
            for line in box.rows:
                row = drawn.row()
                row.cell(self._clean(line.label), style=quiet)
                row.cell(self._clean(line.before))
                after = f"{CHANGED} {line.after}" if line.changed else line.after
                row.cell(self._clean(after), style=bold if line.changed else None)
        if box.left:
            self._font(8.5, WARN_INK)
            self.set_fill_color(WARN_SHADE)
            for one in box.left:
                self._under(one, 5.6, fill=True, padding=(0, 2, 0, 2))

    def _receipt(self, receipt: ReceiptView) -> None:
        self._keep_together(40)
        self._banner(receipt.name, receipt.box)
        self.ln(1)
        self._facts(receipt.facts, 7.5)

    def _banner(self, name: str, box: str) -> None:
        self.set_fill_color(SHADE)
        self._font(10.5, INK, bold=True)
        self._under(name, 6, fill=True, padding=(1, 2, 0, 2))
        self._font(6.5, QUIET)
        self._under(box, 4, fill=True, padding=(0, 2, 1, 2))

    def _facts(self, facts: Iterable[Fact], size: float) -> None:
        name_width = self.epw * 0.24
        for name, value in facts:
            self._keep_together(10)
            top = self.get_y()
            self._font(size, QUIET)
            self.multi_cell(w=name_width, h=size * 0.52, text=self._clean(name), align="L")
            under = self.get_y()
            self.set_xy(self.l_margin + name_width, top)
            self._font(size, INK)
            # Digests have no blank at which a line could end.
            wrap = WrapMode.CHAR if size < 8 else WrapMode.WORD
            self._under(value, size * 0.52, wrap=wrap)
            self.set_y(max(self.get_y(), under) + 0.6)

    def _heading(self, text: str, *, room: float = 32) -> None:
        self._keep_together(room)
        self.ln(7)
        self._font(13, INK, bold=True)
        self._under(text, 7)
        self.ln(1.5)

    def _under(
        self,
        text: str,
        height: float,
        *,
        fill: bool = False,
        padding: tuple[float, float, float, float] = (0, 0, 0, 0),
        wrap: WrapMode = WrapMode.WORD,
    ) -> None:
        """Lines of text down to the right margin; what comes next begins below them, at the left."""
        self.multi_cell(
            w=0,
            h=height,
            text=self._clean(text),
            align="L",
            fill=fill,
            padding=Padding(*padding),
            wrapmode=wrap,
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )

    def _keep_together(self, height: float) -> None:
        if self.will_page_break(height):
            self.add_page()

    def _rule(self) -> None:
        self._style_lines()
        self.line(self.l_margin, self.get_y(), self.l_margin + self.epw, self.get_y())

    def _style_lines(self) -> None:
        self.set_fill_color(PAPER)
        self.set_draw_color(LINE)
        self.set_line_width(_HAIR_MM)

    def _font(self, size: float, colour: Colour, *, bold: bool = False) -> None:
        self.set_font("f0", "B" if bold else "", size)
        self.set_text_color(colour)

    def _clean(self, text: str) -> str:
        return drawable(text, self._fonts)
