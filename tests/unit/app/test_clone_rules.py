"""Who is two, and who has only moved or was started again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store import boxes, sightings
from app.store.database import Database
from app.store.records import Box, Heard, Sighting
from app.usecases.clone_rules import at_once, find_clones, suspects
from edge_runtime.contracts.status import BoxStatus
from tests.unit.app.rows import digest

BOX, OTHER = digest("box"), digest("other")


@dataclass
class Running:
    """One machine with one box."""

    box: str
    address: str
    boot: str
    machine: str = ""
    host_key: str = ""
    kernel_boot: str = ""


class Desk:
    """Asks machines, and keeps what they say as the store does."""

    def __init__(self) -> None:
        self.heard = 0
        self.seen: dict[tuple[str, str, str], Sighting] = {}

    def ask(self, one: Running, *, asked: int | None = None) -> None:
        begun = self.heard if asked is None else asked
        self.heard += 1
        key = (one.box, one.address, one.boot)
        before = self.seen.get(key)
        self.seen[key] = Sighting(
            box=one.box,
            address=one.address,
            boot=one.boot,
            machine=one.machine,
            host_key=one.host_key,
            kernel_boot=one.kernel_boot,
            first_asked=before.first_asked if before else begun,
            first_heard=before.first_heard if before else self.heard,
            last_asked=max(before.last_asked, begun) if before else begun,
            last_heard=self.heard,
            last_ms=0,
        )

    def found(self) -> list[tuple[tuple[str, ...], bool, list[str]]]:
        clones = find_clones(list(self.seen.values()))
        return [(one.marks, one.proved, [side.address for side in one.sides]) for one in clones]


def test_one_key_on_two_machines_that_answer_in_turns() -> None:
    desk, one, two = Desk(), Running(BOX, "a:1", "boot-1"), Running(BOX, "b:1", "boot-2")
    desk.ask(one)
    desk.ask(two)
    assert desk.found() == [], "it may have moved and been started again"
    assert suspects(list(desk.seen.values())) == ((BOX, "a:1"), (BOX, "b:1"))
    desk.ask(one)
    assert desk.found() == [(("key",), True, ["a:1", "b:1"])]


def test_one_box_with_several_addresses_has_one_life() -> None:
    desk, one = Desk(), Running(BOX, "a:1", "boot-1")
    for _ in range(3):
        desk.ask(one)
        desk.ask(replace(one, address="b:1"))
    assert desk.found() == []
    assert suspects(list(desk.seen.values())) == ()


def test_an_answer_that_was_long_under_way_proves_nothing() -> None:
    desk, one = Desk(), Running(BOX, "a:1", "boot-1")
    desk.ask(one)
    begun = desk.heard
    # It answered, was started again and answered as that before its first word was written down here.
    desk.ask(replace(one, boot="boot-2"))
    desk.ask(one, asked=begun)
    assert desk.found() == []


def test_two_boxes_on_one_machine_are_no_copies() -> None:
    desk = Desk()
    one = Running(BOX, "a:1", "boot-1", machine=digest("m"), host_key="SHA256:x", kernel_boot=digest("k"))
    for _ in range(2):
        desk.ask(one)
        desk.ask(replace(one, box=OTHER, address="b:2", boot="boot-2"))
    assert desk.found() == []


def test_one_image_under_two_keys() -> None:
    desk = Desk()
    one = Running(BOX, "a:1", "boot-1", machine=digest("m"), host_key="SHA256:x", kernel_boot=digest("k1"))
    two = Running(OTHER, "b:1", "boot-2", machine=digest("m"), host_key="SHA256:x", kernel_boot=digest("k2"))
    desk.ask(one)
    desk.ask(two)
    # Nobody has shown yet that it is not one machine that was set up anew.
    assert desk.found() == [(("machine", "host-key"), False, ["a:1", "b:1"])]
    desk.ask(one)
    assert desk.found() == [(("machine", "host-key"), True, ["a:1", "b:1"])]
    # Mended: the copy has a machine-id and keys of its own.
    desk.ask(replace(two, boot="boot-3", machine=digest("m2"), host_key="SHA256:y", kernel_boot=digest("k3")))
    assert desk.found() == []


def test_a_machine_without_marks_shares_none() -> None:
    desk = Desk()
    for _ in range(2):
        desk.ask(Running(BOX, "a:1", "boot-1"))
        desk.ask(Running(OTHER, "b:1", "boot-2"))
    assert desk.found() == []


@given(st.lists(st.sampled_from(["ask", "restart", "reboot", "move", "second-box"]), max_size=40))
def test_one_machine_is_never_taken_for_two(steps: list[str]) -> None:
    desk = Desk()
    one = Running(BOX, "a:1", "0", machine=digest("m"), host_key="SHA256:x", kernel_boot=digest("0"))
    for count, step in enumerate(steps, 1):
        if step == "restart":
            one = replace(one, boot=str(count))
        elif step == "reboot":
            one = replace(one, boot=str(count), kernel_boot=digest(str(count)))
        elif step == "move":
            one = replace(one, address=f"a{count}:1")
        elif step == "second-box":
            desk.ask(replace(one, box=OTHER, address=one.address.replace(":1", ":2"), boot=f"other {one.kernel_boot}"))
        desk.ask(one)
        assert all(not proved for _marks, proved, _sides in desk.found())
    assert [marks for marks, _proved, _sides in desk.found() if "key" in marks] == []


@given(st.lists(st.sampled_from([0, 1]), min_size=3, max_size=30), st.data())
def test_two_that_were_asked_in_turns_are_told_apart(turns: list[int], data: st.DataObject) -> None:
    desk = Desk()
    machines = [Running(BOX, "a:1", "a0"), Running(BOX, "b:1", "b0")]
    asked: list[str] = []
    for count, turn in enumerate(turns):
        if data.draw(st.booleans()):
            machines[turn] = replace(machines[turn], boot=f"{turn} {count}")
        desk.ask(machines[turn])
        asked.append(machines[turn].boot)
    # Provable is what came back after the other had answered.
    provable = any(
        asked[first] == asked[last] and any(turns[between] != turns[first] for between in range(first, last))
        for first in range(len(asked))
        for last in range(first + 1, len(asked))
    )
    assert bool(desk.found()) == provable


def test_what_is_at_once_is_so_in_both_directions() -> None:
    desk, one, two = Desk(), Running(BOX, "a:1", "1"), Running(BOX, "b:1", "2")
    for asked in (one, two, one):
        desk.ask(asked)
    first, second = desk.seen.values()
    assert at_once(first, second)
    assert at_once(second, first)


@pytest.fixture
def enrolled(db: Database, box: Box) -> Box:
    boxes.put_box(db, box)
    return box


def status_of(box: Box, boot: str) -> BoxStatus:
    return BoxStatus(box=box.box, name=box.name, version="0", boot=boot, at_ms=0, uptime_s=1.0, serial=1)


def test_sightings_are_counted_and_bounded(db: Database, enrolled: Box) -> None:
    for number in range(50):
        asked = sightings.count_sightings(db)
        assert asked == number
        heard = Heard(address="a:1", asked=asked, skew_ms=1.0, skew_error_ms=1.0)
        boxes.set_status(db, enrolled.box, status=status_of(enrolled, f"boot-{number}"), heard=heard)
    kept = sightings.list_sightings(db)
    assert len(kept) == sightings.KEPT_OF_ONE_BOX
    assert kept[-1].boot == "boot-49"
    assert find_clones(kept) == ()
    sightings.forget_place(db, enrolled.box, "a:1")
    assert sightings.list_sightings(db) == []
    assert sightings.count_sightings(db) == 50, "an older answer must not pass for a newer one"


def test_a_key_that_answered_is_remembered_until_it_is_asked(db: Database, enrolled: Box) -> None:
    sightings.note_key(db, enrolled.box, ("a:1", "b:1"))
    sightings.note_key(db, enrolled.box, ("a:1",))
    assert [(one.address, one.boot) for one in sightings.list_sightings(db)] == [("a:1", ""), ("b:1", "")]
    heard = Heard(address="b:1", asked=sightings.count_sightings(db), skew_ms=0.0, skew_error_ms=1.0)
    sightings.note_elsewhere(db, status_of(enrolled, "boot"), heard)
    assert {(one.address, one.boot) for one in sightings.list_sightings(db)} == {("a:1", ""), ("b:1", "boot")}
    boxes.remove_box(db, enrolled.box)
    assert sightings.list_sightings(db) == []
