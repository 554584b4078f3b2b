"""Processes and their ends, with real ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_sync.bursts.hosts.process import AgentLock, ProcessId, identify, is_alive, read_note
from edge_runtime.contracts.errors import AlreadyExists
from tests.waiting import wait_until

SLEEP = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def test_a_process_is_known_by_its_start() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert is_alive(me)
    # The same number, given to another process later, is another process.
    assert not is_alive(replace(me, started="earlier"))


def test_an_ended_process_is_gone_also_before_its_status_is_read() -> None:
    with subprocess.Popen(SLEEP, stdin=subprocess.PIPE) as child:
        alive = identify(child.pid)
        assert alive is not None
        child.kill()
        wait_until(lambda: not is_alive(alive), 10, "the process to end")
        assert identify(child.pid) is None
    assert identify(child.pid) is None


@pytest.mark.skipif(shutil.which("/bin/ps") is None, reason="needs /bin/ps")
def test_without_proc_the_process_table_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with subprocess.Popen(SLEEP, stdin=subprocess.PIPE) as child:
        alive = identify(child.pid)
        assert alive is not None
        assert alive.started
        assert identify(child.pid) == alive
        child.kill()
        wait_until(lambda: not is_alive(alive), 10, "the process to end")


def test_one_lock_a_burst_and_the_system_takes_it_back(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from cloud_sync.bursts.hosts.process import AgentLock\n"
        "lock = AgentLock(pathlib.Path(sys.argv[1]), burst='b', attempt=4); sys.stdin.read()"
    )
    assert read_note(tmp_path) is None
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE) as child:
        try:
            note = wait_until(lambda: read_note(tmp_path), 20, "the other process to take the lock")
            assert (note.pid, note.burst, note.attempt) == (child.pid, "b", 4)
            assert is_alive(ProcessId(note.pid, note.started))
            with pytest.raises(AlreadyExists):
                AgentLock(tmp_path, burst="b", attempt=5)
        finally:
            os.kill(child.pid, signal.SIGKILL)
    assert not is_alive(ProcessId(note.pid, note.started))
    with AgentLock(tmp_path, burst="b", attempt=5):
        mine = read_note(tmp_path)
        assert mine is not None
        assert (mine.pid, mine.attempt) == (os.getpid(), 5)


def test_a_note_that_is_none_is_nobody(tmp_path: Path) -> None:
    for body in (b"", b"[]", b'{"pid": "1"}'):
        (tmp_path / "agent.json").write_bytes(body)
        assert read_note(tmp_path) is None


TIMER = """
import os, sys, time
from cloud_sync.bursts import deadline
deadline.STOP_GRACE_S, deadline._LAST_RESORT_S = 0.3, 0.3
def say(word):
    os.write(1, word.encode())
def overrun():
    say("overrun ")
    {overrun}
timer = deadline.DeadlineTimer({deadline_ms}, on_deadline=lambda: say("deadline "), on_overrun=overrun)
{work}
"""
FAR_MS = 4_000_000_000_000


def run_timer(*, deadline_ms: str, overrun: str, work: str) -> tuple[int, str]:
    script = TIMER.format(deadline_ms=deadline_ms, overrun=overrun, work=work)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_who_heeds_the_deadline_ends_by_itself() -> None:
    script = (
        "import threading; heard = threading.Event()\n"
        "from cloud_sync.bursts.deadline import DeadlineTimer\n"
        "timer = DeadlineTimer(0, on_deadline=heard.set, on_overrun=lambda: None)\n"
        "assert heard.wait(60); timer.disarm(); print(timer.left_s() < 0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")


def test_who_does_not_is_ended() -> None:
    assert run_timer(deadline_ms="0", overrun="os._exit(3)", work="while True: pass") == (3, "deadline overrun ")


def test_where_even_that_hangs_the_kernel_ends_it() -> None:
    code, said = run_timer(deadline_ms="0", overrun="time.sleep(3600)", work="time.sleep(3600)")
    assert (code, said) == (-signal.SIGALRM, "deadline overrun ")


def test_a_wrong_clock_gives_no_more_time_than_the_burst_has() -> None:
    """The wall clock stands long before the deadline; what the burst can last at most still ends it."""
    work = f"timer.tighten({FAR_MS}, 0.1)\nwhile True: pass"
    assert run_timer(deadline_ms=str(FAR_MS), overrun="os._exit(3)", work=work) == (3, "deadline overrun ")


def test_a_deadline_is_never_put_off() -> None:
    work = f"timer.tighten({FAR_MS}, 1e9)\nwhile True: pass"
    assert run_timer(deadline_ms="0", overrun="os._exit(3)", work=work)[0] == 3
