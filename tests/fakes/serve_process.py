"""A real `lineside-edge serve` process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.processes import python_command


@dataclass
class ServeProcess:
    """What it said when it was ready, and the process."""

    facts: dict[str, Any]
    process: subprocess.Popen[str]
    complaints: Path
    """What it writes to stderr."""

    @property
    def url(self) -> str:
        return str(self.facts["http"])

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.rpartition(":")
        return host, int(port)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.terminate()
        return self.process.wait(60)


@contextmanager
def serve(folder: Path, *arguments: str | Path) -> Iterator[ServeProcess]:
    """A server on free ports, ready.

    :param folder: for what it writes to stderr.
    """
    command = [*python_command("edge_runtime"), "serve", *map(str, arguments), "--http", "127.0.0.1:0", "--json"]
    complaints = folder / "serve.err"
    with (
        complaints.open("w") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"it ended with {process.wait(60)}: {complaints.read_text()}"
            yield ServeProcess(json.loads(line), process, complaints)
        finally:
            if process.poll() is None:
                process.kill()


def serve_and_fail(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What becomes of a server that cannot start."""
    command = [sys.executable, "-m", "edge_runtime", "serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
