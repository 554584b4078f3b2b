"""Whatever hangs is ended: a test, what is tidied up after a failure, and a process that a thread keeps alive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HANGS = {
    "a wait": "def test_it():\n    threading.Event().wait()",
    "a call that never gives the interpreter back": "def test_it():\n    ctypes.PyDLL(None).pause()",
    "what is tidied up after a failure": (
        "@pytest.fixture\ndef held():\n    yield\n    threading.Event().wait()\n\ndef test_it(held):\n    assert False"
    ),
    "a thread that is left behind": "def test_it():\n    threading.Thread(target=threading.Event().wait).start()",
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pause(2)")
@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS)
def test_what_hangs_is_ended_and_says_where(tmp_path: Path, code: str) -> None:
    file = tmp_path / "test_hangs.py"
    file.write_text(f"import ctypes, threading\nimport pytest\n\n{code}\n")
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    times = ["-o", "timeout=1", "-o", "faulthandler_timeout=2"]
    done = subprocess.run([*command, *times, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout
    assert "in wait" in done.stdout + done.stderr or "in test_it" in done.stdout + done.stderr
    assert "Timeout" in done.stdout + done.stderr
