"""Enrolled boxes and what they said last."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.store import activity, boxes
from app.store.database import Database
from app.store.records import Box
from app.usecases import sites
from app.usecases.boxes import require_free_name
from edge_runtime.contracts.errors import (
    AlreadyExists,
    BoxRefusesDesktop,
    BoxUnreachable,
    BoxWrongKey,
    InputInvalid,
    NotFound,
)
from edge_runtime.contracts.status import BoxStatus, PipelineStatus, SlotStatus
from tests.unit.app.rows import digest


def status_of(box: Box, serial: int = 1) -> BoxStatus:
    return BoxStatus(
        box=box.box,
        name=box.name,
        version="0.1.0",
        boot="b",
        at_ms=5,
        uptime_s=1.5,
        serial=serial,
        pipelines=(PipelineStatus(name="camera", source="folder", state="running", frames=3),),
        slots=(SlotStatus(slot="a", state="COMMITTED", bundle=digest("m"), active=True),),
        floors={"digits": 2},
    )


def test_a_box_comes_back_as_it_was_put(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    assert boxes.list_boxes(db) == [box]
    full = dataclasses.replace(box, last_seen_ms=5, status=status_of(box))
    boxes.put_box(db, full)
    assert boxes.get_box(db, "line-2") == full


@pytest.mark.parametrize("length", [6, 12, 64])
def test_a_box_is_found_by_the_beginning_of_its_id(db: Database, box: Box, length: int) -> None:
    boxes.put_box(db, box)
    assert boxes.get_box(db, box.box[:length]) == box
    assert boxes.get_box(db, box.box[:length].upper()) == box


@pytest.mark.parametrize("text", ["", "line", "abcde", "ffffff%", "'; DROP TABLE boxes; --", "0" * 64])
def test_what_is_no_box_is_not_found(db: Database, box: Box, text: str) -> None:
    boxes.put_box(db, box)
    with pytest.raises(NotFound):
        boxes.get_box(db, text)


def test_a_beginning_that_two_boxes_share_is_not_enough(db: Database, box: Box) -> None:
    for end in "ab":
        boxes.put_box(db, dataclasses.replace(box, box="abcdef" + end * 58, name="twin"))
    with pytest.raises(InputInvalid, match="More than one"):
        boxes.get_box(db, "abcdef")
    with pytest.raises(InputInvalid, match="Two boxes"):
        boxes.get_box(db, "twin")


def test_a_contact_changes_only_what_it_brought(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    boxes.set_status(db, box.box, status=status_of(box), seen_ms=10)
    boxes.set_status(db, box.box, problem=BoxUnreachable("no answer"))
    boxes.set_status(db, box.box, address="10.0.0.9:7443")
    now = boxes.get_box(db, box.name)
    assert (now.status, now.last_seen_ms, now.problem) == (status_of(box), 10, "The box does not answer: no answer")
    assert now.address == "10.0.0.9:7443"
    boxes.set_status(db, box.box, status=status_of(box, 2), seen_ms=20)
    assert boxes.get_box(db, box.name).problem is None
    boxes.put_box(db, box)
    assert boxes.get_box(db, box.name).address == box.address


def test_who_answers_otherwise_than_it_should_is_kept_and_entered_once(db: Database, box: Box) -> None:
    def entered() -> list[str]:
        return [entry.what for entry in activity.page_activity(db).rows]

    boxes.put_box(db, box)
    for _ in range(3):
        boxes.set_status(db, box.box, problem=BoxWrongKey("somebody else"))
    assert boxes.get_box(db, box.name).problem_code == "box.wrong-key"
    assert entered() == ["box.wrong-key"]
    # Away in between, it is still the same story; what is new is told.
    boxes.set_status(db, box.box, problem=BoxUnreachable("late"))
    assert boxes.get_box(db, box.name).problem_code == "box.unreachable"
    boxes.set_status(db, box.box, problem=BoxWrongKey("somebody else"))
    boxes.set_status(db, box.box, problem=BoxRefusesDesktop("struck off"))
    assert entered() == ["box.refuses-desktop", "box.wrong-key"]
    # It answers as it should; whoever spoils that every second fills no book.
    boxes.set_status(db, box.box, status=status_of(box), seen_ms=db.write(lambda writer: writer.now_ms) + 1)
    assert boxes.get_box(db, box.name).problem_code is None
    boxes.set_status(db, box.box, problem=BoxWrongKey("somebody else"))
    assert len(entered()) == 2
    db.write(lambda writer: writer.execute("UPDATE activity SET at_ms = at_ms - 3600001"))
    boxes.set_status(db, box.box, problem=BoxUnreachable("late"))
    boxes.set_status(db, box.box, problem=BoxWrongKey("somebody else"))
    assert entered()[:1] == ["box.wrong-key"]
    assert len(entered()) == 3


def test_no_two_boxes_are_called_alike_but_for_capitals(tmp_path: Path, box: Box) -> None:
    with sites.create_site(tmp_path / "site", "Plant", "correct horse battery") as ctx:
        boxes.put_box(ctx.database, dataclasses.replace(box, name="Stra\u00dfe-a"))
        for name in ("Stra\u00dfe-a", "STRASSE-A"):
            with pytest.raises(AlreadyExists, match="Stra\u00dfe-a"):
                require_free_name(ctx, digest("another"), name)
        require_free_name(ctx, box.box, "strasse-A")


def test_status_is_told_to_listeners_but_not_to_other_desktops(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    told: list[tuple[str, frozenset[str]]] = []
    db.subscribe(lambda table, keys: told.append((table, keys)))
    before = db.read("SELECT COUNT(*) FROM changes")[0][0]
    boxes.set_status(db, box.box, status=status_of(box), seen_ms=1)
    assert ("boxes", frozenset({box.box})) in told
    assert db.read("SELECT COUNT(*) FROM changes")[0][0] == before


def test_a_forgotten_box_is_gone_and_its_status_too(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    boxes.set_status(db, box.box, status=status_of(box), seen_ms=1)
    boxes.remove_box(db, box.box)
    boxes.set_status(db, box.box, problem=BoxUnreachable("late"))
    assert boxes.list_boxes(db) == []
    assert db.read("SELECT * FROM box_status") == []


@pytest.mark.parametrize("kept", ["'{\"old\": 1}'", "CAST(X'ED' AS TEXT)"])
def test_a_status_of_another_version_or_that_is_no_text_is_passed_by(db: Database, box: Box, kept: str) -> None:
    boxes.put_box(db, box)
    db.write(lambda writer: writer.execute(f"UPDATE box_status SET status = {kept}"))
    assert boxes.get_box(db, box.name).status is None
    assert [one.status for one in boxes.list_boxes(db)] == [None]
