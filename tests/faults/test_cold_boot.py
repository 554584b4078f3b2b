"""A box that boots with no network at all: not even a loopback. It infers, and is found once a cable is plugged in."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import ResultRow
from edge_runtime.identity import create_identity
from tests.fakes import models
from tests.fakes.box_process import CONFIG, EDGE, BoxProcess, install, make_box, wait_for_slot
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

ALONE = CONFIG.replace("127.0.0.1:0", "0.0.0.0:7443").replace("announce = false", "announce = true")
BROWSE = """\
import sys, threading
from zeroconf import ServiceBrowser, Zeroconf
found = threading.Event()
def changed(zeroconf, service_type, name, state_change):
    info = zeroconf.get_service_info(service_type, name)
    if info and info.properties[b"box"].decode() == sys.argv[1] and sys.argv[2] in info.parsed_addresses():
        found.set()
with Zeroconf() as zeroconf:
    ServiceBrowser(zeroconf, "_lineside._tcp.local.", handlers=[changed])
    sys.exit(0 if found.wait(60) else 1)
"""

pytestmark = [
    pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not (shutil.which("unshare") and shutil.which("ip")), reason="needs unshare and iproute2"),
]


def spooled(home: Path) -> list[ResultRow]:
    with closing(sqlite3.connect(f"file:{home / 'spool.db'}?mode=ro", uri=True)) as database:
        return [wire.decode(body, ResultRow) for (body,) in database.execute("SELECT body FROM results ORDER BY id")]


def commit_a_model(box: BoxProcess, site: FakeSite, desktop_folder: Path) -> None:
    desktop = create_identity(desktop_folder, "laptop")
    box.start()
    with box.client(desktop) as client:
        install(client, site, site.release("1.0.0"))
        wait_for_slot(client, "1.0.0", "TRIAL")
        for number in range(6):
            box.put_frame(f"before-{number}.png", models.frame(number))
        wait_for_slot(client, "1.0.0", "COMMITTED")
    assert box.stop() == 0


def test_a_box_that_boots_without_a_network_infers_and_is_found_when_there_is_one(tmp_path: Path) -> None:
    site, desktop = FakeSite(tmp_path / "site"), create_identity(tmp_path / "desktop", "laptop")
    box = make_box(tmp_path, desktop, site)
    commit_a_model(box, site, tmp_path / "desktop")
    (box.home / "edge.toml").write_text(ALONE.format(frames=box.frames))
    process = subprocess.Popen(["unshare", "--net", *EDGE, "run", "--home", str(box.home)])
    box.process = process
    inside = ["nsenter", "--target", str(process.pid), "--net"]
    try:
        wait_until((box.home / "run" / "address.json").exists, 30, "the box to be up")
        box.put_frame("alone.png", models.frame(250))
        wait_until(lambda: spooled(box.home)[-1].frame == "alone.png", 10, "the answer")
        assert spooled(box.home)[-1].label == "bright"

        for command in (
            "ip link set lo up",
            "ip link add cable type veth peer name switch",
            "ip address add 10.77.0.2/24 dev cable",
            "ip link set switch up",
            "ip link set cable up multicast on",
        ):
            subprocess.run([*inside, *command.split()], check=True)
        browse = [*inside, sys.executable, "-c", BROWSE, box.facts["box"], "10.77.0.2"]
        subprocess.run(browse, timeout=120, check=True)
        assert box.stop() == 0
    finally:
        process.kill()
        process.wait()
