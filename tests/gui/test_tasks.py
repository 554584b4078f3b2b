"""The bridge between workers and the GUI thread."""

from __future__ import annotations

import gc
import threading

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.gui.tasks import PROGRESS_MS, WATCHING_THREADS, Job, Tasks
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from edge_runtime.contracts.errors import BoxUnreachable


def test_result_arrives_in_gui_thread(qtbot: QtBot, tasks: Tasks) -> None:
    seen: list[tuple[str, bool, bool]] = []
    owner = QObject()
    worker: list[int] = []

    def work() -> str:
        worker.append(threading.get_ident())
        return "answer"

    def done(result: str) -> None:
        seen.append((result, threading.current_thread() is threading.main_thread(), worker[0] != threading.get_ident()))

    tasks.run_query(work, done, owner=owner)
    qtbot.waitUntil(lambda: tasks.idle)
    assert seen == [("answer", True, True)]


def test_error_that_nobody_asked_for_reaches_the_dialog(
    qtbot: QtBot, tasks: Tasks, errors: list[BaseException]
) -> None:
    owner = QObject()

    def bug() -> None:
        raise ZeroDivisionError("a bug")

    tasks.run_query(bug, lambda _none: None, owner=owner)
    qtbot.waitUntil(lambda: tasks.idle)
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_error_of_a_deleted_owner_reaches_the_dialog_and_its_result_nobody(
    qtbot: QtBot, tasks: Tasks, errors: list[BaseException]
) -> None:
    owner = QObject()
    go = threading.Event()
    told: list[object] = []

    def slow_bug() -> None:
        go.wait(60)
        raise ZeroDivisionError("late")

    tasks.run_query(slow_bug, told.append, owner=owner, failed=told.append)
    tasks.run_query(lambda: go.wait(60), told.append, owner=owner)
    owner.deleteLater()
    with qtbot.waitSignal(owner.destroyed):
        pass
    go.set()
    qtbot.waitUntil(lambda: tasks.idle)
    assert told == []
    assert len(errors) == 1


def test_cancelled_job_is_no_error(qtbot: QtBot, tasks: Tasks, errors: list[BaseException]) -> None:
    started = threading.Event()

    def work(progress: Progress, cancel: CancelToken) -> None:
        progress(ProgressEvent(step="collect", fraction=0.5))
        started.set()
        cancel.wait(60)

    job = tasks.run_command("Collect", work, owner=tasks)
    assert tasks.jobs == (job,)
    qtbot.waitUntil(started.is_set)
    qtbot.waitUntil(lambda: job.progress.fraction == 0.5)
    job.cancel()
    asked = job.state
    assert asked == "stopping"
    with qtbot.waitSignal(job.ended):
        pass
    assert job.state == "cancelled"
    assert not tasks.jobs
    assert errors == []


def test_failed_job_says_why(qtbot: QtBot, tasks: Tasks, errors: list[BaseException]) -> None:
    def work(_progress: Progress, _cancel: CancelToken) -> None:
        raise BoxUnreachable("line-2 is off.")

    job = tasks.run_command("Prove", work, owner=tasks)
    with qtbot.waitSignal(job.ended):
        pass
    assert job.state == "failed"
    assert isinstance(job.error, BoxUnreachable)
    assert [str(error) for error in errors] == ["The box does not answer: line-2 is off."]


def test_watching_takes_no_thread_from_what_somebody_asked_for(qtbot: QtBot, tasks: Tasks) -> None:
    owner = QObject()
    told: list[object] = []
    answer = threading.Event()
    for _ in range(3 * WATCHING_THREADS):
        tasks.run_watching(lambda: answer.wait(60), told.append, owner=owner)
    job = tasks.run_command("Collect", lambda _progress, _cancel: "collected", told.append, owner=owner)
    qtbot.waitUntil(lambda: not job.active)
    assert told == ["collected"]
    assert not tasks.idle
    answer.set()
    qtbot.waitUntil(lambda: tasks.idle)
    assert told == ["collected"] + [True] * 3 * WATCHING_THREADS


def test_watching_that_never_ends_is_given_up(
    qtbot: QtBot, errors: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gui.tasks.WATCHING_GRACE_S", 0.1)
    gc.enable()
    pool = Tasks(errors.append)
    began, answer = threading.Event(), threading.Event()
    told: list[object] = []

    def silent_box() -> None:
        began.set()
        answer.wait(60)

    pool.run_watching(silent_box, told.append, owner=pool)
    qtbot.waitUntil(began.is_set)
    assert pool.drain(60)
    (left,) = [thread for thread in threading.enumerate() if thread.name.startswith("watching")]
    assert left.daemon
    assert not gc.isenabled(), "it would collect on the thread that is left"
    answer.set()
    left.join(60)
    assert told == []


def test_progress_is_coalesced(qtbot: QtBot, tasks: Tasks) -> None:
    shown: list[float | None] = []

    def work(progress: Progress, _cancel: CancelToken) -> None:
        for number in range(10_000):
            progress(ProgressEvent(step="train", fraction=number / 10_000))

    job = tasks.run_command("Train", work, owner=tasks)
    job.changed.connect(lambda: shown.append(job.progress.fraction))
    began = job.began_s
    with qtbot.waitSignal(job.ended):
        pass
    import time

    looks = (time.monotonic() - began) * 1000 / PROGRESS_MS
    assert len(shown) <= looks + 3
    assert shown[-1] == 0.9999


def test_drain_stops_what_runs_and_drops_what_waits(qtbot: QtBot, errors: list[BaseException]) -> None:
    pool = Tasks(errors.append)
    started = threading.Event()
    told: list[object] = []

    def work(_progress: Progress, cancel: CancelToken) -> None:
        started.set()
        cancel.wait(60)

    jobs: list[Job] = [pool.run_command(f"Job {n}", work, told.append, owner=pool) for n in range(20)]
    qtbot.waitUntil(started.is_set)
    assert pool.drain(60)

    def late() -> None:
        told.append("late")

    pool.run_query(late, told.append, owner=pool)
    qtbot.wait(60)
    assert told == []
    assert all(job.token.cancelled for job in jobs)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("command") and thread.is_alive()]


@pytest.mark.parametrize("in_tray", [True, False])
def test_tray_hears_of_jobs(qtbot: QtBot, tasks: Tasks, in_tray: bool) -> None:
    heard: list[Job] = []
    tasks.job_added.connect(heard.append)
    job = tasks.run_command("Sync", lambda _progress, _cancel: None, owner=tasks, in_tray=in_tray)
    with qtbot.waitSignal(job.ended):
        pass
    assert heard == ([job] if in_tray else [])


def test_a_worker_never_collects_what_belongs_to_the_gui_thread(tasks: Tasks, qtbot: QtBot) -> None:
    ended_on: list[int | None] = []
    here = threading.get_ident()

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            ended_on.append(threading.get_ident())

    def allocate() -> int:
        return len([Cycle() for _ in range(20_000)])

    owner = QObject()
    tasks.run_query(allocate, lambda _made: None, owner=owner)
    qtbot.waitUntil(lambda: len(ended_on) == 20_000, timeout=60_000)
    assert set(ended_on) == {here}


def test_python_collects_again_when_the_last_worker_is_gone(qapp: QApplication, errors: list[BaseException]) -> None:
    gc.enable()
    try:
        first, second = Tasks(errors.append), Tasks(errors.append)
        assert not gc.isenabled()
        assert second.drain(60)
        assert not gc.isenabled()
        assert first.drain(60)
        assert gc.isenabled()
    finally:
        gc.disable()
