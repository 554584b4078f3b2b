"""Start a built Lineside once on a display of its own and see its main window."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STARTUP_S = 60.0
SITE = "Smoke"
"""Stands in the title of the main window, and of no other."""


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


def shows(display: str, word: str) -> bool:
    """Whether a window with ``word`` in its title can be seen."""
    query = ["xwininfo", "-display", display]
    tree = subprocess.run([*query, "-root", "-tree"], capture_output=True, text=True, check=True).stdout
    for window, title in re.findall(r'^\s+(0x[0-9a-f]+) "(.*?)"', tree, re.MULTILINE):
        state = subprocess.run([*query, "-id", window, "-stats"], capture_output=True, text=True, check=False).stdout
        if word in title and "IsViewable" in state:
            return True
    return False


def smoke(program: Path) -> None:
    """Version, helper, a new site, and its window; SystemExit with the program's output where one fails."""
    with tempfile.TemporaryDirectory() as name, virtual_display() as display:
        home = Path(name)
        # A bare environment: nothing of the machine that built it may be needed.
        environment = {"HOME": name, "LINESIDE_HOME": f"{name}/site", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        version = run([program, "--version"], environment)
        run([program, "--run-module", "edge_runtime", "init", "--home", home / "box"], environment)
        (home / "passphrase").write_text("only for this start\n")
        run([program, "site", "create", SITE, "--passphrase-file", home / "passphrase"], environment)
        log = home / "log"
        with log.open("w") as output:
            environment["DISPLAY"] = display
            with subprocess.Popen([program], env=environment, stdout=output, stderr=subprocess.STDOUT) as window:
                try:
                    wait_for_window(window, display, log)
                finally:
                    window.terminate()
                    window.wait(30)
        print(f"{version.strip()} starts and shows its window")


def run(command: Sequence[str | Path], environment: dict[str, str]) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join(str(part) for part in command[1:])
        raise SystemExit(f"`lineside {words}` failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for_window(window: subprocess.Popen[bytes], display: str, log: Path) -> None:
    """Wait until the main window can be seen."""
    deadline = time.monotonic() + STARTUP_S
    while not shows(display, SITE):
        if window.poll() is not None:
            raise SystemExit(f"The window did not open; the program ended with {window.returncode}:\n{log.read_text()}")
        if time.monotonic() > deadline:
            raise SystemExit(f"No window within {STARTUP_S:.0f} s:\n{log.read_text()}")
        time.sleep(0.2)


if __name__ == "__main__":
    smoke(Path(sys.argv[1]))
