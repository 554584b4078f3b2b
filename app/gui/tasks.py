"""The bridge between the window and its workers.

Work runs on plain threads; one signal carries a closure back to the GUI thread. A query is short and
silent; a command is a :class:`Job` with progress and cancel that the tray shows. An error that nobody
asked for always reaches ``on_error``. ``drain`` ends everything before the program does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Literal, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from shiboken6 import Shiboken

from app.gui.errors import details
from app.gui.garbage import GuiGarbage
from app.usecases.crew import Crew
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from edge_runtime.contracts.errors import Cancelled

T = TypeVar("T")
JobState = Literal["running", "stopping", "done", "cancelled", "failed"]

PROGRESS_MS = 100
"""Progress reaches the screen at most this often."""
QUERY_THREADS = 3
COMMAND_THREADS = 8
WATCHING_THREADS = 8
WATCHING_GRACE_S = 2.0
"""How long ending waits for watching: a box that never answers must not keep the program."""


class Job(QObject):
    """One piece of work that a person may watch and stop. Lives in the GUI thread."""

    changed = Signal()
    ended = Signal()

    def __init__(self, title: str, parent: QObject, *, in_tray: bool = True) -> None:
        super().__init__(parent)
        self.title = title
        self.in_tray = in_tray
        self.state: JobState = "running"
        self.progress = ProgressEvent(step="")
        self.error: BaseException | None = None
        self.token = CancelToken()
        self.began_s = time.monotonic()
        self._lock = threading.Lock()
        self._latest: ProgressEvent | None = None

    @property
    def active(self) -> bool:
        return self.state in ("running", "stopping")

    def report(self, event: ProgressEvent) -> None:
        """From the worker: only the latest event between two looks is shown."""
        with self._lock:
            self._latest = event

    def look(self) -> None:
        """In the GUI thread: show the latest event, if there is a new one."""
        with self._lock:
            event, self._latest = self._latest, None
        if event is not None:
            self.progress = event
            self.changed.emit()

    def cancel(self) -> None:
        """Ask the work to stop; it ends when it next looks."""
        self.token.cancel()
        if self.state == "running":
            self.state = "stopping"
            self.changed.emit()

    def end(self, state: JobState, error: BaseException | None = None) -> None:
        self.look()
        self.state, self.error = state, error
        self.changed.emit()
        self.ended.emit()


class Tasks(QObject):
    """The worker pool. ``job_added`` carries each new :class:`Job` to the tray."""

    job_added = Signal(object)
    _delivered = Signal(object)

    def __init__(self, on_error: Callable[[BaseException], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._show = on_error
        self.last_error = ""
        """Details of what went wrong last, for whoever is asked for help."""
        self._queries = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="query")
        self._commands = ThreadPoolExecutor(COMMAND_THREADS, thread_name_prefix="command")
        self._watching = Crew(WATCHING_THREADS, "watching")
        self._running: set[Future[Any]] = set()
        self._watched: set[Future[Any]] = set()
        self._jobs: list[Job] = []
        self._closed = False
        self._delivered.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._looking = QTimer(self, interval=PROGRESS_MS)
        self._looking.timeout.connect(self._look)
        self._garbage = GuiGarbage(self)

    def _on_error(self, error: BaseException) -> None:
        self.last_error = details(error)
        self._show(error)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs that still run."""
        return tuple(self._jobs)

    @property
    def idle(self) -> bool:
        """No work is queued or running, and every result was delivered."""
        return not self._running and not self._watched

    def post(self, closure: Callable[[], None]) -> None:
        """From any thread: run ``closure`` in the GUI thread soon. Dropped once the pool is drained."""
        if not self._closed:
            self._delivered.emit(closure)

    def run_query(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        *,
        owner: QObject,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Run ``work`` on a query thread and ``done`` with its result in the GUI thread.

        Nothing is delivered once ``owner`` was deleted. Without ``failed`` an error reaches the dialog.
        """
        self._submit(self._queries.submit, self._running, work, done, failed or self._on_error, owner)

    def run_background(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        *,
        owner: QObject,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """As :meth:`run_query`, for silent work that may take seconds (a box that does not answer)."""
        self._submit(self._commands.submit, self._running, work, done, failed or self._on_error, owner)

    def run_watching(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        *,
        owner: QObject,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """As :meth:`run_background`, for what nobody asked for: it never takes a thread from what somebody did.

        Ending the program may cut it short, so it must be safe to cut at any point.
        """
        self._submit(self._watching.submit, self._watched, work, done, failed or self._on_error, owner)

    def run_command(
        self,
        title: str,
        work: Callable[[Progress, CancelToken], T],
        done: Callable[[T], object] | None = None,
        *,
        owner: QObject,
        failed: Callable[[BaseException], None] | None = None,
        in_tray: bool = True,
    ) -> Job:
        """Run ``work`` as a job of the tray. Cancelling is no error; any other failure reaches the dialog.

        :param in_tray: False where something else shows the job.
        """
        job = Job(title, self, in_tray=in_tray)
        self._jobs.append(job)

        def succeeded(result: T) -> None:
            self._end(job, "done", None)
            if done is not None and Shiboken.isValid(owner):
                done(result)

        def broke(error: BaseException) -> None:
            stopped = isinstance(error, Cancelled)
            self._end(job, "cancelled" if stopped else "failed", error)
            if failed is not None and Shiboken.isValid(owner):
                failed(error)
            elif not stopped:
                self._on_error(error)

        self._looking.start()
        self._submit(self._commands.submit, self._running, lambda: work(job.report, job.token), succeeded, broke, self)
        if in_tray:
            self.job_added.emit(job)
        return job

    def report(self, error: BaseException) -> None:
        """Show an error that somebody looked at first."""
        self._on_error(error)

    def cancel_all(self) -> None:
        for job in self.jobs:
            job.cancel()

    def drain(self, timeout_s: float = 30.0) -> bool:
        """Cancel the jobs, start nothing more, and wait until the workers are gone; False: some still run.

        Watching that does not end soon is given up and counts as gone.
        """
        self._looking.stop()
        self.cancel_all()
        self._closed = True
        for pool in (self._queries, self._commands):
            pool.shutdown(wait=False, cancel_futures=True)
        alone = self._watching.end(self._watched, grace_s=WATCHING_GRACE_S)
        # A future that was cancelled before it began counts as unfinished for ever.
        left = {future for future in self._running if not future.cancelled()}
        drained = not wait(left, timeout=timeout_s).not_done
        if drained:
            for pool in (self._queries, self._commands):
                pool.shutdown(wait=True)
            self._garbage.stop()
            # What was given up may run on, and would collect on its own thread while the windows are taken down.
            if alone:
                self._garbage.hand_back()
        return drained

    def _submit(
        self,
        submit: Callable[[Callable[[], T]], Future[T]],
        running: set[Future[Any]],
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], None],
        owner: QObject,
    ) -> None:
        if self._closed:
            return
        future = submit(work)
        running.add(future)

        def deliver() -> None:
            running.discard(future)
            error = future.exception()
            if error is not None:
                (failed if Shiboken.isValid(owner) else self._on_error)(error)
            elif Shiboken.isValid(owner):
                done(future.result())

        future.add_done_callback(lambda finished: None if finished.cancelled() else self.post(deliver))

    def _deliver(self, closure: Callable[[], None]) -> None:
        if not self._closed:
            closure()

    def _look(self) -> None:
        for job in self.jobs:
            job.look()

    def _end(self, job: Job, state: JobState, error: BaseException | None) -> None:
        self._jobs.remove(job)
        if not self._jobs:
            self._looking.stop()
        job.end(state, error)
