"""Starting and stopping the whole program, with a real box behind it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.gui.demo import DemoRun, DemoStrip
from app.gui.main import Desktop
from app.gui.pages.boxes import BoxesPage
from app.gui.tasks import Tasks
from app.gui.theme import DARK, tokens
from app.usecases import boxes
from app.usecases.progress import ProgressEvent
from tests.waiting import wait_until

EDGE = [sys.executable, "-m", "edge_runtime"]
CONFIG = """name = "line-7"
[management]
listen = "127.0.0.1:0"
announce = false
[spool]
reserve_bytes = 0
[[pipeline]]
name = "camera"
source = "folder:{frames}"
"""


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
    (home / "edge.toml").write_text(CONFIG.format(frames=frames))
    process = subprocess.Popen([*EDGE, "run", "--home", str(home)])
    try:
        wait_until((home / "run" / "address.json").exists, 30, "the box's address")
        yield home
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


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
    dialog.folder.edit.setText(str(box_home))
    dialog.submit()
    qtbot.waitUntil(lambda: page.model.rowCount() == 1, timeout=20_000)
    qtbot.waitUntil(lambda: boxes.list_boxes(context)[0].status is not None, timeout=20_000)
    qtbot.waitUntil(lambda: page.subtitle.text() == "1 of 1 answer", timeout=20_000)
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
