"""A box has no room for what only a desktop needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

DESKTOP_ONLY = ("PySide6", "torch", "boto3", "paramiko", "onnx", "obstore", "sqlite_utils")


@pytest.mark.parametrize("module", ["edge_runtime.service", "edge_runtime.service.daemon", "edge_runtime.__main__"])
def test_the_box_loads_nothing_of_the_desktop(module: str) -> None:
    script = f"import sys, {module}; print([name for name in {DESKTOP_ONLY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"


def test_who_serves_a_model_waits_for_nothing_that_only_a_trusted_box_needs() -> None:
    script = "import sys; from edge_runtime.__main__ import main; main(['serve', 'none.onnx']); print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    loaded = set(answer.stdout.split())
    assert "edge_runtime.commands.serve" in loaded
    assert not loaded & {"cryptography", "edge_runtime.enrolment", "edge_runtime.service", "sqlite3", "cv2"}
