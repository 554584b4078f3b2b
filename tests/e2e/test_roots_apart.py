"""Three desktops change the keys while apart, and a box hears of each: whom one of them struck off stays out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.fleet.client import BoxClient
from app.store.records import Box
from app.usecases import boxes, introducing, sync, trust
from app.usecases.stick import exporting, importing
from app.usecases.visits import packing, taking_over
from edge_runtime.contracts.errors import BoxRefused, TrustRefused
from edge_runtime.contracts.stick_errors import StickUnsigned
from edge_runtime.enrolment import read_address, read_home, trust_desktop
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.running_box import RunningBox

NAMES = ("one", "two", "three")
COLLEAGUES = ("second", "third")
LOST = ("lost", "sold", "stolen")


@dataclass
class Apart:
    """Three desktops that have the same root, and boxes that all of them look after."""

    desktops: list[Context]
    lost: dict[str, Context]
    """Three more desktops, which somebody has lost, by name."""
    root_key: Path
    running: dict[str, RunningBox]
    """The boxes by name."""

    def strike_off(self, desktop: Context, name: str) -> None:
        trust.strike_off(desktop, name, root_key=self.root_key, passphrase=PASSPHRASE)

    def part(self) -> None:
        """Each desktop strikes another one off, and one box hears of it."""
        for desktop, lost, box in zip(self.desktops, self.lost, NAMES, strict=True):
            self.strike_off(desktop, lost)
            assert self.problem(desktop, box) is None

    def part_by_two(self) -> Context:
        """Strike a desktop off on one that is returned; another one makes two roots beside that, which list it still,
        and it has the first side's root and the second one of the other side.
        """
        office, second, _third = self.desktops
        self.strike_off(office, "lost")
        for name in ("sold", "stolen"):
            self.strike_off(second, name)
        lost = self.lost["lost"]
        for side, version in ((office, office.roots().version), (second, second.roots().version)):
            lost.roots().adopt(side.roots().body(version))
        return office

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


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, first_desktop: Path) -> Path:
    """Of six desktops that have the same root, by name; to be copied."""
    folder = tmp_path_factory.mktemp("homes")
    with ExitStack() as stack:
        office = stack.enter_context(open_context(Path(shutil.copytree(first_desktop, folder / "office"))))
        for desktop in [admitted(office, folder, stack, name) for name in (*COLLEAGUES, *LOST)]:
            # Those that were admitted first do not know of the later ones.
            for version in range(desktop.roots().version + 1, office.roots().version + 1):
                desktop.roots().adopt(office.roots().body(version))
    return folder


@contextmanager
def _apart(folder: Path, homes: Path, names: Sequence[str]) -> Iterator[Apart]:
    """:param names: of the boxes."""
    with ExitStack() as stack:

        def desktop(name: str) -> Context:
            return stack.enter_context(open_context(Path(shutil.copytree(homes / name, folder / name))))

        desktops = [desktop(name) for name in ("office", *COLLEAGUES)]
        running = {name: RunningBox(folder, name) for name in names}
        for box in running.values():
            stack.callback(box.stop)
            box.start()
            for each in desktops:
                boxes.enrol_local(each, box.home)
        yield Apart(desktops, {name: desktop(name) for name in LOST}, desktops[0].places.root_key, running)


@pytest.fixture
def apart(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    with _apart(tmp_path, homes, NAMES) as apart:
        yield apart


@pytest.fixture
def pair(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    """With two boxes."""
    with _apart(tmp_path, homes, NAMES[:2]) as apart:
        yield apart


@pytest.fixture
def boxless(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    with _apart(tmp_path, homes, ()) as apart:
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


def test_a_root_beside_the_one_that_struck_somebody_off_brings_nobody_back(pair: Apart, tmp_path: Path) -> None:
    """It bears the next number and the signature of the root key, and was made after another one."""
    office, second, _third = pair.desktops
    sync.setup_store(office, str(tmp_path / "store"))
    first = office.roots().version + 1
    pair.part_by_two()
    sync.sync_now(office)
    assert pair.problem(office, "one") is None
    assert pair.problem(second, "two") is None
    assert (pair.lets_in("one"), pair.lets_in("two")) == (["sold", "stolen"], ["lost"])
    # What the lost one can read, there and from the box that still answers it.
    box = boxes.get_box(second, "two")
    with BoxClient(box.address, box.certificate, pair.lost["lost"].identity) as client:
        beside, body = client.root(first), client.root(first + 1)
    folder = next((tmp_path / "store").rglob("roots"))
    (folder / f"{first + 1}.root.json").write_bytes(body)
    for _again in range(2):
        with pytest.raises(TrustRefused, match="struck off lost"):
            sync.sync_now(office)
    # Nor with the one between in the place of this desktop's.
    (folder / f"{first}.root.json").write_bytes(beside)
    with pytest.raises(TrustRefused, match="struck off lost"):
        sync.sync_now(office)
    assert pair.problem(office, "one") is None
    assert pair.listed(office) == ["sold", "stolen"]
    assert pair.lets_in("one") == ["sold", "stolen"]


def test_a_box_takes_nobody_back_whoever_brings_the_root(pair: Apart) -> None:
    office, second, _third = pair.desktops
    pair.part_by_two()
    assert pair.problem(office, "one") is None
    box = boxes.get_box(office, "one")
    # Of a desktop that the box knows, and that does not ask what its root would undo.
    with (
        BoxClient(box.address, box.certificate, second.identity) as client,
        pytest.raises(TrustRefused, match="struck off lost"),
    ):
        client.put_root(second.roots().version, second.roots().newest)
    assert pair.lets_in("one") == ["sold", "stolen"]
    # Once it has struck off the same one, its roots of before, which list that one, are no hindrance.
    pair.strike_off(second, "lost")
    assert pair.problem(second, "one") is None
    assert pair.lets_in("one") == []
    with BoxClient(box.address, box.certificate, second.identity) as client:
        assert client.root(second.roots().version) == second.roots().newest


def test_a_pack_of_a_desktop_that_was_struck_off_does_not_bring_it_back(boxless: Apart, tmp_path: Path) -> None:
    office, lost = boxless.part_by_two(), boxless.lost["lost"]
    packing.pack_visit(lost, tmp_path / "pack")
    with pytest.raises(TrustRefused, match="struck off lost"):
        taking_over.open_pack(office, tmp_path / "pack")
    assert boxless.listed(office) == ["sold", "stolen"]


def test_a_stick_of_a_desktop_that_was_struck_off_does_not_bring_it_back(boxless: Apart, tmp_path: Path) -> None:
    office, lost = boxless.part_by_two(), boxless.lost["lost"]
    exporting.export_to(lost, tmp_path)
    with pytest.raises(StickUnsigned):
        importing.import_from(office, tmp_path)
    assert boxless.listed(office) == ["sold", "stolen"]


def test_pack_and_stick_of_a_desktop_that_joined_meanwhile_are_taken(boxless: Apart, tmp_path: Path) -> None:
    office, second, third = boxless.desktops
    with ExitStack() as stack:
        boxless.strike_off(office, "lost")
        fourth = admitted(office, tmp_path, stack, "fourth")
        packing.pack_visit(fourth, tmp_path / "pack")
        (tmp_path / "stick").mkdir()
        exporting.export_to(fourth, tmp_path / "stick")
    taking_over.open_pack(second, tmp_path / "pack")
    assert importing.import_from(third, tmp_path / "stick").problems == ()
    assert second.roots().newest == third.roots().newest == office.roots().newest


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
