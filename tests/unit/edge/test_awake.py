"""A process that was stopped blames nobody for the time in which nobody could do anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.awake import MOST_S, AwakeClock
from tests.unit.edge.rows import MODEL
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
AFTER_S = 2.0


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_only_what_passes_between_two_readings_that_are_close_counts(gaps: list[float]) -> None:
    now = 1000.0
    clock = AwakeClock(lambda: now)
    expected = 0.0
    for gap in gaps:
        before, now = now, now + gap
        expected += min(now - before, MOST_S)
        assert clock() == pytest.approx(expected)
    assert clock() == pytest.approx(expected), "no time has passed"


@pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
def test_a_process_that_was_stopped_blames_neither_model_nor_source(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.edge.paused_lines", str(tmp_path), str(AFTER_S)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            state = Path(f"/proc/{child.pid}/stat")
            wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", 60, "the child to stop itself")
            until = time.monotonic() + 2 * AFTER_S
            wait_until(lambda: time.monotonic() > until, 60, "a pause that is longer than anything may hang")
            child.send_signal(signal.SIGCONT)
            said, _ = child.communicate(timeout=60)
        finally:
            child.kill()
    assert said.splitlines() == [
        f"after the pause: {(None, (), False)}",
        f"at last: {(MODEL, ('model',), True)}",
    ]
