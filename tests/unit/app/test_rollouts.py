"""Rollouts, labels and decisions in the database, and between two of them."""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app.store import boxes, decisions, labels, links, migrations, rollouts
from app.store.database import Database
from app.store.records import (
    EVERY_BOX,
    Box,
    BundleDecision,
    Choice,
    LinkFigure,
    Rollout,
    RolloutBox,
    RolloutBoxState,
    RolloutState,
)
from app.store.schema import STEPS
from app.store.writer import Writer
from cloud_sync.release.plan import Plan
from edge_runtime.contracts.errors import InputInvalid
from tests.unit.app.rows import OpenDatabase, digest
from tests.unit.app.test_journal import Desktops

ONE, TWO = digest("box 1"), digest("box 2")
ROLLOUT = Rollout(
    rollout="0f0f0f0f-0000-4000-8000-000000000000",
    model=digest("model"),
    version="1.0.0",
    state="running",
    created_ms=1,
    boxes=(RolloutBox(box=ONE, wave=0, state="waiting"), RolloutBox(box=TWO, wave=1, state="waiting")),
    plan=Plan(pause_minutes=5, max_failures=2, cap_bytes_per_s=1000),
)


@pytest.fixture
def desktops(open_database: OpenDatabase) -> Desktops:
    return Desktops(open_database("a"), open_database("b"))


def begin(db: Database) -> Rollout:
    return db.write(lambda writer: rollouts.begin_rollout(writer, ROLLOUT))


def move(db: Database, box: str, state: RolloutBoxState, reason: str | None = None) -> bool:
    return db.write(
        lambda writer: rollouts.move_box(
            writer,
            ROLLOUT.rollout,
            box,
            state,
            reason,
            out_of=["waiting", "sending", "installing", "trial"],
        )
    )


def change(writer: Writer, state: RolloutState) -> None:
    every: list[RolloutState] = ["running", "paused", "stopped", "done", "aborted"]
    rollouts.move_rollout(writer, ROLLOUT.rollout, state, out_of=every, reason=None, finished_ms=None)


def test_each_desktops_boxes_stand_on_both(desktops: Desktops) -> None:
    """One row a box: neither overwrites what the other found out."""
    started = begin(desktops.a)
    assert (started.replica, bool(started.stamp)) == (desktops.a.replica, True)
    desktops.exchange()
    assert rollouts.get_rollout(desktops.b, ROLLOUT.rollout) == started
    move(desktops.a, ONE, "committed")
    move(desktops.b, TWO, "sending")
    desktops.exchange()
    for db in (desktops.a, desktops.b):
        found = rollouts.get_rollout(db, ROLLOUT.rollout)
        assert [part.state for part in found.boxes] == ["committed", "sending"]
        assert found.plan == ROLLOUT.plan
    assert rollouts.list_rollouts(desktops.a) == rollouts.list_rollouts(desktops.b)


def test_a_box_moves_only_out_of_where_it_is_expected(db: Database) -> None:
    begin(db)
    assert move(db, ONE, "sending")
    assert move(db, ONE, "committed")
    assert not move(db, ONE, "sending"), "it came to its end"
    assert not move(db, digest("another"), "sending")
    part = rollouts.part_of(db, ROLLOUT.rollout, ONE)
    assert part is not None
    assert (part.state, part.updated_ms > 0) == ("committed", True)


def test_a_rollout_goes_on_as_long_as_a_box_may(db: Database) -> None:
    begin(db)
    cases: tuple[tuple[RolloutState, bool], ...] = (
        ("paused", True),
        ("stopped", False),
        ("done", False),
        ("aborted", False),
    )
    for state, going_on in cases:
        db.write(partial(change, state=state))
        assert rollouts.list_going_on(db, ["trial"]) == [ROLLOUT.rollout] * going_on, state
    move(db, ONE, "trial")
    assert rollouts.list_going_on(db, ["trial"]) == [ROLLOUT.rollout], "it was aborted, and a box has it on trial"


def test_every_change_makes_another_edition_wherever_it_comes_from(desktops: Desktops) -> None:
    editions = [rollouts.edition(desktops.a)]

    def is_new() -> bool:
        editions.append(rollouts.edition(desktops.a))
        return editions[-1] not in editions[:-1]

    begin(desktops.a)
    assert is_new()
    states: tuple[RolloutBoxState, ...] = ("sending", "waiting", "sending")
    for state in states:
        move(desktops.a, ONE, state)
        assert is_new(), "also within one millisecond"
    assert not is_new(), "nothing changed"
    desktops.exchange()
    is_new()
    move(desktops.b, TWO, "trial")
    move(desktops.a, ONE, "installing")
    assert is_new()
    desktops.exchange()
    assert is_new(), "what came from elsewhere may be older than what is here"


def test_a_reason_alone_does_not_renew_the_time(db: Database) -> None:
    begin(db)
    move(db, ONE, "sending")
    db.write(lambda writer: writer.execute("UPDATE rollout_boxes SET updated_ms = 7 WHERE box = ?", (ONE,)))
    move(db, ONE, "sending", "slow")
    part = rollouts.part_of(db, ROLLOUT.rollout, ONE)
    assert part is not None
    assert (part.reason, part.updated_ms) == ("slow", 7)


def test_labels_travel_and_may_be_taken_off_anywhere(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    labels.change_labels(desktops.a, box.box, add=["press", "hall 2"], remove=[])
    desktops.exchange()
    assert boxes.list_boxes(desktops.b)[0].labels == ("hall 2", "press")
    labels.change_labels(desktops.b, box.box, add=["weld"], remove=["press", "never there"])
    desktops.exchange()
    for db in (desktops.a, desktops.b):
        assert boxes.get_box(db, box.name).labels == ("hall 2", "weld")
        assert labels.list_labels(db) == {"hall 2": 1, "weld": 1}


def test_of_two_decisions_about_one_box_the_later_stands_and_a_blacklist_over_both(desktops: Desktops) -> None:
    bundle = digest("model")
    one = BundleDecision(box=ONE, bundle=bundle, choice="hold", reason="x", who="a", decided_ms=1)
    choices: tuple[tuple[Database, Choice], ...] = ((desktops.a, "hold"), (desktops.b, "offer-again"))
    for db, choice in choices:
        db.write(partial(decisions.put_decision, decision=replace(one, choice=choice)))
    desktops.exchange()
    assert decisions.decision_of(desktops.a, ONE, bundle) == decisions.decision_of(desktops.b, ONE, bundle) is not None
    assert decisions.decision_of(desktops.a, TWO, bundle) is None
    assert decisions.blacklisted(desktops.a, bundle) is None
    never = replace(one, box=EVERY_BOX, choice="blacklist")
    desktops.b.write(lambda writer: decisions.put_decision(writer, never))
    desktops.exchange()
    assert decisions.blacklisted(desktops.a, bundle) == decisions.decision_of(desktops.a, TWO, bundle) == never


def test_a_links_figure_is_this_desktops_own(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    desktops.exchange()
    links.put_link(desktops.a, LinkFigure(box=box.box, bytes_per_s=1e6, at_ms=5))
    links.put_link(desktops.a, LinkFigure(box=ONE, bytes_per_s=1e6, at_ms=5))
    desktops.exchange()
    assert links.link_of(desktops.a, box.box) == LinkFigure(box=box.box, bytes_per_s=1e6, at_ms=5)
    assert links.link_of(desktops.a, ONE) is None
    assert links.link_of(desktops.b, box.box) is None


def test_rollouts_of_before_keep_their_boxes(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    before = list(itertools.takewhile(lambda step: step.name != "0007_rollouts", STEPS))
    migrations.bring_up_to_date(path, before)
    parts = json.dumps(
        [
            {"box": ONE, "wave": 0, "state": "committed", "updated_ms": 9},
            {"box": TWO, "wave": 1, "state": "failed", "reason": "no"},
        ]
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO rollouts VALUES (?, ?, '1.0.0', 'stopped', 5, 6, 'why', ?)", (ROLLOUT.rollout, "m", parts)
        )
    with closing(Database.open(path, replica="a")) as db:
        (found,) = rollouts.list_rollouts(db)
    assert (found.state, found.reason, found.plan, found.stamp) == ("stopped", "why", Plan(), f"{5:015d}.{0:06d}")
    by_box = {part.box: part for part in found.boxes}
    assert by_box[ONE] == RolloutBox(box=ONE, wave=0, state="committed", updated_ms=9)
    assert by_box[TWO] == RolloutBox(box=TWO, wave=1, state="failed", reason="no")


@pytest.mark.parametrize("label", ["", " ", "a/b", "a,b", "-x", "x" * 41, "a\nb", "*", "label:x"])
def test_what_is_no_label(label: str) -> None:
    assert labels.LABEL.fullmatch(label) is None


@pytest.mark.parametrize("label", ["press", "hall 2", "冲压", "x" * 40, "a.b-c_d"])
def test_what_is_a_label(label: str) -> None:
    assert labels.LABEL.fullmatch(label)


@pytest.mark.parametrize(
    ("text", "rate"), [("500k", 500_000), ("2M", 2_000_000), ("1.5M", 1_500_000), ("800", 800), ("64 kB/s", 64_000)]
)
def test_a_rate_as_people_type_it(text: str, rate: int) -> None:
    from app.cli.rollout_options import _rate

    assert _rate(text) == rate
    for wrong in ("", "fast", "-1", "0", "1G", "k"):
        with pytest.raises(InputInvalid):
            _rate(wrong)
