"""Ctrl+C while a command of the box is at its start or at work: a plain word, 130, and nobody left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import models
from tests.waiting import is_gone, wait_until

INTERRUPTED = """
import os, signal, sys
from edge_runtime.__main__ import program

module = sys.argv.pop(1)

class Pressed:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
program()
"""


@pytest.mark.parametrize(
    ("command", "module"), [("serve", "edge_runtime.commands.serve"), ("bench", "numpy"), ("pipeline", "numpy")]
)
def test_while_its_modules_are_imported(command: str, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module, command, "m.onnx"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr.startswith("Cancelled: It was stopped by hand.\n")
    assert done.stderr.endswith("[task.cancelled]\n")


def busy_s(process: str) -> float:
    """Seconds of a processor's time that it has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks into /proc")
def test_while_a_model_is_measured(tmp_path: Path) -> None:
    model = tmp_path / "endless.onnx"
    model.write_bytes(models.endless_model())
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", "bench", str(model), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        [child] = wait_until(lambda: children.read_text().split(), 60, "the process in which it is measured")
        wait_until(lambda: busy_s(child) > 1, 60, "that process to be at work")
        process.send_signal(signal.SIGINT)
        out, complaints = process.communicate(timeout=60)
        assert (process.returncode, complaints) == (130, "")
        assert json.loads(out)["error"]["code"] == "task.cancelled"
        wait_until(lambda: is_gone(int(child)), 60, "that process to be gone")
    finally:
        process.kill()
        process.communicate()
