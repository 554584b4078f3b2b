"""Bringing bundles to real boxes: never what they have, as patches, over cuts, from one box to the next."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from app.fleet.delivery import Base, deliver_bundle, needed_bytes
from app.fleet.patches import Patches
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable
from edge_runtime.contracts.rows import AuditRow
from edge_runtime.identity import Identity, create_identity
from tests.fakes import models, weights
from tests.fakes.box_process import BoxProcess, install, make_box, wait_for_slot
from tests.fakes.link import Link
from tests.fakes.site import Delivery, FakeSite

COUNT = 2**20


def silent(_here: int, _all: int) -> None:
    """Nobody watches."""


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path / "site")


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def patches(tmp_path: Path) -> Patches:
    return Patches(tmp_path / "patches")


@pytest.fixture
def make(tmp_path: Path, site: FakeSite, desktop: Identity) -> Iterator[Callable[[], BoxProcess]]:
    """Starts boxes; those that still run in the end are stopped."""
    made: list[BoxProcess] = []

    def start() -> BoxProcess:
        folder = tmp_path / f"box-{len(made)}"
        folder.mkdir()
        box = make_box(folder, desktop, site)
        made.append(box)
        box.start()
        return box

    yield start
    for box in made:
        if box.process is not None:
            assert box.stop() == 0


def two_versions(site: FakeSite) -> tuple[Delivery, Delivery]:
    before = weights.int8_weights(COUNT)
    one = site.release("1.0.0", model=weights.heavy_model(before))
    return one, site.release("1.0.1", model=weights.heavy_model(weights.scattered(before)))


def commit(client: BoxClient, box: BoxProcess, site: FakeSite, delivery: Delivery) -> None:
    install(client, site, delivery)
    wait_for_slot(client, delivery.manifest.version, "TRIAL")
    for number in range(6):
        box.put_frame(f"{delivery.manifest.version}-{number}.png", models.frame(40 * number))
    wait_for_slot(client, delivery.manifest.version, "COMMITTED")


def audits(client: BoxClient, kind: str) -> list[str]:
    return [row.message for row in client.page("audits", 0).rows if isinstance(row, AuditRow) and row.kind == kind]


def test_only_what_changed_is_sent_and_what_a_slot_holds_never_again(
    make: Callable[[], BoxProcess], site: FakeSite, desktop: Identity, patches: Patches
) -> None:
    box = make()
    old, new = two_versions(site)
    size = new.file.stat().st_size
    bases = [Base(new.file, "0" * 64), Base(old.file, old.sha256)]
    with box.client(desktop) as client:
        needed = needed_bytes(client, new.file, new.sha256, bases=bases, patches=patches)
        assert (needed.way, needed.sent, needed.disk) == ("whole", size, 2 * size)
        commit(client, box, site, old)
        needed = needed_bytes(client, new.file, new.sha256, bases=bases, patches=patches)
        told: list[tuple[int, int]] = []
        done = deliver_bundle(
            client, new.file, new.sha256, sent=lambda *at: told.append(at), bases=bases, patches=patches
        )
        assert (done.way, done.detours) == ("patch", ())
        assert done.sent == needed.sent <= 0.2 * size
        assert told[-1] == (size, size)
        assert all(before <= after for (before, _), (after, _) in itertools.pairwise(told))
        commit(client, box, site, new)
        for known in (old, new):
            assert not list((box.home / "inbox" / "objects").iterdir()), "both lie in the slots alone"
            assert needed_bytes(client, known.file, known.sha256).way == "there"
            again = deliver_bundle(client, known.file, known.sha256, sent=silent)
            assert (again.way, again.sent) == ("there", 0)
        # The sandbox, too, takes it from where it is.
        assert client.probe(old.sha256).passed


def test_a_cut_in_the_middle_of_a_patch_costs_little(
    make: Callable[[], BoxProcess], site: FakeSite, desktop: Identity, patches: Patches
) -> None:
    box = make()
    old, new = two_versions(site)
    with box.client(desktop) as client:
        commit(client, box, site, old)
    patch = patches.between(old.file, old.sha256, new.file, new.sha256)
    assert patch is not None
    link = Link(box.port)
    try:
        with BoxClient(link.address, box.facts["certificate"], desktop) as client:
            for cuts in itertools.count():
                link.left = 100_000
                try:
                    done = deliver_bundle(
                        client,
                        new.file,
                        new.sha256,
                        sent=silent,
                        bases=[Base(old.file, old.sha256)],
                        patches=patches,
                    )
                    break
                except BoxUnreachable:
                    assert cuts < 20
            assert cuts > 0
            assert done.way == "patch"
            assert client.object_state(new.sha256, new.file.stat().st_size).complete
    finally:
        link.close()
