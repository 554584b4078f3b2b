"""A box that has committed a model, made once: every test gets a copy of its home."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from edge_runtime.contracts.rows import STREAMS, Stream
from edge_runtime.identity import Identity, create_identity
from tests.fakes import models, wall_clock
from tests.fakes.box_process import BoxProcess, install, make_box, wait_for_slot
from tests.fakes.site import FakeSite
from tests.fakes.small_disk import SmallDisk
from tests.waiting import wait_until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Python's own ssl forgets a socket whose peer dies between the connection and the handshake; here peers die."""
    ignored = "ignore:unclosed <ssl.SSLSocket", "ignore:Exception ignored in. <ssl.SSLSocket"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(*ignored))


@dataclass(frozen=True)
class Committed:
    """A stopped box with a model and an empty spool, and the desktop that it trusts."""

    home: Path
    facts: dict[str, str]
    desktop: Identity
    site: FakeSite

    def copy(self, home: Path, frames: Path, config: str) -> BoxProcess:
        """Another one at ``home``, not started, that watches ``frames``."""
        shutil.copytree(self.home, home)
        frames.mkdir(exist_ok=True)
        (home / "edge.toml").write_text(config.format(frames=frames))
        return BoxProcess(home, frames, self.facts)


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Committed]:
    folder = tmp_path_factory.mktemp("committed")
    site, desktop = FakeSite(folder / "site"), create_identity(folder / "desktop", "laptop")
    box = make_box(folder, desktop, site)
    box.start()
    try:
        with box.client(desktop) as client:
            install(client, site, site.release("1.0.0"))
            wait_for_slot(client, "1.0.0", "TRIAL")
            for number in range(6):
                box.put_frame(f"first-{number}.png", models.frame(number))
            wait_for_slot(client, "1.0.0", "COMMITTED")

            def is_answered(stream: Stream) -> bool:
                return len(client.page(stream, 0).rows) == 6

            wait_until(partial(is_answered, "results"), 10, "the first answers")
            wait_until(partial(is_answered, "samples"), 10, "their samples")
            for stream in STREAMS:
                client.acknowledge(stream, client.page(stream, 0, 5000).cursor)
        assert box.stop() == 0
        yield Committed(box.home, box.facts, desktop, site)
    finally:
        box.end()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What gives a process a wall clock of its own."""
    return wall_clock.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def desktop(committed: Committed) -> Identity:
    """The one that the committed box trusts."""
    return committed.desktop


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """One that a test can fill."""
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.close()
