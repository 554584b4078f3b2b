"""What is asked before something of a visit is done: where to, under which title, in which form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QPlainTextEdit, QWidget

from app.gui.dialogs import FormDialog, PathField
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.session import Session
from app.gui.widgets import Facts, Segments, dropdown, label
from app.store.records import Box
from app.usecases.visits.recording import MAX_TITLE
from app.usecases.visits.view import BoxView, ReportView, TableView

_CHOICE_ROWS = 8
_ROW_HEIGHT = 22


class BoxChoice(QListWidget):
    """To which boxes the trip goes; all of them at first."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        super().__init__()
        for box in boxes:
            item = QListWidgetItem(box.name)
            item.setData(Qt.ItemDataRole.UserRole, box.box)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setCheckState(Qt.CheckState.Checked)
            self.addItem(item)
        rows = max(1, min(len(boxes), _CHOICE_ROWS))
        self.setFixedHeight(rows * max(self.sizeHintForRow(0), _ROW_HEIGHT) + 4)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of those that are ticked."""
        items = [self.item(number) for number in range(self.count())]
        ticked = [item for item in items if item.checkState() == Qt.CheckState.Checked]
        return tuple(item.data(Qt.ItemDataRole.UserRole) for item in ticked)


class PackDialog(FormDialog):
    """``chosen`` carries the folder, and the ids of the boxes to write for."""

    chosen = Signal(object, object)

    def __init__(self, parent: QWidget, boxes: Sequence[Box] = (), *, to_write: bool) -> None:
        if to_write:
            title, primary = self.tr("Pack for the trip"), self.tr("Pack")
            intro = self.tr(
                "Everything that the plan wants, sealed by this desktop. What lies there already is not written again, "
                "and there is no secret in it."
            )
        else:
            title, primary = self.tr("Take over a pack"), self.tr("Take over")
            intro = self.tr(
                "A pack that another desktop of this site made. Every file is checked before anything of it is used."
            )
        super().__init__(title, intro, primary, parent)
        caption = self.tr("Folder on the stick or on this desktop")
        self.folder = PathField(caption)
        self.add_field(caption, self.folder)
        self.boxes = BoxChoice(boxes)
        if to_write:
            self.add_field(self.tr("Boxes to go to"), self.boxes)

    def submit(self) -> None:
        if not self.folder.path:
            self.complain(self.tr("Choose a folder first."))
            return
        if self.boxes.count() and not self.boxes.ids:
            self.complain(self.tr("Tick at least one box."))
            return
        self.chosen.emit(Path(self.folder.path), self.boxes.ids)
        self.accept()


class BeginDialog(FormDialog):
    """``chosen`` carries the title, the pack's folder, None without one, and the ids of the boxes."""

    chosen = Signal(str, object, object)

    def __init__(self, session: Session, boxes: Sequence[Box], parent: QWidget) -> None:
        super().__init__(
            self.tr("Begin a visit"),
            self.tr(
                "Every box is asked how it is now, and this desktop signs the answers. A box that does not answer is "
                "written down so."
            ),
            self.tr("Begin"),
            parent,
        )
        self.title = QLineEdit()
        self.title.setMaxLength(MAX_TITLE)
        self.title.setText(session.site.name)
        self.add_field(self.tr("Title"), self.title)
        caption = self.tr("Pack that was brought")
        self.pack = PathField(caption)
        self.add_field(caption, self.pack, self.tr("Taken over first; leave it empty without one."))
        self.boxes = BoxChoice(boxes)
        self.add_field(self.tr("Boxes to go to"), self.boxes)

    def submit(self) -> None:
        if not self.boxes.ids:
            self.complain(self.tr("Tick at least one box."))
            return
        self.chosen.emit(self.title.text(), Path(self.pack.path) if self.pack.path else None, self.boxes.ids)
        self.accept()


class NoteDialog(FormDialog):
    """``chosen`` carries the text and the box's id, None for the whole site."""

    chosen = Signal(str, object)

    def __init__(self, boxes: Sequence[Box], parent: QWidget) -> None:
        super().__init__(
            self.tr("Write a note"),
            self.tr("It becomes a part of the report and cannot be changed afterwards."),
            self.tr("Add note"),
            parent,
        )
        self.text = QPlainTextEdit()
        self.text.setTabChangesFocus(True)
        self.text.setMinimumHeight(120)
        self.add_field(self.tr("Note"), self.text)
        self.box = dropdown()
        self.box.addItem(self.tr("The whole site"), None)
        for box in boxes:
            self.box.addItem(box.name, box.box)
        self.add_field(self.tr("About"), self.box)

    def submit(self) -> None:
        text = self.text.toPlainText().strip()
        if not text:
            self.complain(self.tr("Write something first."))
            return
        self.chosen.emit(text, self.box.currentData())
        self.accept()


class ReportDialog(FormDialog):
    """``chosen`` carries the file and the language."""

    chosen = Signal(object, str)

    def __init__(self, title: str, language: str, parent: QWidget) -> None:
        super().__init__(
            self.tr("Write the report"),
            self.tr("{visit}: before and after of every box, receipts and proof. This desktop seals the file.").format(
                visit=title
            ),
            self.tr("Write report"),
            parent,
        )
        caption = self.tr("File")
        self.file = PathField(caption, new=True)
        self.add_field(caption, self.file, self.tr("A name that ends in .pdf for printing, or in .html for a browser."))
        self.language = Segments(self.tr("Language"), (("English", "en"), ("简体中文", "zh")))
        self.language.choose(language)
        self.add_field(self.tr("Language"), self.language)

    def submit(self) -> None:
        path = Path(self.file.path)
        if path.suffix.lower() not in (".pdf", ".html"):
            self.complain(self.tr("The name must end in .pdf or .html."))
            return
        self.chosen.emit(path, str(self.language.value))
        self.accept()


class VisitDialog(FormDialog):
    """A visit as its report tells it."""

    def __init__(self, told: ReportView, parent: QWidget) -> None:
        super().__init__(told.title, "", self.tr("Close"), parent)
        self.setMinimumWidth(720)
        self.cancel.hide()
        facts = Facts()
        facts.show_facts([*told.facts, *told.figures])
        self.fields.addWidget(facts)
        self.boxes = Entries("")
        self.boxes.show_entries([_box_entry(box) for box in told.boxes])
        for heading, shown in ((told.box_heading, self.boxes), *((one.heading, _table(one)) for one in told.tables)):
            self.fields.addWidget(label(heading, "section"))
            self.fields.addWidget(shown)
        self.fields.addWidget(label(told.foot, "caption", wrap=True, selectable=True))

    def submit(self) -> None:
        self.accept()


def _box_entry(box: BoxView) -> Entry:
    changes = [
        f"{one.label}: {one.before} → {one.after}" if one.changed else f"{one.label}: {one.after}" for one in box.rows
    ]
    lines = [*(Line(text=change) for change in changes), *(Line(text=one, role="bad") for one in box.left)]
    return Entry(key=box.box, title=box.name, lines=tuple(lines))


def _table(table: TableView) -> Entries:
    entries = Entries(table.remark)
    entries.show_entries(
        [
            Entry(key=str(number), title=cells[-1], lines=(Line(text=" · ".join(cells[:-1])),))
            for number, cells in enumerate(table.rows)
        ]
    )
    return entries


class CheckDialog(FormDialog):
    """``chosen`` carries the report."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(
            self.tr("Check a report"),
            self.tr("Any change of the file since it was sealed is found, byte by byte."),
            self.tr("Check"),
            parent,
        )
        caption = self.tr("Report")
        self.file = PathField(caption, file=True)
        self.add_field(caption, self.file)

    def submit(self) -> None:
        if not self.file.path:
            self.complain(self.tr("Choose a file first."))
            return
        self.chosen.emit(Path(self.file.path))
        self.accept()
