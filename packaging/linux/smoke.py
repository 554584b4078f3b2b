"""Start a built Lineside once on a display of its own and see its main window."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTUP_S = 60.0


@contextmanager
def virtual_display() -> Iterator[str]:
    """An X server without a screen; the name of its display."""
    reader, writer = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1440x900x24", "-nolisten", "tcp"],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(writer)
        try:
            with os.fdopen(reader) as numbers:
                yield f":{numbers.readline().strip()}"
        finally:
            server.terminate()


def window_titles(display: str) -> list[str]:
    """Titles of the windows that can be seen on a display."""
    tree = subprocess.run(
        ["xwininfo", "-display", display, "-root", "-tree"], capture_output=True, text=True, check=True
    ).stdout
    titles = [line.split('"')[1] for line in tree.splitlines() if line.count('"') >= 2]
    return [title for title in titles if _mapped(display, title)]


def _mapped(display: str, title: str) -> bool:
    shown = subprocess.run(
        ["xwininfo", "-display", display, "-name", title, "-stats"], capture_output=True, text=True, check=False
    )
    return "IsViewable" in shown.stdout


def smoke(program: Path) -> None:
    """Ask for the version, then open the window; SystemExit with the program's output where either fails."""
    with tempfile.TemporaryDirectory() as home, virtual_display() as display:
        # A bare environment: nothing of the machine that built it may be needed.
        environment = {"HOME": home, "LINESIDE_HOME": f"{home}/site", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        told = subprocess.run([program, "--version"], env=environment, capture_output=True, text=True, check=False)
        if told.returncode or not told.stdout.startswith("lineside "):
            raise SystemExit(f"`lineside --version` failed ({told.returncode}):\n{told.stdout}{told.stderr}")
        log = Path(home, "log")
        with (
            log.open("w") as output,
            subprocess.Popen(
                [program], env={**environment, "DISPLAY": display}, stdout=output, stderr=subprocess.STDOUT
            ) as window,
        ):
            try:
                _wait_for_window(window, display, log)
            finally:
                window.terminate()
                window.wait(30)
    print(f"{told.stdout.strip()} starts and shows its window")


def _wait_for_window(window: subprocess.Popen[bytes], display: str, log: Path) -> None:
    deadline = time.monotonic() + STARTUP_S
    while not any("Lineside" in title for title in window_titles(display)):
        if window.poll() is not None or time.monotonic() > deadline:
            state = "still runs" if window.poll() is None else f"ended with {window.returncode}"
            raise SystemExit(f"No window within {STARTUP_S:.0f} s; the program {state}:\n{log.read_text()}")
        time.sleep(0.2)


if __name__ == "__main__":
    smoke(Path(sys.argv[1]))
