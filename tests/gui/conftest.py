"""The window without a screen, on real sites; a Qt warning or anything left running fails the test."""

from __future__ import annotations

import os
from pathlib import Path

# A screen of an ordinary size: windows never open larger than theirs.
os.environ["QT_QPA_PLATFORM"] = f"offscreen:configfile={Path(__file__).with_name('screen.json')}"

import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt, QTimer, SignalInstance
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from pytestqt.wait_signal import SignalBlocker

from app.context import Context, open_context
from app.gui.garbage import collect_what_is_due
from app.gui.i18n import Translations
from app.gui.pages.base import Page
from app.gui.session import Session
from app.gui.tasks import Tasks
from app.gui.theme import Theme
from app.gui.window import MainWindow
from tests.gui.filling import fill, new_site
from tests.gui.history import add_history


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            # What the platform without a screen cannot do.
            item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support"))


class PatientBot(QtBot):
    """Waits longer than its five seconds where a test says nothing: a limit is there so that nothing hangs for ever."""

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = 60_000) -> None:
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(
        self,
        signal: SignalInstance,
        *,
        timeout: int = 60_000,
        raising: bool | None = None,
        check_params_cb: Callable[..., bool] | None = None,
    ) -> SignalBlocker:
        return super().waitSignal(signal, timeout=timeout, raising=raising, check_params_cb=check_params_cb)


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """In the place of the plug-in's own."""
    return PatientBot(request)


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """No thread and no running timer outlives its test."""
    before = {thread.ident for thread in threading.enumerate()}
    yield
    left = [thread.name for thread in threading.enumerate() if thread.ident not in before and thread.is_alive()]
    assert not [name for name in left if name.startswith(("query", "command", "watching", "writer", "lineside"))]
    application = QApplication.instance()
    if application is not None:
        running = [timer for timer in application.findChildren(QTimer) if timer.isActive()]
        assert not running
    collect_what_is_due()


@pytest.fixture(scope="package", autouse=True)
def collected_on_this_thread() -> Iterator[None]:
    """Between two windows, too, Qt's objects end on the GUI thread: workers of pytest-xdist have a second one."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture
def errors() -> list[BaseException]:
    """What reached the dialog."""
    return []


@pytest.fixture
def tasks(qapp: QApplication, errors: list[BaseException]) -> Iterator[Tasks]:
    pool = Tasks(errors.append)
    yield pool
    assert pool.drain(60)


@pytest.fixture(scope="session")
def themed(qapp: QApplication) -> Theme:
    """The application in our style, light."""
    return Theme(qapp, "light")


@pytest.fixture
def light(themed: Theme) -> Iterator[Theme]:
    yield themed
    themed.choose("light")


@pytest.fixture
def english(qapp: QApplication) -> Iterator[Translations]:
    translations = Translations(qapp)
    translations.use("en")
    yield translations
    translations.use("en")


@pytest.fixture(scope="session")
def site_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty site, made once: its keys take a while."""
    home = tmp_path_factory.mktemp("template") / "site"
    new_site(home).close()
    return home


@pytest.fixture(scope="session")
def full_template(site_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with something on every page, filled once."""
    folder = tmp_path_factory.mktemp("full")
    shutil.copytree(site_template, folder / "site")
    with open_context(folder / "site") as context:
        add_history(context, fill(context, folder)[0])
    return folder / "site"


@pytest.fixture
def site(site_template: Path, tmp_path: Path) -> Iterator[Context]:
    """A new, empty site."""
    shutil.copytree(site_template, tmp_path / "site")
    with open_context(tmp_path / "site") as context:
        yield context


@pytest.fixture
def full_site(full_template: Path, tmp_path: Path) -> Iterator[Context]:
    """A site with something on every page."""
    shutil.copytree(full_template, tmp_path / "full")
    with open_context(tmp_path / "full") as context:
        yield context


P = TypeVar("P", bound=Page)


def page_of(window: MainWindow, kind: type[P]) -> P:
    """The window's page of this kind: there is one of each."""
    (page,) = [one for one in window.pages.values() if isinstance(one, kind)]
    return page


class Bench:
    """A window on a site, and what a test does with it."""

    def __init__(self, qtbot: QtBot, context: Context, tasks: Tasks) -> None:
        self.qtbot, self.context, self.tasks = qtbot, context, tasks
        self.session = Session(context, tasks)
        self.window = MainWindow(tasks)
        qtbot.addWidget(self.window)
        self.window.attach(self.session)
        self.window.show()
        self.settle()

    def settle(self) -> None:
        """Until all questions are answered, all news is told, and what was to be laid out anew for it has been."""
        quiet = 0

        def is_quiet() -> bool:
            nonlocal quiet
            calm = self.tasks.idle and not self.session.news_pending
            quiet = quiet + 1 if calm else 0
            return quiet >= 3

        self.qtbot.waitUntil(is_quiet, timeout=60_000)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)

    def go(self, page: str) -> None:
        self.qtbot.mouseClick(self.window.buttons[page], Qt.MouseButton.LeftButton)
        assert self.window.current == page
        self.settle()


@pytest.fixture
def bench(qtbot: QtBot, light: Theme, english: Translations, site: Context, tasks: Tasks) -> Iterator[Bench]:
    """A window on the empty site."""
    made = Bench(qtbot, site, tasks)
    yield made
    made.session.close()


@pytest.fixture
def full_bench(qtbot: QtBot, light: Theme, english: Translations, full_site: Context, tasks: Tasks) -> Iterator[Bench]:
    """A window on the filled site."""
    made = Bench(qtbot, full_site, tasks)
    yield made
    made.session.close()
