"""What a rollout brings: in the database, between two desktops, in one from before; and changes of a configuration."""

from __future__ import annotations

import itertools
import json
import sqlite3
import tomllib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fleet.config_change import agree, holds, key_of, merged, require_change, with_change, without_comments
from app.store import decisions, migrations, objects, rollouts
from app.store.database import Database
from app.store.journal import take_over
from app.store.records import BundleDecision
from app.store.schema import STEPS
from app.usecases.subjects.base import Found, found_in, tried_there
from cloud_sync.journal.changes import Change
from edge_runtime.config import TEMPLATE, parse_config
from edge_runtime.contracts.errors import ConfigInvalid, InputInvalid
from edge_runtime.contracts.status import BoxStatus, ConfigStatus, RuntimeStatus, SlotState, SlotStatus
from edge_runtime.update.slots import CUT_DURING_INSTALLATION
from tests.unit.app.rows import OpenDatabase, digest
from tests.unit.app.test_journal import Desktops, seal
from tests.unit.app.test_rollouts import ONE, ROLLOUT

CONFIGURATION = replace(
    ROLLOUT,
    subject="configuration",
    model=digest("change"),
    version=digest("change")[:12],
    object=digest("change"),
    size=120,
    boxes=tuple(replace(part, base=3) for part in ROLLOUT.boxes),
)
TEXT = TEMPLATE.format(name='"press-1"') + '[[pipeline]]\nname = "camera"  # in front\nsource = "folder:/frames"\n'


@pytest.fixture
def desktops(open_database: OpenDatabase) -> Desktops:
    return Desktops(open_database("a"), open_database("b"))


def test_the_subject_travels_and_its_file_is_fetched(desktops: Desktops) -> None:
    started = desktops.a.write(lambda writer: rollouts.begin_rollout(writer, CONFIGURATION))
    desktops.a.write(
        lambda writer: rollouts.move_box(writer, CONFIGURATION.rollout, ONE, "trial", None, out_of=["waiting"], mark=4)
    )
    decided = BundleDecision(
        box=ONE, bundle=digest("change"), choice="hold", reason="no", who="me", decided_ms=5, subject="configuration"
    )
    desktops.a.write(lambda writer: decisions.put_decision(writer, decided))
    desktops.exchange()
    found = rollouts.get_rollout(desktops.b, CONFIGURATION.rollout)
    assert replace(found, boxes=()) == replace(started, boxes=())
    assert [(part.base, part.mark) for part in found.boxes if part.box == ONE] == [(3, 4)]
    assert objects.wanted(desktops.b) == [digest("change")]
    assert decisions.list_decisions(desktops.b) == [decided]


def test_a_state_without_a_mark_keeps_the_one_there_is(db: Database) -> None:
    db.write(lambda writer: rollouts.begin_rollout(writer, CONFIGURATION))
    rollout = CONFIGURATION.rollout
    db.write(lambda writer: rollouts.move_box(writer, rollout, ONE, "trial", None, out_of=["waiting"], mark=4))
    db.write(lambda writer: rollouts.move_box(writer, rollout, ONE, "committed", None, out_of=["trial"]))
    part = rollouts.part_of(db, CONFIGURATION.rollout, ONE)
    assert part is not None
    assert (part.state, part.mark) == ("committed", 4)


def test_a_row_of_a_desktop_of_before_is_a_models(desktops: Desktops) -> None:
    desktops.a.write(lambda writer: rollouts.begin_rollout(writer, ROLLOUT))
    _seq, changes = seal(desktops.a) or (0, [])
    older = [_without_news(change) for change in changes]
    desktops.b.write(lambda writer: take_over(writer, older, source="an older one"))
    assert rollouts.get_rollout(desktops.b, ROLLOUT.rollout).subject == "model"


def _without_news(change: Change) -> Change:
    if change.body is None:
        return change
    news = {"subject", "object", "size", "signature", "base", "mark"}
    body = {name: value for name, value in change.body.items() if name not in news}
    return replace(change, body=body)


@pytest.mark.parametrize("wrong", [{"object": None}, {"size": None}, {"object": "x"}, {"subject": "firmware"}])
def test_a_rollout_of_nothing_is_not_taken_over(desktops: Desktops, wrong: dict[str, object]) -> None:
    desktops.a.write(lambda writer: rollouts.begin_rollout(writer, CONFIGURATION))
    _seq, changes = seal(desktops.a) or (0, [])
    bent = [
        replace(change, body={**change.body, **wrong}) if change.table == "rollouts" and change.body else change
        for change in changes
    ]
    with pytest.raises(InputInvalid):
        desktops.b.write(lambda writer: take_over(writer, bent, source="somebody"))
    assert rollouts.list_rollouts(desktops.b) == []


def test_rollouts_and_decisions_of_before_are_about_models(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    migrations.bring_up_to_date(path, list(itertools.takewhile(lambda step: step.name != "0013_subjects", STEPS)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO rollouts (rollout, model, version, state, created_ms, plan, replica, stamp)"
            " VALUES (?, ?, '1.0.0', 'running', 5, ?, 'a', ?)",
            (ROLLOUT.rollout, ROLLOUT.model, json.dumps({}), f"{5:015d}.{0:06d}"),
        )
        connection.execute(
            "INSERT INTO rollout_boxes (rollout, box, wave, state, updated_ms) VALUES (?, ?, 0, 'trial', 9)",
            (ROLLOUT.rollout, ONE),
        )
        connection.execute("INSERT INTO decisions VALUES (?, ?, 'hold', 'no', 'me', 5)", (ONE, ROLLOUT.model))
    with closing(Database.open(path, replica="a")) as db:
        (found,) = rollouts.list_rollouts(db)
        (decided,) = decisions.list_decisions(db)
    assert (found.subject, found.object, found.size, decided.subject) == ("model", None, None, "model")
    assert [(part.state, part.base, part.mark) for part in found.boxes] == [("trial", None, None)]


def test_a_change_leaves_all_else_as_it_stands() -> None:
    change = "[update]\ntrial_frames = 80\n[spool.results]\nmax_age_days = 3\n[[pipeline]]\nname = 'camera'\nfps = 2\n"
    require_change(change)
    assert not holds(TEXT, change)
    changed = with_change(TEXT, change)
    assert holds(changed, change)
    assert with_change(changed, change) == changed
    config = parse_config(changed)
    assert (config.update.trial_frames, config.pipeline[0].fps, config.spool.results.max_age_days) == (80, 2, 3)
    assert (config.name, config.pipeline[0].source) == ("press-1", "folder:/frames")
    gone = set(TEXT.splitlines()) - set(changed.splitlines())
    assert [line.split("=")[0].strip() for line in gone] == ["trial_frames"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("", "nothing in it"),
        ("# nothing\n", "nothing in it"),
        ("name = 'x'", "is its own"),
        ("[management]\nlisten = '[::]:7443'", "listens for desktops"),
        ("[update]\ntrial_frams = 1", "no such field"),
        ("[update", "not valid TOML"),
        ("[[pipeline]]\nfps = 1", "needs the name"),
        ("pipeline = 3", "needs the name"),
        ("[[pipeline]]\nname = 'a'\nsource = 'stream:rtsp://u:secret@host/x'", "password"),
        ("a." * 100 + "b = 1", "more parts"),
        ("x" * 300_000, "longer than"),
    ],
)
def test_a_change_that_is_for_no_box(change: str, words: str) -> None:
    with pytest.raises((ConfigInvalid, InputInvalid), match=words):
        require_change(change)


def test_a_change_is_known_by_its_fields() -> None:
    change = "[[pipeline]]\nname = 'a'\nfps = 1\n[[pipeline]]\nname = 'b'\n[update]\ntrial_frames = 8\nslots = 2\n"
    same = "# why\nupdate = {slots = 2, trial_frames = 8}\npipeline = [{name = 'b'}, {fps = 1, name = 'a'}]"
    assert key_of(same) == key_of(change)
    others = [change.replace("8", "9"), change.replace("'a'", "'c'"), change.replace("1", "1.0"), "[update]\nslots = 2"]
    assert len({key_of(one) for one in (change, *others)}) == 5


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("# the password is hunter2\n[drift] # hunter2\nthin = 3\n", "[drift]\nthin = 3\n"),
        ("name = 'a # b'\n", "name = 'a # b'\n"),
        ('x = """one  \n\n# no comment\n"""# hunter2', 'x = """one  \n\n# no comment\n"""\n'),
        ("a = 1\r\n# hunter2\r\nb = 2", "a = 1\r\n\nb = 2\n"),
    ],
)
def test_a_change_travels_without_its_comments(change: str, kept: str) -> None:
    assert without_comments(change) == kept
    assert tomllib.loads(kept) == tomllib.loads(change)
    assert key_of(kept) == key_of(change)


def test_a_change_of_a_pipeline_that_is_not_there() -> None:
    with pytest.raises(ConfigInvalid, match="no pipeline called 'oven'"):
        with_change(TEXT, "[[pipeline]]\nname = 'oven'\nfps = 1\n")
    assert not holds(TEXT, "[[pipeline]]\nname = 'oven'\nfps = 1\n")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("[drift]\nthin = 3", "[drift]\nwindow = 40", True),
        ("[drift]\nthin = 3", "drift.thin = 3", True),
        ("[drift]\nthin = 3", "[drift]\nthin = 5", False),
        ("[[pipeline]]\nname = 'a'\nfps = 1", "[[pipeline]]\nname = 'b'\nfps = 2", True),
        ("[[pipeline]]\nname = 'a'\nfps = 1", "[[pipeline]]\nname = 'a'\nkeep_random = 0.1", True),
        ("[[pipeline]]\nname = 'a'\nfps = 1", "[[pipeline]]\nname = 'a'\nfps = 2", False),
        ("[drift]\nthin = 3", "drift = 3", False),
    ],
)
def test_which_changes_a_box_can_have_both(one: str, other: str, both: bool) -> None:
    assert (agree(one, other), agree(other, one)) == (both, both)


FIELDS = st.dictionaries(
    st.sampled_from(["reference", "window", "thin"]), st.integers(min_value=30, max_value=1000), min_size=1
)


@given(FIELDS, st.sampled_from(["[drift]\n{}", "drift = {{ {} }}\n", "drift.thin = 9\n[update]\ntrial_frames = 7\n"]))
def test_a_change_is_in_force_in_whatever_form_a_text_has(fields: dict[str, int], form: str) -> None:
    text = 'name = "a"\n' + form.format("window = 40")
    change = "[drift]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())
    changed = with_change(text, change)
    drift = parse_config(changed).drift
    assert {name: getattr(drift, name) for name in fields} == fields
    assert merged({"drift": {"thin": 1}}, {"drift": fields})["drift"] == {"thin": 1, **fields}


def slot(state: SlotState, *, active: bool = False, reason: str | None = None) -> SlotStatus:
    return SlotStatus(slot="a", state=state, name="parts", version="1.0.0", active=active, reason=reason)


def test_what_a_slot_says_of_a_subject() -> None:
    cases = [
        (slot("EMPTY"), None),
        (slot("COMMITTED", active=True), Found(step="committed")),
        (slot("COMMITTED"), Found(step="kept")),
        (slot("PROBED"), Found(step="installing")),
        (slot("TRIAL"), Found(step="trial")),
        (slot("REJECTED", reason="no"), Found(step="refused", reason="no")),
        (slot("ROLLED_BACK", reason="slow"), Found(step="returned", reason="slow")),
        (slot("REJECTED", reason=CUT_DURING_INSTALLATION), Found(step="cut", reason=CUT_DURING_INSTALLATION)),
    ]
    for said, found in cases:
        assert found_in([said], lambda _one: True) == found
    assert found_in([slot("TRIAL")], lambda _one: False) is None


def test_whatever_is_tried_on_a_box_is_named() -> None:
    idle = BoxStatus(
        box=ONE, name="press-1", version="1", boot="b", at_ms=1, uptime_s=1.0, serial=1, config=ConfigStatus(in_force=1)
    )
    assert tried_there(idle) is None
    assert tried_there(replace(idle, slots=(slot("PROBED"),))) == "parts 1.0.0 is on trial there."
    trying = replace(idle, config=ConfigStatus(in_force=1, trial=2))
    assert tried_there(trying) == "A configuration is on trial there."
    program = replace(idle, runtime=RuntimeStatus(slots=(slot("TRIAL"),)))
    assert tried_there(program) == "Version 1.0.0 of its own program is on trial there."
