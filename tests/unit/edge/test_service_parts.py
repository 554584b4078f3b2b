"""The small parts of the daemon: trust folder, log ring, serial, requests, announcement."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import BoxRefused, InputInvalid, NotFound, TrustRefused
from edge_runtime.contracts.status import Announcement
from edge_runtime.identity import certificate_der, create_identity
from edge_runtime.service.announce import to_txt
from edge_runtime.service.api import waiting_time
from edge_runtime.service.http import Request, Routes, answer, parse_query
from edge_runtime.service.logs import RING_LINES, LogRing, start_logging, stop_logging
from edge_runtime.service.serial import Serial
from edge_runtime.service.trust import TrustStore
from edge_runtime.service.worker import MAX_QUEUED, Worker
from tests.fakes.site import FakeSite


def test_a_desktop_is_trusted_from_one_request_to_the_next_and_so_is_its_removal(tmp_path: Path) -> None:
    desktop = create_identity(tmp_path / "desktop", "laptop")
    trust = TrustStore(tmp_path)
    assert trust.pinned() == {}
    assert trust.add_desktop(desktop.certificate_pem) == desktop.fingerprint
    trust.add_desktop(desktop.certificate_pem)
    assert trust.pinned() == {desktop.fingerprint: certificate_der(desktop.certificate_pem)}
    (tmp_path / "trust" / "desktops" / f"{desktop.fingerprint}.pem").unlink()
    assert trust.pinned() == {}


def test_a_file_that_is_not_what_its_name_says_trusts_nobody(tmp_path: Path) -> None:
    desktop = create_identity(tmp_path / "desktop", "laptop")
    trust = TrustStore(tmp_path)
    folder = tmp_path / "trust" / "desktops"
    (folder / f"{'0' * 64}.pem").write_text(desktop.certificate_pem)
    (folder / "junk.pem").write_bytes(b"\xff\xfe")
    (folder / "huge.pem").write_text("x" * 10**6)
    (folder / "folder.pem").mkdir()
    (folder / "readme.txt").write_text(desktop.certificate_pem)
    assert trust.pinned() == {}


def test_the_root_is_set_once(tmp_path: Path) -> None:
    trust = TrustStore(tmp_path)
    root = FakeSite(tmp_path / "site").repository.root_bytes
    for bad in (b"", b"{}", b"[" * 100_000, root[:-20], root.replace(b'"root"', b'"rood"'), b"x" * (2**20 + 1)):
        with pytest.raises(InputInvalid):
            trust.set_root(bad)
    timestamp = (tmp_path / "site" / "repository" / "timestamp.json").read_bytes()
    with pytest.raises(InputInvalid):
        trust.set_root(timestamp)
    trust.set_root(root)
    trust.set_root(root)
    with pytest.raises(TrustRefused, match="another site"):
        trust.set_root(FakeSite(tmp_path / "other").repository.root_bytes)


def test_the_log_keeps_its_last_lines_and_one_entry_is_one_line(tmp_path: Path) -> None:
    ring = start_logging(tmp_path / "log")
    log = logging.getLogger("test.box")
    try:
        log.info("first\nforged \x1b[31m entry")
        lines, cursor = ring.after(0, 10)
        assert (len(lines), cursor) == (1, 1)
        assert lines[0].endswith("INFO test.box: first | forged \N{REPLACEMENT CHARACTER}[31m entry")
        for i in range(RING_LINES + 10):
            log.info("line %d", i)
        lines, cursor = ring.after(cursor, 3)
        assert [line.rpartition(" ")[2] for line in lines] == ["10", "11", "12"]
        lines, cursor = ring.after(cursor, 10_000)
        assert lines[-1].endswith(f"line {RING_LINES + 9}")
        assert ring.after(cursor, 10) == ([], cursor)
    finally:
        stop_logging()
    assert not any(isinstance(handler, LogRing) for handler in logging.getLogger().handlers)
    assert f"line {RING_LINES + 9}" in (tmp_path / "log" / "edge.log").read_text()


def test_whoever_waits_for_news_goes_on_with_the_next_change() -> None:
    serial = Serial()

    async def wait() -> None:
        before = serial.value
        threading.Timer(0.05, serial.bump).start()
        await serial.differs(before, 20)
        assert serial.value == before + 1
        await serial.differs(before, 20)
        await serial.differs(serial.value, 0.01)
        # A number from before a restart.
        await serial.differs(999, 20)
        serial.close()
        await serial.differs(serial.value, 20)

    asyncio.run(wait())


def test_requests_are_routed_by_method_and_whole_path() -> None:
    routes = Routes()
    routes.add("GET", "/v1/things/(?P<name>[a-z]+)", lambda request: answer(request.parts["name"]))
    route, parts = routes.find("GET", "/v1/things/abc")
    assert route.handler(Request("peer", parts, {}, b"")).body == b'"abc"'
    for method, path in (("PUT", "/v1/things/abc"), ("GET", "/v1/things/abc/x"), ("GET", "/v1/things/abc\n")):
        with pytest.raises(NotFound):
            routes.find(method, path)


def test_queries_are_checked() -> None:
    request = Request("peer", {}, parse_query(b"a=1&b=x&c=-1&d=99999999999999999999&a=2"), b"")
    assert (request.number("a"), request.number("e", 7)) == (2, 7)
    for name in ("b", "c", "d", "e"):
        with pytest.raises(InputInvalid, match=name):
            request.number(name)
    for raw in (b"a=1&" * 30, b"\xff", b"a=%ff"):
        with pytest.raises(InputInvalid):
            parse_query(raw)
    assert waiting_time("1e9") == 60.0
    for text in ("nan", "-1", "soon"):
        with pytest.raises(InputInvalid):
            waiting_time(text)


def test_slow_work_waits_its_turn_and_not_without_end() -> None:
    worker, go_on = Worker("test"), threading.Event()
    first = worker.submit(lambda: go_on.wait(60))
    futures = [worker.submit(partial(int, i)) for i in range(MAX_QUEUED - 1)]
    with pytest.raises(BoxRefused, match="busy"):
        futures.extend(worker.submit(partial(int, i)) for i in range(MAX_QUEUED - 1, MAX_QUEUED + 2))
    go_on.set()
    assert first.result(60)
    assert [future.result(60) for future in futures] == list(range(len(futures)))
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 // 0).result(60)


def test_an_announcement_fits_into_txt_items() -> None:
    assert "pair" not in to_txt(Announcement(box="ab" * 32, name="x", host="127.0.0.1", port=7443, enrolled=True))
    assert to_txt(Announcement(box="ab" * 32, name="x", host="127.0.0.1", port=7443, pair=7444))["pair"] == "7444"
    items = to_txt(Announcement(box="ab" * 32, name="箱" * 200, host="127.0.0.1", port=7443, enrolled=True))
    assert items["enrolled"] == "1"
    assert all(len(f"{key}={value}".encode()) <= 255 for key, value in items.items())


def test_a_missing_network_holds_nothing_up() -> None:
    # 192.0.2.1 is nobody's address, so it cannot be bound; in a process of its own, for zeroconf leaves a socket open.
    script = """
import logging, threading
from edge_runtime.contracts.status import Announcement
from edge_runtime.service.announce import Announcer
class Told(logging.StreamHandler):
    def emit(self, record):
        super().emit(record)
        told.set()
told = threading.Event()
logging.getLogger().addHandler(Told())
announcer = Announcer(Announcement(box="ab" * 32, name="x", host="192.0.2.1", port=1))
told.wait(60)
announcer.ask_to_stop()
announcer.close(20)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "the box cannot be announced now" in done.stderr
