"""The first run: make a site in three short steps, or watch the demo."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QDesktopServices
from PySide6.QtWidgets import QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from app.context import Context
from app.gui import error_texts, geometry, icons
from app.gui.joining import JoinSite, RecoverSite
from app.gui.pages.base import scrolled
from app.gui.tasks import Tasks
from app.gui.widgets import Button, IconLabel, column, label, row
from app.usecases import sites
from edge_runtime.contracts.errors import LinesideError

SIZE = QSize(640, 624)
SMALLEST = QSize(480, 320)
CHOICE_HEIGHT = 120


class Wizard(QWidget):
    """``created`` carries the new site's context once the person goes on; ``demo_chosen`` asks for the demo.

    :param can_train: False: the demo cannot be chosen, and it is said why.
    """

    created = Signal(object)
    demo_chosen = Signal()
    closed = Signal()

    def __init__(self, home: Path, tasks: Tasks, *, can_train: bool = True) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWindowTitle("Lineside")
        self.setWindowIcon(icons.application_icon())
        geometry.fit(self, SIZE, SMALLEST)
        self._home, self._tasks, self._can_train = home, tasks, can_train
        self.context: Context | None = None
        """The site that was made, from the moment on which it is there; whoever holds the wizard closes it."""
        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("For instance: Plant North"))
        self.passphrase = QLineEdit()
        self.again = QLineEdit()
        for edit in (self.passphrase, self.again):
            edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.make = Button(self.tr("Create site"), "site", kind="primary", clicked=self.make_site)
        self.back = Button(self.tr("Back"), clicked=lambda: self.show_step(0))
        self._problem = label("", "bad", wrap=True)
        self.finish = Button(self.tr("Open Lineside"), kind="primary", clicked=self._finish)
        self._root_key = label("", "mono", wrap=True, selectable=True)
        self._steps = QStackedWidget()
        for step in (self._welcome(), self._form(), self._keep_key()):
            self._steps.addWidget(step)
        box = column(self._steps)
        box.setContentsMargins(40, 24, 28, 24)
        self.setLayout(box)
        for edit in (self.name, self.passphrase, self.again):
            edit.textChanged.connect(lambda _text: self._check())
            edit.returnPressed.connect(self.make_site)
        self._check()

    @property
    def step(self) -> int:
        return self._steps.currentIndex()

    @property
    def problem(self) -> str:
        """Why it cannot go on."""
        return self._problem.text()

    def show_step(self, step: int) -> None:
        """0 welcome, 1 name and passphrase, 2 the root key."""
        self._steps.setCurrentIndex(step)
        if step == 1:
            self.name.setFocus()

    def make_site(self) -> None:
        """Create it off the GUI thread; a refusal is shown above the buttons."""
        if not self.make.isEnabled():
            return
        home, name, passphrase = self._home, self.name.text().strip(), self.passphrase.text()
        for button in (self.make, self.back):
            button.setEnabled(False)
        self._problem.setText("")

        def work() -> Context:
            # Kept at once: where the window is closed meanwhile, the result itself reaches nobody.
            self.context = sites.create_site(home, name, passphrase)
            return self.context

        self._tasks.run_query(work, self._created, owner=self, failed=self._refused)

    def ask_join(self) -> JoinSite:
        dialog = JoinSite(self._home, self._tasks, self, joined=self._arrived)
        dialog.open()
        return dialog

    def ask_recover(self) -> RecoverSite:
        dialog = RecoverSite(self._home, self._tasks, self, recovered=self._arrived)
        dialog.open()
        return dialog

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.closed.emit()

    def _welcome(self) -> QWidget:
        self.new_site = _choice(
            "site",
            self.tr("Create my site"),
            self.tr("Makes the keys of your factory on this laptop. Takes a minute, needs no network."),
        )
        self.new_site.clicked.connect(lambda: self.show_step(1))
        self.demo = _choice(
            "play",
            self.tr("Try the demo"),
            self.tr("Two boxes and a line that changes, all on this machine. Takes about two minutes."),
        )
        self.demo.clicked.connect(self.demo_chosen)
        self.join = Button(self.tr("Join a site…"), "key", kind="ghost", clicked=self.ask_join)
        self.recover = Button(self.tr("Recover a site…"), "shield", kind="ghost", clicked=self.ask_recover)
        choices = column(self.new_site, self.demo, row(self.join, self.recover, 1), gap=16)
        if not self._can_train:
            why = self.tr("The demo trains a model; this installation brings no PyTorch to train with.")
            self.demo.setEnabled(False)
            self.demo.setCursor(Qt.CursorShape.ArrowCursor)
            self.demo.setAccessibleDescription(why)
            choices.addWidget(label(why, "muted", wrap=True))
        return _step(
            self.tr("Welcome to Lineside"),
            self.tr("Look after the AI on your factory floor from this laptop, with or without a network."),
            choices,
        )

    def _form(self) -> QWidget:
        fields = column(gap=16)
        for caption, edit, hint in (
            (self.tr("Name of the site"), self.name, ""),
            (
                self.tr("Passphrase"),
                self.passphrase,
                self.tr("At least {n} characters. It protects the site's root key and cannot be recovered.").format(
                    n=sites.MIN_PASSPHRASE
                ),
            ),
            (self.tr("Passphrase again"), self.again, ""),
        ):
            edit.setAccessibleName(caption)
            name = label(caption)
            name.setBuddy(edit)
            field = column(name, edit, gap=4)
            if hint:
                field.addWidget(label(hint, "caption", wrap=True))
            fields.addLayout(field)
        place = label(self.tr("The site lies in {folder}").format(folder=self._home), "caption", wrap=True)
        fields.addWidget(place)
        return _step(
            self.tr("Your site"), self.tr("Step 1 of 2"), fields, self._problem, buttons=(self.back, self.make)
        )

    def _keep_key(self) -> QWidget:
        show = Button(self.tr("Open its folder"), "folder", clicked=self._open_folder)
        words = label(
            self.tr(
                "It is needed only to admit another laptop or to strike off a lost one. Move the file to a USB stick, "
                "put the stick in a safe, and keep the passphrase elsewhere."
            ),
            wrap=True,
        )
        return _step(
            self.tr("Put the root key away"),
            self.tr("Step 2 of 2"),
            column(row(IconLabel("key", "accent", 24), words, gap=16), self._root_key, row(show, 1), gap=16),
            buttons=(self.finish,),
        )

    def _check(self) -> None:
        first, second = self.passphrase.text(), self.again.text()
        problem = ""
        weak = sites.weakness(first) if first else None
        if weak == "short":
            problem = self.tr("The passphrase is still too short.")
        elif weak == "repeats":
            problem = self.tr("The passphrase repeats itself.")
        elif second and first != second:
            problem = self.tr("The two passphrases differ.")
        self._problem.setText(problem)
        self.back.setEnabled(True)
        self.make.setEnabled(bool(self.name.text().strip() and second) and not problem)

    def _created(self, context: Context) -> None:
        self._root_key.setText(str(context.places.root_key))
        self.passphrase.clear()
        self.again.clear()
        self.show_step(2)
        self.finish.setFocus()

    def _refused(self, error: BaseException) -> None:
        self._check()
        if isinstance(error, LinesideError):
            self._problem.setText(f"{error.message} {error_texts.hint(error.code, error.hint)}")
        else:
            self._tasks.report(error)

    def _arrived(self, context: Context) -> None:
        self.context = context
        self._finish()

    def _open_folder(self) -> None:
        if self.context is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.context.places.root_key.parent)))

    def _finish(self) -> None:
        if self.context is not None:
            self.created.emit(self.context)


def _choice(icon: str, title: str, words: str) -> Button:
    """A large button with a sentence on it."""
    made = Button(kind="choice")
    made.setMaximumWidth(16_777_215)
    made.setMinimumWidth(0)
    # The style sheet's own least height goes before the widget's, so it is said in its language.
    made.setStyleSheet(f"QPushButton {{ padding: 0; min-height: {CHOICE_HEIGHT - 2}px; }}")
    made.setAccessibleName(title)
    made.setAccessibleDescription(words)
    inside = row(
        IconLabel(icon, "accent", 32),
        column(1, label(title, "section"), label(words, "muted", wrap=True), 1, gap=4),
        gap=16,
    )
    inside.setStretch(1, 1)
    inside.setContentsMargins(20, 8, 20, 8)
    made.setLayout(inside)
    return made


def _step(title: str, intro: str, *items: QWidget | QVBoxLayout, buttons: tuple[Button, ...] = ()) -> QWidget:
    inside = QWidget()
    content = column(label(title, "headline", wrap=True), label(intro, "muted", wrap=True), *items, 1, gap=16)
    content.setContentsMargins(0, 0, 12, 0)
    inside.setLayout(content)
    made = QWidget()
    box = column(scrolled(inside), gap=16)
    if buttons:
        # Outside of what scrolls: always in sight.
        last = row(1, *buttons)
        last.setContentsMargins(0, 0, 12, 0)
        box.addLayout(last)
    made.setLayout(box)
    return made
