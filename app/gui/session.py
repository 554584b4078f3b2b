"""One open site as the window sees it: its context, and the news from its database."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from app.context import Context
from app.gui.tasks import Tasks
from app.store.records import Site
from app.usecases import sites

NEWS_MS = 250
"""Changes reach the pages at most this often."""
ELSEWHERE_MS = 1000
"""How often it looks for what other programs, such as the command line, wrote to the site."""


class Session(QObject):
    """Handed to every page. ``changed`` carries the names of the tables that changed since the last time."""

    changed = Signal(object)
    open_requested = Signal(str, str)
    """A page's name and the id of what it should pick there; empty: only the page."""

    def __init__(self, context: Context, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self.tasks = tasks
        self.site: Site = sites.get_site(context)
        self._news: set[str] = set()
        self._timer = QTimer(self, interval=NEWS_MS, singleShot=True)
        self._timer.timeout.connect(self._tell)
        self._looking = False
        self._elsewhere = QTimer(self, interval=ELSEWHERE_MS)
        self._elsewhere.timeout.connect(self._look_elsewhere)
        self._elsewhere.start()
        self._unsubscribe: Callable[[], None] | None = context.database.subscribe(self._committed)

    @property
    def news_pending(self) -> bool:
        """Something changed that the pages have not been told yet."""
        return self._timer.isActive()

    def close(self) -> None:
        """Hear no more news; the context stays open for whoever opened it."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._timer.stop()
        self._elsewhere.stop()

    def _look_elsewhere(self) -> None:
        if self._looking:
            return
        self._looking = True
        database = self.context.database
        self.tasks.run_query(
            lambda: database.tables() if database.changed_elsewhere() else frozenset[str](),
            self._looked_elsewhere,
            owner=self,
            failed=self._cannot_look,
        )

    def _looked_elsewhere(self, tables: frozenset[str]) -> None:
        self._looking = False
        for table in tables:
            self._note(table)

    def _cannot_look(self, error: BaseException) -> None:
        """Told once: whoever reads next says it again."""
        self._elsewhere.stop()
        self.tasks.report(error)

    def _committed(self, table: str, _keys: frozenset[str]) -> None:
        """On the writer's thread, after each commit."""
        self.tasks.post(lambda: self._note(table))

    def _note(self, table: str) -> None:
        if self._unsubscribe is None:
            return
        self._news.add(table)
        if not self._timer.isActive():
            self._timer.start()

    def _tell(self) -> None:
        news, self._news = frozenset(self._news), set()
        self.changed.emit(news)
