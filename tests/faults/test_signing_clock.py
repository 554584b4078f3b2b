"""The real command under a clock that is far ahead: nothing is signed until a person says that the date is right."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.context import open_context
from app.usecases import activity, sites
from edge_runtime.contracts.errors import ClockDoubtful
from edge_runtime.processes import python_command
from tests.fakes.wall_clock import Clock, needs_compiler

DAY_S = 86_400


def lineside(clock: Clock, home: Path, verb: str) -> Any:
    command = python_command("app", "site", verb, "--home", str(home), "--json")
    done = subprocess.run(command, env=clock.environment, capture_output=True, text=True, timeout=120, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else json.loads(done.stdout or done.stderr)["error"]["code"]


@needs_compiler
def test_a_date_far_ahead_is_asked_about_and_one_that_was_wrong_is_healed_by_new_keys(
    tmp_path: Path, shim: Path
) -> None:
    home, clock = tmp_path / "home", Clock(tmp_path, shim)
    sites.create_site(home, "Plant", "correct horse").close()
    assert lineside(clock, home, "desktops")["date_doubt"] is None
    clock.leap_s(200 * DAY_S)
    assert "200 days after" in lineside(clock, home, "desktops")["date_doubt"]
    clock.leap_s(20 * 366 * DAY_S)
    assert lineside(clock, home, "confirm-date") == "clock.doubtful", "the root has expired by then"
    clock.leap_s(200 * DAY_S)
    assert lineside(clock, home, "confirm-date")["date_doubt"] is None
    with open_context(home) as ctx:
        assert activity.page_activity(ctx, limit=1).rows[0].what == "trust.date-confirmed"
        with pytest.raises(ClockDoubtful, match="signed as of"):
            ctx.repository().require_date()
