"""The main window: rail, pages, banner, job tray and status strip."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QFrame, QMainWindow, QStackedWidget, QWidget

from app.gui import geometry, icons
from app.gui.demo import DemoRun, DemoStrip
from app.gui.pages.activity import ActivityPage
from app.gui.pages.base import Command, Page
from app.gui.pages.boxes import BoxesPage
from app.gui.pages.models import ModelsPage
from app.gui.pages.rollouts import RolloutsPage
from app.gui.pages.samples import SamplesPage
from app.gui.pages.settings import SettingsPage
from app.gui.pages.training import TrainingPage
from app.gui.palette import Palette
from app.gui.session import Session
from app.gui.strip import Banner, StatusStrip
from app.gui.tasks import Tasks
from app.gui.theme import tokens
from app.gui.tray import JobTray
from app.gui.widgets import Button, IconLabel, column, label, row
from app.store.records import Box, Model
from app.usecases import boxes, models

RAIL_WIDTH = 208
SIZE = QSize(1360, 864)
SMALLEST = QSize(960, 600)


class RailButton(Button):
    """A page's button in the rail; its icon is in the accent while it is chosen."""

    def __init__(self, text: str, icon: str, clicked: Callable[[], object]) -> None:
        super().__init__(text, icon, kind="ghost", clicked=clicked)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.toggled.connect(lambda _on: self._tint())

    def _tint(self) -> None:
        now = tokens()
        if self._icon is not None:
            colour = now.accent if self.isChecked() else now.muted
            self.setIcon(icons.icon(self._icon, colour, now.border_strong, self._gap))


class MainWindow(QMainWindow):
    """Shows one session. A new language is a new window on the same session."""

    theme_chosen = Signal(str)
    language_chosen = Signal(str)
    demo_left = Signal()
    """The demo has ended too early, and the person wants to go back to where it was chosen."""
    closed = Signal()

    def __init__(self, tasks: Tasks, *, demo: DemoRun | None = None) -> None:
        super().__init__()
        self._tasks = tasks
        self._session: Session | None = None
        self.pages: dict[str, Page] = {}
        self.buttons: dict[str, RailButton] = {}
        self.setWindowTitle("Lineside")
        self.setWindowIcon(icons.application_icon())
        geometry.fit(self, SIZE, SMALLEST)
        self._group = QButtonGroup(self)
        self._site = label(self.tr("Starting…"), "section", wrap=True)
        self._rail = QFrame()
        self._rail.setObjectName("rail")
        self._rail.setFixedWidth(RAIL_WIDTH)
        self._rail_buttons = column(gap=4)
        rail = column(row(IconLabel("site", "accent", 24), self._site, gap=10), self._rail_buttons, 1, gap=16)
        rail.setContentsMargins(12, 16, 12, 12)
        self._rail.setLayout(rail)
        self._stack = QStackedWidget()
        self._waiting = QWidget()
        self._stack.addWidget(self._waiting)
        self.banner = Banner()
        self.tray = JobTray(tasks)
        self.demo_strip = DemoStrip(demo) if demo is not None else None
        if self.demo_strip is not None:
            self.demo_strip.back.clicked.connect(self.demo_left)
        self._right = column(
            *([self.demo_strip] if self.demo_strip else []), self.banner, self._stack, self.tray, gap=0
        )
        self._right.setStretchFactor(self._stack, 1)
        content = row(self._rail, gap=0)
        content.addLayout(self._right, 1)
        self._whole = column(content, gap=0)
        central = QWidget()
        central.setLayout(self._whole)
        self.setCentralWidget(central)
        self.strip: StatusStrip | None = None
        QShortcut(QKeySequence("Ctrl+K"), self, self.open_palette)

    @property
    def current(self) -> str:
        """Name of the page in sight; empty before a session was attached."""
        return next((name for name, page in self.pages.items() if page is self._stack.currentWidget()), "")

    def attach(self, session: Session) -> None:
        """Build the pages of a session, once."""
        self._session = session
        self._site.setText(session.site.name)
        self.setWindowTitle(f"{session.site.name} – Lineside")
        settings = SettingsPage(session)
        settings.theme_chosen.connect(self.theme_chosen)
        settings.language_chosen.connect(self.language_chosen)
        pages: tuple[tuple[str, str, Page], ...] = (
            ("boxes", self.tr("Boxes"), BoxesPage(session)),
            ("samples", self.tr("Samples"), SamplesPage(session)),
            ("training", self.tr("Training"), TrainingPage(session)),
            ("models", self.tr("Models"), ModelsPage(session)),
            ("rollouts", self.tr("Rollouts"), RolloutsPage(session)),
            ("activity", self.tr("Activity"), ActivityPage(session)),
            ("settings", self.tr("Settings"), settings),
        )
        for number, (name, title, page) in enumerate(pages, start=1):
            button = RailButton(title, name, partial(self.go, name))
            button.setToolTip(f"Ctrl+{number}")
            self._group.addButton(button)
            self._rail_buttons.addWidget(button)
            self._stack.addWidget(page)
            self.pages[name], self.buttons[name] = page, button
            QShortcut(QKeySequence(f"Ctrl+{number}"), self, partial(self.go, name))
        self.strip = StatusStrip(session)
        self.strip.told.connect(self.banner.show_status)
        self.strip.search.clicked.connect(self.open_palette)
        self.tray.counted.connect(self.strip.show_jobs)
        self.strip.show_jobs(len(self.tray.rows))
        self.banner.retry.connect(settings.store.sync)
        self._whole.addWidget(self.strip)
        session.open_requested.connect(self.open)
        self.go("boxes")
        self._stack.removeWidget(self._waiting)
        self._waiting.deleteLater()

    def go(self, name: str) -> None:
        """Show a page."""
        self.buttons[name].setChecked(True)
        page = self.pages[name]
        self._stack.setCurrentWidget(page)
        if page.main is not None and not self._rail.isAncestorOf(self.focusWidget() or self):
            page.main.setFocus()

    def open(self, name: str, key: str) -> None:
        """Show a page, and pick something on it."""
        self.go(name)
        if key:
            self.pages[name].pick(key)

    def open_palette(self) -> Palette | None:
        """Ctrl+K. Boxes and models come in as soon as the database has answered."""
        if self._session is None:
            return None
        context = self._session.context
        palette = Palette(self, self._commands())
        corner = self.mapToGlobal(self.rect().topLeft())
        palette.move(corner.x() + (self.width() - palette.width()) // 2, corner.y() + 96)
        self._tasks.run_query(
            lambda: (boxes.list_boxes(context), models.list_models(context)),
            lambda got: palette.add(self._things(*got)),
            owner=palette,
        )
        palette.show()
        return palette

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.closed.emit()

    def _commands(self) -> list[Command]:
        commands = [
            Command(title=button.text(), icon=name, run=partial(self.go, name)) for name, button in self.buttons.items()
        ]
        for name, page in self.pages.items():
            commands += [
                Command(title=command.title, icon=command.icon, run=partial(self._run_on, name, command.run))
                for command in page.commands()
            ]
        return commands

    def _run_on(self, name: str, run: Callable[[], object]) -> None:
        self.go(name)
        run()

    def _things(self, known: list[Box], library: list[Model]) -> list[Command]:
        return [
            Command(
                title=self.tr("Box {name}").format(name=box.name),
                icon="boxes",
                run=partial(self.open, "boxes", box.box),
            )
            for box in known
        ] + [
            Command(
                title=self.tr("Model {name} {version}").format(name=model.name, version=model.version),
                icon="models",
                run=partial(self.open, "models", model.model),
            )
            for model in library
        ]
