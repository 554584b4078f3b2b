"""The systemd unit of a box: it starts what exists, it is never given up, and the box can bear its locks."""

from __future__ import annotations

import ctypes
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.__main__ import build_parser
from tests.fakes import models
from tests.fakes.box_process import CONFIG, EDGE
from tests.faults.conftest import Committed
from tests.waiting import wait_until

UNIT = Path(__file__).resolve().parents[2] / "packaging" / "edge" / "lineside-edge.service"
CLOCK = UNIT.with_name("lineside-edge-clock.conf")
MOST_EXPOSURE = 2.0
PR_SET_MDWE, PR_GET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 66, 1
LOCKED_IN = f"""\
import ctypes, os, sys
kernel = ctypes.CDLL(None)
for call in (({PR_SET_MDWE}, {PR_MDWE_REFUSE_EXEC_GAIN}), (38, 1)):  # 38: no new privileges
    if kernel.prctl(*call, 0, 0, 0):
        sys.exit("the kernel cannot do this")
os.execv(sys.argv[1], sys.argv[1:])
"""


def settings(path: Path = UNIT) -> dict[str, list[str]]:
    """Every key of the unit with its values in order; a name stands in one section only."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found.setdefault(key, []).append(value)
    return found


def test_what_it_starts_is_what_the_program_understands() -> None:
    unit = settings()
    (command,) = unit["ExecStart"]
    program, *arguments = shlex.split(command)
    assert Path(program).name == "lineside-edge"
    options = build_parser(arguments[0]).parse_args(arguments)
    assert options.command == "launch"
    # An imaged box has no key yet.
    (before,) = unit["ExecStartPre"]
    assert shlex.split(before) == [program, "init", "--home", str(options.home)]
    # The one place that it may write to.
    assert options.home == Path("/var/lib") / unit["StateDirectory"][0]
    assert unit["ProtectSystem"] == ["strict"]


def test_it_is_not_root_and_systemd_waits_for_its_word() -> None:
    unit = settings()
    assert unit.get("DynamicUser") == ["yes"] or unit["User"][0] not in ("root", "0", "")
    assert unit["Type"] == ["notify"]
    assert float(unit["WatchdogSec"][0]) > 0


def test_a_box_is_never_given_up() -> None:
    unit = settings()
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"], "after some failures systemd would leave it down"
    assert float(unit["RestartSec"][0]) >= 1
    # systemd counts restarts for as long as the unit is started: in the end each of them waits for the longest time.
    assert float(unit["RestartMaxDelaySec"][0]) <= 20, "a line would stand still for so long"
    # `systemctl status` shows it to whoever looks for help; there is no page of the box's own on it.
    assert "Documentation" not in unit


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_it_may_do_next_to_nothing() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(UNIT)], capture_output=True, text=True, timeout=60
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze looks at running units only")
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= MOST_EXPOSURE


def test_it_has_no_right_of_roots_and_the_drop_in_gives_the_one_to_set_the_clock() -> None:
    unit, clock = settings(), settings(CLOCK)
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]
    assert unit["ProtectClock"] == ["yes"]
    assert clock == {
        "CapabilityBoundingSet": ["CAP_SYS_TIME"],
        "AmbientCapabilities": ["CAP_SYS_TIME"],
        "ProtectClock": ["no"],
        "SystemCallFilter": ["clock_settime"],
    }
    # Nor the hardware's clock.
    assert not any("rtc" in device for device in unit["DeviceAllow"])


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0,
    reason="needs Linux 6.3, which can refuse memory that is writable and executable",
)
def test_a_box_bears_memory_that_is_never_writable_and_executable(tmp_path: Path, committed: Committed) -> None:
    config = CONFIG.replace("announce = false", "announce = true").replace('http = ""', 'http = "127.0.0.1:0"')
    box = committed.copy(tmp_path / "box", tmp_path / "frames", config)
    command = [sys.executable, "-c", LOCKED_IN, *EDGE, "run", "--home", str(box.home)]
    box.process = subprocess.Popen(command)
    try:
        wait_until((box.home / "run" / "address.json").exists, 30, "the box's address file")
        # The probe's child and the TUF client have to bear it, too.
        delivery = committed.site.release("4.0.0")
        with box.client(committed.desktop) as client:
            client.deliver(delivery.file, delivery.sha256, sent=lambda _here, _all: None)
            assert client.probe(delivery.sha256).passed
            box.put_frame("frame.png", models.frame(250))
            wait_until(lambda: client.page("results", 0).rows, 10, "the answer")
        assert box.stop() == 0
    finally:
        box.end()
