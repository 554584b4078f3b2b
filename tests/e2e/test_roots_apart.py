"""Three desktops change the keys while apart, and a box hears of each: whom one of them struck off stays out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.context import Context
from app.usecases import boxes, sync
from app.usecases.visits import packing, taking_over
from edge_runtime.contracts.errors import TrustRefused
from edge_runtime.enrolment import read_address, read_home, trust_desktop
from tests.fakes.roots_apart import NAMES, Apart, make_homes, opened
from tests.fakes.running_box import RunningBox


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, first_desktop: Path) -> Path:
    return make_homes(tmp_path_factory.mktemp("homes"), first_desktop)


@pytest.fixture
def apart(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    with opened(tmp_path, homes, NAMES) as apart:
        yield apart


@pytest.fixture
def pair(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    """With two boxes."""
    with opened(tmp_path, homes, NAMES[:2]) as apart:
        yield apart


@pytest.fixture
def boxless(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    with opened(tmp_path, homes, ()) as apart:
        yield apart


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[RunningBox]:
    """A box that belongs to no site yet."""
    box = RunningBox(tmp_path, "fresh")
    box.start()
    yield box
    box.stop()


def enrol(desktop: Context, box: RunningBox, *, whole: bool = True) -> None:
    """:param whole: False: as an earlier release did it, with the newest root alone."""
    if whole:
        boxes.enrol_local(desktop, box.home)
        return
    found = read_home(box.home)
    trust_desktop(box.home, desktop_pem=desktop.identity.certificate_pem, roots=[desktop.roots().newest])
    address, certificate = read_address(box.home), found.certificate_pem
    boxes.enter_box(desktop, box=found.box, name=found.name, address=address, certificate=certificate)


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


@pytest.mark.parametrize("whole", [True, False])
def test_a_box_that_was_enrolled_apart_brings_nobody_back(pair: Apart, fresh: RunningBox, whole: bool) -> None:
    """It never had the root that this desktop has."""
    office, second, _third = pair.desktops
    pair.strike_off(second, "lost")
    assert pair.problem(second, "two") is None
    pair.strike_off(office, "sold")
    pair.strike_off(office, "stolen")
    enrol(office, fresh, whole=whole)
    assert pair.problem(office, "fresh") is None
    assert pair.lets_in("fresh") == ["lost"]
    # The second desktop is one of those that the box knows, and may call it.
    enrol(second, fresh)
    for _again in range(2):
        assert "struck off lost" in (pair.problem(second, "fresh") or "")
        assert pair.problem(second, "two") is None
        assert pair.listed(second) == ["sold", "stolen"]
        assert "lost" not in pair.lets_in("two")
    assert pair.introduce(second, "fresh") == {}
    for desktop in (second, office):
        assert [box.problem for box in boxes.refresh(desktop)] == [None] * len(boxes.list_boxes(desktop))
        assert pair.listed(desktop) == []
    assert pair.lets_in("fresh") == pair.lets_in("two") == []


def test_an_enrolment_brings_nobody_back(pair: Apart) -> None:
    """Nor does whoever may change the box itself, as an enrolment over SSH may."""
    office, second, _third = pair.desktops
    pair.strike_off(second, "lost")
    assert pair.problem(second, "two") is None
    pair.strike_off(office, "sold")
    pair.strike_off(office, "stolen")
    home = pair.running["two"].home
    with pytest.raises(TrustRefused, match="struck off lost"):
        boxes.enrol_local(office, home)
    assert pair.lets_in("two") == ["sold", "stolen"]
    # What the error says helps.
    pair.strike_off(office, "lost")
    boxes.enrol_local(office, home)
    assert pair.lets_in("two") == []


def test_a_pack_brings_nobody_back(boxless: Apart, tmp_path: Path) -> None:
    office, second, third = boxless.desktops
    boxless.strike_off(second, "lost")
    boxless.strike_off(office, "sold")
    boxless.strike_off(office, "stolen")
    packing.pack_visit(office, tmp_path / "stick")
    with pytest.raises(TrustRefused, match="struck off lost"):
        taking_over.open_pack(second, tmp_path / "stick")
    assert boxless.listed(second) == ["sold", "stolen"]
    taking_over.open_pack(third, tmp_path / "stick")
    assert boxless.listed(third) == ["lost"]


def test_an_object_store_in_which_both_write_brings_nobody_back(boxless: Apart, tmp_path: Path) -> None:
    """The one who comes later has more roots than the store, and leaves another one of the same number there."""
    office, second, third = boxless.desktops
    for desktop in boxless.desktops:
        sync.setup_store(desktop, str(tmp_path / "store"))
    boxless.strike_off(second, "lost")
    sync.sync_now(second)
    boxless.strike_off(office, "sold")
    boxless.strike_off(office, "stolen")
    with pytest.raises(TrustRefused, match="struck off lost"):
        sync.sync_now(office)
    for desktop in (second, third):
        sync.sync_now(desktop)
        assert boxless.listed(desktop) == ["sold", "stolen"]
    boxless.strike_off(office, "lost")
    for desktop in (office, second, third):
        sync.sync_now(desktop)
        assert boxless.listed(desktop) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_desktop_that_was_away_can_use_a_box_that_was_enrolled_meanwhile(
    pair: Apart, fresh: RunningBox, whole: bool
) -> None:
    office, second, third = pair.desktops
    pair.strike_off(office, "sold")
    pair.strike_off(office, "stolen")
    enrol(office, fresh, whole=whole)
    enrol(second, fresh)
    problem = pair.problem(second, "fresh")
    if whole:
        assert problem is None
    else:
        # It cannot show what lies between; another box can.
        assert "cannot show root" in (problem or "")
        with pytest.raises(TrustRefused, match="cannot show root") as refused:
            boxes.collect(second, "fresh")
        assert "visit open" in refused.value.hint
        assert pair.problem(office, "one") is None
        assert pair.problem(second, "one") is None
        assert pair.problem(second, "fresh") is None
    assert pair.listed(second) == ["lost"]
    # With the root key it needs no other box.
    enrol(third, fresh, whole=whole)
    assert pair.introduce(third, "fresh") == {}
    assert pair.problem(third, "fresh") is None
    assert pair.listed(third) == ["lost"]


def test_a_desktop_that_is_one_root_behind_believes_a_box_that_has_the_newest_alone(
    pair: Apart, fresh: RunningBox
) -> None:
    """Nobody whom its own roots have struck off is in it, so there is nobody to come back."""
    office, second, _third = pair.desktops
    pair.strike_off(office, "sold")
    enrol(office, fresh, whole=False)
    enrol(second, fresh)
    assert pair.problem(second, "fresh") is None
    assert pair.listed(second) == ["lost", "stolen"]
