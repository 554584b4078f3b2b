"""An installer of the box that loses its power, or its disk's last byte, at a chosen step; it needs nothing but Python.

Arguments: the installer, the step, ``kill`` or a file that then fills the disk, and the installer's own arguments.
Steps are counted as Python tells them to an audit hook: whatever makes, opens for writing, renames or removes
something, or starts a process. Step 0 never comes; how many there were is then the last line of stderr.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from typing import Any

CHANGES = {"os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "subprocess.Popen"}


class Steps:
    def __init__(self, fatal: int, how: str) -> None:
        self.seen = 0
        self._fatal = fatal
        self._how = how

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not writes and event not in CHANGES:
            return
        self.seen += 1
        if self.seen == self._fatal:
            if self._how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            fill(self._how)


def fill(path: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    size = 65536
    while size:
        try:
            os.write(handle, b"\0" * size)
        except OSError:
            size //= 2
    os.close(handle)


def main() -> None:
    installer, step, how, *arguments = sys.argv[1:]
    steps = Steps(int(step), how)
    sys.argv = [installer, *arguments]
    sys.addaudithook(steps.hook)
    try:
        runpy.run_path(installer, run_name="__main__")
    finally:
        if int(step) == 0:
            sys.stderr.write(f"{steps.seen}\n")


main()
