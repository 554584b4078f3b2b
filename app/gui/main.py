"""Opening the window: on a site, on the wizard where there is none, or on the demo."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QLockFile, QObject, QSocketNotifier
from PySide6.QtWidgets import QApplication

from app.context import Context, default_home, open_context
from app.gui import geometry, icons
from app.gui.demo import CHANGING_LINE, DemoRun, can_train
from app.gui.errors import ErrorDesk, ErrorDialog
from app.gui.i18n import Language, Translations
from app.gui.rescue import offer_bundle
from app.gui.session import Session
from app.gui.tasks import Tasks
from app.gui.theme import Choice, Theme
from app.gui.watcher import Watcher
from app.gui.window import MainWindow
from app.gui.wizard import Wizard
from app.settings import Settings
from app.usecases import boxes, bursts
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, SiteMissing

if TYPE_CHECKING:
    from app.demo.report import DemoOptions

LOCK_NAME = "window.lock"
"""In the site's home while a window is open on it."""
DRAIN_S = 60.0
"""How long quitting waits for workers that were told to stop; the demo ends its boxes in this time."""


def run(home: Path) -> int:
    """Open the window on the site in ``home`` and return the exit code; the wizard comes first where there is none."""
    return _run(lambda desktop: desktop.start(home))


def run_demo(options: DemoOptions) -> int:
    """Open the window and play the demo in it; closing the window ends the demo and its boxes."""
    return _run(lambda desktop: desktop.play(options))


class Desktop(QObject):
    """Holds what outlives a window: workers, theme, language, and the open site."""

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        self.errors = ErrorDesk()
        self.tasks = Tasks(self.errors.show, self)
        self.theme = Theme(application)
        self._translations = Translations(application)
        self._translations.use("auto")
        self.window: MainWindow | None = None
        self.wizard: Wizard | None = None
        self.demo: DemoRun | None = None
        self.session: Session | None = None
        self._watcher: Watcher | None = None
        self._home: Path | None = None
        self._lock: QLockFile | None = None
        self._left: list[Context] = []

    def start(self, home: Path) -> None:
        """The window on the site in ``home``, or the wizard.

        :raises AlreadyExists: another window is open on it.
        :raises InputInvalid: that is no folder, or not one of this person's.
        """
        self._home = home
        try:
            context = open_context(home)
        except SiteMissing:
            self._show_wizard(home)
        except OSError as error:
            raise InputInvalid(
                f"{home} cannot be used as a site's folder: {error.strerror or error}.",
                hint="Name a folder of yours in LINESIDE_HOME, or leave it out.",
            ) from error
        else:
            self.open(context)

    def open(self, context: Context) -> None:
        """Show a site's window and look after its boxes from now on.

        :raises AlreadyExists: another window is open on it; the context was closed.
        """
        # Never stale by age: a window stays open for days. One whose process is gone does not count.
        lock = QLockFile(str(context.home / LOCK_NAME))
        lock.setStaleLockTime(0)
        if not lock.tryLock(0) and lock.error() == QLockFile.LockError.LockFailedError:
            context.close()
            raise AlreadyExists(
                f"The site {context.site.name!r} is open already in another window of Lineside.",
                hint="Go on in that window, or close it first.",
            )
        self._lock = lock
        self.show_site(context)
        self.watch()

    def show_site(self, context: Context) -> None:
        """Show a site as it stands, without asking its boxes. The context is closed at the end."""
        self._take(context)
        self._build("boxes")
        self._close_wizard()

    def play(self, options: DemoOptions) -> None:
        """Show the demo's window at once; its pages come alive when its site exists.

        :raises TrainingUnavailable: it would fail when it comes to train.
        """
        bursts.require_training_here()
        self.demo = DemoRun(self.tasks, self)
        self.demo.changed.connect(self._follow_demo)
        self.demo.line_changed.connect(self._pick_changing_line)
        self._build("boxes")
        self._close_wizard()
        self.demo.start(options, self._demo_has_site)

    def offer_rescue(self, dialog: ErrorDialog) -> None:
        """Where a site cannot be opened, what can be read of it still helps whoever is asked."""
        if self._home is not None:
            offer_bundle(dialog, self._home, self.tasks)

    def watch(self) -> None:
        """Ask the boxes and move on what is under way, once a tick."""
        self._watch(only_looking=False)

    def close(self) -> bool:
        """Stop everything, wait for it, close the site; False: some worker did not end in time."""
        if self.window is not None and self.session is not None and self.demo is None:
            geometry.remember(self.window, self.session.context.home)
        for widget in (self.window, self.wizard):
            if widget is not None:
                widget.hide()
        self._application.processEvents()
        self._leave_site()
        drained = self.tasks.drain(DRAIN_S)
        if self.wizard is not None and self.wizard.context is not None:
            self._left.append(self.wizard.context)
        for context in self._left:
            context.close()
        if self._lock is not None:
            self._lock.unlock()
        return drained

    def _watch(self, *, only_looking: bool) -> None:
        if self.session is not None:
            self._stop_watching()
            self._watcher = Watcher(self.session, only_looking=only_looking)
            self._watcher.start()

    def _stop_watching(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None

    def _leave_site(self) -> None:
        """Nothing new about it any more; its context is closed at the end, when no worker reads from it."""
        self._stop_watching()
        if self.session is not None:
            self.session.close()
            self._left.append(self.session.context)
            self.session = None

    def _take(self, context: Context) -> None:
        self.session = Session(context, self.tasks, self)
        self._use(context.settings)

    def _use(self, settings: Settings) -> None:
        self.theme.choose(settings.theme)
        self._translations.use(settings.language)

    def _build(self, page: str) -> None:
        """A new window in place of the one there is, on the same page."""
        old, self.window = self.window, MainWindow(self.tasks, demo=self.demo)
        self.errors.parent = self.window
        self.window.theme_chosen.connect(lambda choice: self.theme.choose(cast(Choice, choice)))
        self.window.language_chosen.connect(self._change_language)
        self.window.closed.connect(self._application.quit)
        self.window.demo_left.connect(self._leave_demo)
        if self.session is not None:
            self.window.attach(self.session)
            self.window.go(page)
        if old is not None:
            self.window.restoreGeometry(old.saveGeometry())
            self._discard(old)
        elif self.session is not None:
            geometry.restore(self.window, self.session.context.home)
        self.window.show()

    def _discard(self, window: MainWindow | Wizard) -> None:
        window.closed.disconnect()
        window.hide()
        window.deleteLater()

    def _change_language(self, language: str) -> None:
        self._translations.use(cast(Language, language))
        self._build(self.window.current if self.window is not None else "boxes")

    def _show_wizard(self, home: Path) -> None:
        self.wizard = Wizard(home, self.tasks, can_train=can_train())
        self.errors.parent = self.wizard
        self.wizard.created.connect(self.open)
        self.wizard.demo_chosen.connect(self._play_default)
        self.wizard.closed.connect(self._application.quit)
        self.wizard.show()

    def _play_default(self) -> None:
        from app.demo.report import DemoOptions

        self.play(DemoOptions())

    def _close_wizard(self) -> None:
        if self.wizard is not None:
            self._discard(self.wizard)
            self.wizard = None

    def _demo_has_site(self, context: Context) -> None:
        self._take(context)
        if self.window is not None and self.session is not None:
            self.window.attach(self.session)
            self._watch(only_looking=True)

    def _follow_demo(self) -> None:
        """While it plays, the demo itself collects and moves on; afterwards the window does, as for any site."""
        if self.demo is None:
            return
        if self.demo.report is not None:
            self.watch()
        elif self.demo.broken:
            self._stop_watching()

    def _pick_changing_line(self) -> None:
        if self.session is None or self.window is None:
            return
        context, page = self.session.context, self.window.pages["boxes"]
        self.tasks.run_query(
            lambda: boxes.get_box(context, CHANGING_LINE), lambda box: page.pick(box.box), owner=self.window
        )

    def _leave_demo(self) -> None:
        """From a demo that has ended too early to where it was chosen."""
        self._leave_site()
        self.demo = None
        self.errors.parent = None
        if self.window is not None:
            self._discard(self.window)
            self.window = None
        self.start(self._home or default_home())


STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class _Signals(QObject):
    """Ctrl+C and a polite kill end the program as closing the window does, without a timer that polls."""

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        # The bytes only wake Qt up; the handler below runs because Python code runs then.
        self._notifier.activated.connect(lambda: self._read.recv(64))
        self._wakeup = signal.set_wakeup_fd(self._write.fileno())
        self.interrupted = False
        self._application = application
        self._before = {which: signal.signal(which, self._handle) for which in STOP_SIGNALS}

    def close(self) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for which, handler in self._before.items():
            signal.signal(which, handler)
        self._notifier.setEnabled(False)
        self._read.close()
        self._write.close()

    def _handle(self, which: int, _frame: FrameType | None) -> None:
        self.interrupted = which == signal.SIGINT
        self._application.quit()


def _run(begin: Callable[[Desktop], None]) -> int:
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("Lineside")
    application.setWindowIcon(icons.application_icon())
    application.setQuitOnLastWindowClosed(False)
    desktop = Desktop(application)
    desktop.errors.install()
    signals = _Signals(application)
    try:
        try:
            begin(desktop)
        except Exception as error:  # noqa: BLE001 - whatever it is must be seen: there may be no terminal
            # No window yet: the dialog is all there is, and closing it ends the program.
            desktop.errors.show(error)
            desktop.errors.open[0].finished.connect(lambda _result: application.exit(1))
            desktop.offer_rescue(desktop.errors.open[0])
        code: int = application.exec()
    finally:
        # Handlers stay until nothing of ours runs: whoever is impatient must not cut the tidying short.
        drained = desktop.close()
        desktop.errors.uninstall()
        signals.close()
    if signals.interrupted:
        return 130
    return code if drained else 1
