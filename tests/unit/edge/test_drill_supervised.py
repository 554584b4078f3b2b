"""Whether a box that is killed would be started again."""

from __future__ import annotations

import fcntl
from pathlib import Path

from edge_runtime.drills.supervised import is_supervised

SYSTEMD = {"INVOCATION_ID": "0123", "NOTIFY_SOCKET": "/run/systemd/notify", "SYSTEMD_EXEC_PID": "42"}


def test_systemd_started_this_very_process(tmp_path: Path) -> None:
    assert is_supervised(tmp_path, SYSTEMD, 42)
    assert not is_supervised(tmp_path, SYSTEMD, 43), "it started another one, which passed its environment on"
    assert not is_supervised(tmp_path, {"INVOCATION_ID": "0123"}, 42), "a terminal of somebody's session"
    assert not is_supervised(tmp_path, {}, 42)


def test_the_supervisor_holds_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "supervise.lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        assert not is_supervised(tmp_path, {}, 42), "one that was there once"
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_supervised(tmp_path, {}, 42)
    assert not is_supervised(tmp_path, {}, 42)
