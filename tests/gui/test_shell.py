"""Starting and stopping the whole program, with a real box behind it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import Shiboken

from app.context import Context, open_context
from app.demo.report import DemoOptions
from app.gui.demo import DemoRun, DemoStrip
from app.gui.main import Desktop
from app.gui.pages.boxes import BoxesPage
from app.gui.session import Session
from app.gui.tasks import Tasks
from app.gui.theme import DARK, tokens
from app.gui.watcher import Watcher
from app.usecases import boxes
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from edge_runtime.contracts.errors import AlreadyExists, BoxUnreachable, TrainingUnavailable
from tests.fakes.edge_toml import named
from tests.gui.conftest import page_of
from tests.waiting import wait_until

EDGE = [sys.executable, "-m", "edge_runtime"]


@pytest.fixture
def desktop(qapp: QApplication) -> Iterator[Desktop]:
    made = Desktop(qapp)
    yield made
    assert made.close()
    for widget in (made.window, made.wizard):
        if widget is not None:
            widget.deleteLater()
    qapp.setQuitOnLastWindowClosed(True)


@pytest.fixture
def box_home(tmp_path: Path) -> Iterator[Path]:
    """A real box that runs in a process of its own."""
    home, frames = tmp_path / "box", tmp_path / "frames"
    frames.mkdir()
    subprocess.run([*EDGE, "init", "--home", str(home), "--name", "line-7"], check=True, capture_output=True)
    (home / "edge.toml").write_text(named("line-7").format(frames=frames))
    process = subprocess.Popen([*EDGE, "run", "--home", str(home)])
    try:
        wait_until((home / "run" / "address.json").exists, 30, "the box's address")
        yield home
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_no_site_shows_the_wizard(qtbot: QtBot, desktop: Desktop, tmp_path: Path) -> None:
    desktop.start(tmp_path / "nothing")
    assert desktop.wizard is not None
    assert desktop.wizard.isVisible()
    assert desktop.window is None


def test_open_site_watches_its_boxes(
    qtbot: QtBot, desktop: Desktop, tmp_path: Path, box_home: Path, site_template: Path
) -> None:
    shutil.copytree(site_template, tmp_path / "site")
    desktop.start(tmp_path / "site")
    assert desktop.window is not None
    assert desktop.session is not None
    context = desktop.session.context
    page = desktop.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    dialog = page.add_box()
    dialog.way.choose("folder")
    dialog.folder.edit.setText(str(box_home))
    dialog.submit()
    qtbot.waitUntil(lambda: page.model.rowCount() == 1, timeout=60_000)
    qtbot.waitUntil(lambda: boxes.list_boxes(context)[0].status is not None, timeout=60_000)
    qtbot.waitUntil(lambda: page.subtitle.text() == "1 of 1 answering", timeout=60_000)
    assert page.detail.refresh.isVisible()


def test_language_and_theme_change_at_once(qtbot: QtBot, desktop: Desktop, tmp_path: Path, site_template: Path) -> None:
    shutil.copytree(site_template, tmp_path / "site")
    desktop.start(tmp_path / "site")
    first = desktop.window
    assert first is not None
    first.go("settings")
    first.language_chosen.emit("zh")
    assert desktop.window is not first
    assert desktop.window is not None
    assert desktop.window.current == "settings"
    assert desktop.window.buttons["settings"].text() == "设置"
    desktop.window.theme_chosen.emit("dark")
    assert tokens() is DARK
    desktop.window.language_chosen.emit("en")
    desktop.theme.choose("light")
    assert desktop.window.buttons["settings"].text() == "Settings"


def test_language_change_leaves_nothing_of_the_old_window(
    qtbot: QtBot, desktop: Desktop, tmp_path: Path, site_template: Path
) -> None:
    shutil.copytree(site_template, tmp_path / "site")
    desktop.start(tmp_path / "site")
    first, session = desktop.window, desktop.session
    assert first is not None
    assert session is not None
    going, end = threading.Event(), threading.Event()

    def work(_progress: Progress, _cancel: CancelToken) -> None:
        going.set()
        end.wait(60)

    job = desktop.tasks.run_command("Collect", work, owner=desktop)
    qtbot.waitUntil(going.is_set)
    first.language_chosen.emit("zh")
    qtbot.waitUntil(lambda: not Shiboken.isValid(first))
    second = desktop.window
    assert second is not None
    assert [row.job for row in second.tray.rows] == [job]
    assert second.tray.isVisible()
    with qtbot.waitSignal(session.changed):
        session.context.database.write(lambda writer: writer.activity("test", "", "Written."))
    end.set()
    qtbot.waitUntil(lambda: not job.active)
    second.language_chosen.emit("en")


def test_error_whose_window_went_is_shown_again(qtbot: QtBot, desktop: Desktop) -> None:
    window = QWidget()
    desktop.errors.parent = window
    desktop.errors.show(BoxUnreachable("line-2 is off."))
    shown = desktop.errors.open
    assert len(shown) == 1
    window.deleteLater()
    qtbot.waitUntil(lambda: not Shiboken.isValid(window))
    assert list(desktop.errors.open) == []
    desktop.errors.parent = None
    desktop.errors.show(BoxUnreachable("line-2 is off."))
    (dialog,) = desktop.errors.open
    dialog.accept()


def test_wizard_closed_while_it_makes_the_site_leaves_it_whole(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    made = Desktop(qapp)
    made.start(tmp_path / "site")
    wizard = made.wizard
    assert wizard is not None
    wizard.show_step(1)
    wizard.name.setText("Plant")
    for edit in (wizard.passphrase, wizard.again):
        edit.setText("a long passphrase")
    qtbot.mouseClick(wizard.make, Qt.MouseButton.LeftButton)
    assert not wizard.back.isEnabled()
    # The result waits to be delivered when the window goes, and is never delivered.
    wait_until((tmp_path / "site" / "site.json").exists, 20, "the site")
    wizard.close()
    assert made.close()
    wizard.deleteLater()
    assert not (tmp_path / "site" / "lineside.db-wal").exists()


def test_second_window_on_a_site_is_refused(
    qtbot: QtBot, desktop: Desktop, tmp_path: Path, qapp: QApplication, site_template: Path
) -> None:
    shutil.copytree(site_template, tmp_path / "site")
    desktop.start(tmp_path / "site")
    second = Desktop(qapp)
    with pytest.raises(AlreadyExists, match="open already"):
        second.start(tmp_path / "site")
    assert second.window is None
    assert second.close()
    third = Desktop(qapp)
    assert desktop.close()
    third.start(tmp_path / "site")
    assert third.window is not None
    assert third.close()
    third.window.deleteLater()


def test_broken_demo_leads_back_to_the_wizard(qtbot: QtBot, desktop: Desktop, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "somebody's.txt").write_text("here already")
    desktop.start(tmp_path / "nothing")
    desktop.play(DemoOptions(directory=str(tmp_path / "full")))
    window = desktop.window
    assert window is not None
    strip = window.demo_strip
    assert strip is not None
    assert not strip.back.isVisible()
    qtbot.waitUntil(strip.back.isVisible)
    for dialog in desktop.errors.open:
        dialog.accept()
    qtbot.mouseClick(strip.back, Qt.MouseButton.LeftButton)
    assert desktop.window is None
    assert desktop.wizard is not None
    assert desktop.wizard.isVisible()


def test_line_that_changes_is_picked(qtbot: QtBot, desktop: Desktop, tmp_path: Path, full_template: Path) -> None:
    shutil.copytree(full_template, tmp_path / "site")
    desktop.show_site(open_context(tmp_path / "site"))
    assert desktop.window is not None
    table = page_of(desktop.window, BoxesPage).table
    qtbot.waitUntil(lambda: table.record is not None and table.record.name == "line-1")
    run = DemoRun(desktop.tasks, desktop)
    run.line_changed.connect(desktop._pick_changing_line)
    run._told(ProgressEvent(step="change", message="Line 2 changes.", fraction=0.4))
    qtbot.waitUntil(lambda: table.record.name == "line-2")


def test_demo_that_cannot_train_does_not_begin(qtbot: QtBot, desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(TrainingUnavailable):
        desktop.play(DemoOptions())
    assert desktop.window is None


def test_watching_only_looks_while_the_demo_plays(qtbot: QtBot, tasks: Tasks, site: Context, box_home: Path) -> None:
    box = boxes.enrol_local(site, box_home)
    session = Session(site, tasks)
    watcher = Watcher(session, only_looking=True)
    try:
        watcher.start()
        qtbot.waitUntil(lambda: boxes.get_box(site, box.box).last_seen_ms is not None, timeout=60_000)
        assert {name for name, _since in watcher._not_before.items()} <= {"boxes", box.box}
    finally:
        watcher.stop()
        session.close()


def test_closing_does_not_wait_for_a_box_that_never_answers(
    qtbot: QtBot, desktop: Desktop, tmp_path: Path, box_home: Path, site_template: Path
) -> None:
    shutil.copytree(site_template, tmp_path / "site")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with open_context(tmp_path / "site") as context:
            boxes.enrol_local(context, box_home, address=f"127.0.0.1:{mute.getsockname()[1]}")
        desktop.start(tmp_path / "site")

        def called() -> bool:
            return bool(select.select([mute], [], [], 0)[0])

        qtbot.waitUntil(called, timeout=60_000)
        caller, _address = mute.accept()
        with caller:
            assert "follower" in {thread.name for thread in threading.enumerate()}
            assert desktop.close()
            assert "follower" not in {thread.name for thread in threading.enumerate()}


def test_start_that_fails_is_shown_and_told_to_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    code = (
        "import sys\nfrom pathlib import Path\nfrom PySide6.QtCore import QTimer\nfrom app.gui import main\n"
        "def begin(desktop):\n"
        "    def look():\n"
        "        (dialog,) = desktop.errors.open\n"
        "        print(dialog.error, flush=True)\n"
        "        dialog.accept()\n"
        "    QTimer.singleShot(0, look)\n"
        f"    desktop.start(Path({str(tmp_path / 'file')!r}))\n"
        "sys.exit(main._run(begin))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "cannot be used as a site's folder: Not a directory" in ended.stdout, ended.stderr
    assert ended.returncode == 1


def test_window_opens_within_a_small_screen(tmp_path: Path, site_template: Path) -> None:
    shutil.copytree(site_template, tmp_path / "site")
    screen = tmp_path / "screen.json"
    screen.write_text('{"screens": [{"name": "small", "x": 0, "y": 0, "width": 1366, "height": 768}]}')
    code = (
        "from pathlib import Path\nfrom PySide6.QtWidgets import QApplication\nfrom app.gui.main import Desktop\n"
        "application = QApplication([])\ndesktop = Desktop(application)\n"
        f"desktop.start(Path({str(tmp_path / 'site')!r}))\n"
        "print(desktop.window.width(), desktop.window.height())\n"
        "desktop.close()\n"
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": f"offscreen:configfile={screen}"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    width, height = map(int, ended.stdout.split())
    assert 960 <= width <= 1366, ended.stderr
    assert 600 <= height <= 768


def test_demo_strip_tells_the_story(qtbot: QtBot, tasks: Tasks) -> None:
    run = DemoRun(tasks, tasks)
    strip = DemoStrip(run)
    qtbot.addWidget(strip)
    strip.show()
    run._told(ProgressEvent(step="drift", message="The box noticed by itself.", fraction=0.46))
    assert run.headline == "Drift: The box noticed by itself."
    run._told(ProgressEvent(step="…collect", message="line-2", fraction=0.3))
    assert run.detail == "line-2"
    assert run.fraction == 0.46


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_program_ends_on_a_signal(tmp_path: Path, how: signal.Signals, site_template: Path) -> None:
    """As a process of its own: the window on an empty site, ended from outside."""
    shutil.copytree(site_template, tmp_path / "site")
    code = (
        "import sys\nfrom pathlib import Path\nfrom PySide6.QtCore import QTimer\nfrom app.gui import main\n"
        "def begin(desktop):\n"
        f"    desktop.start(Path({str(tmp_path / 'site')!r}))\n"
        "    QTimer.singleShot(0, lambda: print('up', flush=True))\n"
        "sys.exit(main._run(begin))\n"
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(how)
        _out, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == (130 if how is signal.SIGINT else 0), complaints
    assert "Traceback" not in complaints


def test_closing_leaves_the_database_whole(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path, site_template: Path
) -> None:
    shutil.copytree(site_template, tmp_path / "site")
    made = Desktop(qapp)
    made.start(tmp_path / "site")
    assert made.window is not None
    with qtbot.waitSignal(made.window.closed):
        made.window.close()
    assert made.close()
    made.window.deleteLater()
    assert not (tmp_path / "site" / "lineside.db-wal").exists()
