"""Real boxes that bundles are brought to, and bundles of which most stays the same from one version to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import AuditRow
from edge_runtime.identity import Identity
from tests.fakes import models, weights
from tests.fakes.box_process import CONFIG, BoxProcess, install, make_box, wait_for_slot
from tests.fakes.site import Delivery, FakeSite


def silent(_here: int, _all: int) -> None:
    """Nobody watches."""


@dataclass
class Boxes:
    """Makes boxes that trust ``desktop``."""

    folder: Path
    desktop: Identity
    site: FakeSite
    made: list[BoxProcess] = field(default_factory=list)

    def make(self, config: str = CONFIG) -> BoxProcess:
        """Another one; not started."""
        folder = self.folder / f"box-{len(self.made)}"
        folder.mkdir()
        self.made.append(make_box(folder, self.desktop, self.site, config))
        return self.made[-1]

    def start(self) -> BoxProcess:
        """Another one, which runs."""
        box = self.make()
        box.start()
        return box


@contextmanager
def some_boxes(folder: Path, desktop: Identity, site: FakeSite) -> Iterator[Boxes]:
    """Those that still run in the end are stopped."""
    boxes = Boxes(folder, desktop, site)
    try:
        yield boxes
    finally:
        for box in boxes.made:
            if box.process is not None:
                box.process.terminate()
                box.process.wait(60)


def two_versions(site: FakeSite, count: int = 2**20) -> tuple[Delivery, Delivery]:
    """Two releases of so many weights, of which each tenth was changed."""
    before = weights.int8_weights(count)
    one = site.release("1.0.0", model=weights.heavy_model(before))
    return one, site.release("1.0.1", model=weights.heavy_model(weights.scattered(before)))


def commit(client: BoxClient, box: BoxProcess, site: FakeSite, delivery: Delivery) -> None:
    """Install it, and let frames decide its trial."""
    version = delivery.manifest.version
    install(client, site, delivery)
    wait_for_slot(client, version, "TRIAL")
    for number in range(6):
        box.put_frame(f"{version}-{number}.png", models.frame(40 * number))
    wait_for_slot(client, version, "COMMITTED")


def audits(client: BoxClient, kind: str) -> list[str]:
    """What the box has noted of this kind."""
    return [row.message for row in client.page("audits", 0).rows if isinstance(row, AuditRow) and row.kind == kind]
