"""Three desktops change the keys while apart, and a box hears of each: whom one of them struck off stays out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.fleet.client import BoxClient
from app.store.records import Box
from app.usecases import boxes, introducing, sync, trust
from edge_runtime.contracts.errors import BoxRefused, TrustRefused
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.running_box import RunningBox

NAMES = ("one", "two", "three")


@dataclass
class Apart:
    """Three desktops that have the same root, and three boxes that all of them look after."""

    desktops: list[Context]
    lost: dict[str, Context]
    """Three more desktops, which somebody has lost, by name."""
    root_key: Path

    def strike_off(self, desktop: Context, name: str) -> None:
        trust.strike_off(desktop, name, root_key=self.root_key, passphrase=PASSPHRASE)

    def part(self) -> None:
        """Each desktop strikes another one off, and one box hears of it."""
        for desktop, lost, box in zip(self.desktops, self.lost, NAMES, strict=True):
            self.strike_off(desktop, lost)
            assert self.problem(desktop, box) is None

    def introduce(self, desktop: Context, *names: str) -> dict[str, str]:
        return introducing.introduce_all(
            desktop, list(names), root_key=self.root_key, passphrase=PASSPHRASE, told=lambda _box, _why: None
        )

    def problem(self, desktop: Context, box: str) -> str | None:
        return boxes.refresh(desktop, box)[0].problem

    def listed(self, desktop: Context) -> list[str]:
        return sorted(row.name for row in trust.get_trust(desktop).desktops if row.name in self.lost)

    def lets_in(self, box: str) -> list[str]:
        """Which of the lost desktops a box still answers."""
        return [name for name, lost in self.lost.items() if _answers(boxes.get_box(self.desktops[0], box), lost)]


def _answers(box: Box, desktop: Context) -> bool:
    try:
        with BoxClient(box.address, box.certificate, desktop.identity) as client:
            client.status()
    except BoxRefused:
        return False
    return True


@pytest.fixture
def apart(tmp_path: Path, first_desktop: Path) -> Iterator[Apart]:
    with ExitStack() as stack:
        office = stack.enter_context(open_context(Path(shutil.copytree(first_desktop, tmp_path / "office"))))
        for name in NAMES:
            box = RunningBox(tmp_path, name)
            stack.callback(box.stop)
            box.start()
            boxes.enrol_local(office, box.home)
        join = partial(admitted, office, tmp_path, stack)
        desktops = [office, join("second"), join("third")]
        lost = {name: join(name) for name in ("lost", "sold", "stolen")}
        assert [box.problem for box in boxes.refresh(office)] == [None] * 3
        for desktop in (*desktops[1:], *lost.values()):
            assert [box.problem for box in boxes.refresh(desktop)] == [None] * 3
        yield Apart(desktops, lost, office.places.root_key)


def test_who_was_struck_off_on_one_box_alone_stays_out_when_three_are_joined(apart: Apart) -> None:
    apart.part()
    assert [apart.lets_in(name) for name in NAMES] == [["sold", "stolen"], ["lost", "stolen"], ["lost", "sold"]]
    third = apart.desktops[2]
    # One after the other: at the second one the root that was made for the first is above the box's own.
    for name in NAMES:
        assert apart.introduce(third, name) == {}
    assert apart.listed(third) == []
    for desktop in (third, *apart.desktops):
        assert [box.problem for box in boxes.refresh(desktop)] == [None] * 3
        assert apart.listed(desktop) == []
    assert [apart.lets_in(name) for name in NAMES] == [[], [], []]


def test_an_ordinary_visit_brings_nobody_back(apart: Apart) -> None:
    """Where a desktop made more roots than one, a box that another one visited is below it."""
    apart.part()
    office, second, _third = apart.desktops
    apart.strike_off(office, "stolen")
    assert "struck off sold" in (apart.problem(office, "two") or "")
    assert apart.lets_in("two") == ["lost", "stolen"]
    # The other way round: the box is above the desktop.
    assert apart.problem(office, "one") is None
    assert "struck off sold" in (apart.problem(second, "one") or "")
    assert apart.listed(second) == ["lost", "stolen"]
    # The root key joins what was made apart, from either side.
    assert apart.introduce(second, "one") == {}
    assert apart.listed(second) == []
    assert apart.lets_in("one") == []
    assert apart.problem(second, "two") is None
    assert apart.problem(office, "two") is None
    assert apart.lets_in("two") == []


def test_the_object_store_brings_nobody_back(apart: Apart, tmp_path: Path) -> None:
    office, second, _third = apart.desktops
    for desktop in (office, second):
        sync.setup_store(desktop, str(tmp_path / "store"))
    apart.part()
    apart.strike_off(office, "stolen")
    sync.sync_now(office)
    with pytest.raises(TrustRefused, match="struck off sold"):
        sync.sync_now(second)
    assert apart.listed(second) == ["lost", "stolen"]
    assert apart.problem(office, "one") is None
    assert apart.introduce(second, "one") == {}
    sync.sync_now(second)
    sync.sync_now(office)
    assert apart.listed(office) == apart.listed(second) == []
