"""Bringing bundles to real boxes: never what they have, as patches, over cuts, from one box to the next."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from app.fleet.delivery import Base, deliver_bundle, needed_bytes
from app.fleet.pacing import RateCap
from app.fleet.patches import Patches
from edge_runtime.contracts.errors import BoxUnreachable
from edge_runtime.identity import Identity, create_identity
from tests.fakes.deliveries import Boxes, commit, silent, some_boxes, two_versions
from tests.fakes.link import Link
from tests.fakes.site import FakeSite


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def patches(tmp_path: Path) -> Patches:
    return Patches(tmp_path / "patches")


@pytest.fixture
def boxes(tmp_path: Path, site: FakeSite, desktop: Identity) -> Iterator[Boxes]:
    with some_boxes(tmp_path, desktop, site) as made:
        yield made


def test_only_what_changed_is_sent_and_what_a_slot_holds_never_again(
    boxes: Boxes, site: FakeSite, desktop: Identity, patches: Patches
) -> None:
    box = boxes.start()
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
    boxes: Boxes, site: FakeSite, desktop: Identity, patches: Patches
) -> None:
    box = boxes.start()
    old, new = two_versions(site)
    with box.client(desktop) as client:
        commit(client, box, site, old)
    patch = patches.between(old.file, old.sha256, new.file, new.sha256)
    assert patch is not None
    link = Link(box.port)
    try:
        with BoxClient(link.address, box.facts["certificate"], desktop) as client:
            for cuts in itertools.count():
                link.to_box = 100_000
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


class Clock:
    """Stands still but for whoever waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def test_several_deliveries_keep_to_one_cap(boxes: Boxes, site: FakeSite, desktop: Identity) -> None:
    release, _next = two_versions(site)
    clock, size = Clock(), release.file.stat().st_size
    shared = RateCap(200_000, now_s=clock, wait=clock.wait)
    for box in (boxes.start(), boxes.start()):
        with box.client(desktop) as client:
            own = RateCap(1_000_000, now_s=clock, wait=clock.wait)
            done = deliver_bundle(client, release.file, release.sha256, sent=silent, caps=[own, shared], now_s=clock)
            assert (done.way, done.sent) == ("whole", size)
    assert 2 * size / 200_000 - 1 <= clock.now_s <= 2 * size / 200_000
