"""What systemd hears, over a real datagram socket: truth, and pings only while every line goes round."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.service.watchdog import MAX_STATUS, Pulse, Told, Watchdog, next_message

READY = Pulse(ready=True, status="2 lines")
pulses = st.builds(
    Pulse,
    ready=st.booleans(),
    stopping=st.booleans(),
    stalled=st.sampled_from([(), ("camera",), ("camera", "press")]),
    status=st.text(max_size=300),
)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="systemd is Linux's")


class Systemd:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # The address of a socket has at most 107 bytes.
    monkeypatch.chdir(tmp_path)
    return "notify"


@pytest.fixture
def systemd(path: str) -> Iterator[Systemd]:
    systemd = Systemd(path)
    yield systemd
    systemd.close()


def watchdog(address: str, **more: str) -> Watchdog:
    return Watchdog({"NOTIFY_SOCKET": address, **more}, os.getpid())


def test_a_life_as_systemd_hears_it(systemd: Systemd, path: str, caplog: pytest.LogCaptureFixture) -> None:
    dog = watchdog(path, WATCHDOG_USEC="40000000", WATCHDOG_PID=str(os.getpid()))
    assert dog.limit_s == 40
    dog.tell(Pulse(), 0.0)
    assert systemd.heard() == []
    dog.tell(READY, 1.0)
    assert systemd.heard() == ["READY=1", "STATUS=2 lines", "WATCHDOG=1"]
    dog.tell(READY, 10.9)
    assert systemd.heard() == []
    dog.tell(READY, 11.0)
    assert systemd.heard() == ["WATCHDOG=1"]
    for now in (25.0, 30.0):
        dog.tell(Pulse(ready=True, stalled=("camera",), status="2 lines"), now)
    assert systemd.heard() == ["STATUS=stalled: camera"]
    assert caplog.text.count("no sign of life from camera") == 1
    dog.tell(READY, 31.0)
    assert systemd.heard() == ["STATUS=2 lines", "WATCHDOG=1"]
    dog.tell(Pulse(ready=True, stopping=True, status="2 lines"), 90.0)
    assert systemd.heard() == ["STOPPING=1"]


def test_an_abstract_address_is_understood() -> None:
    name = f"lineside-{uuid.uuid4().hex}"
    systemd = Systemd(f"\0{name}")
    watchdog(f"@{name}").tell(READY, 0.0)
    assert systemd.heard() == ["READY=1", "STATUS=2 lines"]
    systemd.close()


def test_what_could_not_be_said_is_said_again(path: str) -> None:
    dog = watchdog(path)
    dog.tell(READY, 0.0)
    systemd = Systemd(path)
    dog.tell(READY, 1.0)
    assert systemd.heard() == ["READY=1", "STATUS=2 lines"]
    systemd.close()


def test_without_systemd_a_line_that_hangs_is_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    dog = Watchdog({}, os.getpid())
    assert dog.limit_s is None
    for now in (0.0, 1.0):
        dog.tell(Pulse(ready=True, stalled=("camera",)), now)
    assert caplog.text.count("no sign of life from camera") == 1


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-1"},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"},
    ],
)
def test_a_watchdog_that_is_not_meant_for_this_process_is_not_fed(
    systemd: Systemd, path: str, environment: dict[str, str]
) -> None:
    dog = watchdog(path, **environment)
    assert dog.limit_s is None
    dog.tell(READY, 0.0)
    dog.tell(READY, 1000.0)
    assert systemd.heard() == ["READY=1", "STATUS=2 lines"]


@given(st.lists(st.tuples(pulses, st.floats(0, 20)), max_size=20))
def test_no_ping_while_a_line_stalls_and_each_turn_of_life_once(steps: list[tuple[Pulse, float]]) -> None:
    told, now, last_ping = Told(), 0.0, float("-inf")
    for pulse, pause in steps:
        now += pause
        message, told = next_message(pulse, told, now_s=now, ping_every_s=5.0)
        lines = message.split("\n") if message else []
        assert len({line.partition("=")[0] for line in lines}) == len(lines)
        assert all(line.isprintable() and len(line) <= MAX_STATUS + len("STATUS=") for line in lines)
        if "WATCHDOG=1" in lines:
            assert pulse.ready and not pulse.stalled and not pulse.stopping
            assert now - last_ping >= 5.0
            last_ping = now
        elif pulse.ready and not pulse.stalled and not pulse.stopping:
            assert now - last_ping < 5.0, "a healthy box keeps its ping back"
    again, _ = next_message(told.pulse, told, now_s=now, ping_every_s=5.0)
    assert again == "", "nothing is said twice"
