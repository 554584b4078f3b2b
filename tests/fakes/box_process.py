"""A real `lineside-edge run` process in a home of its own, and what a test does with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from app.fleet.client import BoxClient
from edge_runtime.contracts.status import BoxStatus, SlotState
from edge_runtime.identity import Identity
from tests.fakes.edge_toml import named
from tests.fakes.site import Delivery, FakeSite
from tests.waiting import wait_until

EDGE = [sys.executable, "-m", "edge_runtime"]
CONFIG = (
    named("line-2")
    + """\
keep_random = 1.0
[update]
trial_frames = 5
trial_seconds = 60.0
"""
)


def edge(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EDGE, *arguments], capture_output=True, text=True, timeout=60, check=False)


@dataclass
class BoxProcess:
    """A box's home and the process that runs in it."""

    home: Path
    frames: Path
    facts: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Begin, and wait for nothing."""
        self.process = subprocess.Popen([*EDGE, "run", "--home", str(self.home)])

    def start(self) -> None:
        self.run()
        wait_until(self._address.exists, 30, "the box's address file")

    @property
    def _address(self) -> Path:
        return self.home / "run" / "address.json"

    @property
    def port(self) -> int:
        facts = json.loads(self._address.read_text())
        assert self.process is not None
        assert facts["pid"] == self.process.pid
        return int(facts["port"])

    def client(self, desktop: Identity) -> BoxClient:
        return BoxClient(f"127.0.0.1:{self.port}", self.facts["certificate"], desktop)

    def spooled(self, desktop: Identity, serial: int) -> int:
        """Samples that wait, once the box has news since ``serial``."""
        with self.client(desktop) as client:
            return client.status(since=serial, wait_s=5).spool.samples

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        status = self.process.wait(60)
        self.process = None
        return status

    def end(self) -> None:
        """Whatever it is doing, it does not run afterwards."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def put_frame(self, name: str, body: bytes) -> None:
        part = self.frames / f"{name}.part"
        part.write_bytes(body)
        part.rename(self.frames / name)


def trust(box: BoxProcess, desktop: Identity, site: FakeSite) -> subprocess.CompletedProcess[str]:
    root = site.folder / "root.json"
    root.write_bytes(site.repository.root_bytes)
    return edge("trust", "--home", str(box.home), "--desktop", str(desktop.certificate_path), "--root", str(root))


def install(client: BoxClient, site: FakeSite, delivery: Delivery) -> None:
    client.deliver(delivery.file, delivery.sha256, sent=lambda _here, _all: None)
    for path in site.repository.metadata_files():
        client.put_metadata(path.name, path.read_bytes())
    client.install(delivery.target)


def wait_for_slot(client: BoxClient, version: str, state: SlotState) -> BoxStatus:
    def reached() -> BoxStatus | None:
        status = client.status()
        return status if any(slot.version == version and slot.state == state for slot in status.slots) else None

    return wait_until(reached, 30, f"{version} to be {state}")


def make_box(folder: Path, desktop: Identity, site: FakeSite, config: str = CONFIG) -> BoxProcess:
    """A box in ``folder`` that trusts ``desktop`` and watches ``folder/frames``; not started."""
    home, frames = folder / "box", folder / "frames"
    frames.mkdir()
    made = edge("init", "--home", str(home), "--name", "line-2", "--json")
    assert made.returncode == 0, made.stderr
    (home / "edge.toml").write_text(config.format(frames=frames))
    box = BoxProcess(home, frames, json.loads(made.stdout))
    assert trust(box, desktop, site).returncode == 0
    return box
