"""What each box lacks, from records alone."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.records import Box, Model, Rollout, RolloutBox, Sighting
from app.usecases.clone_rules import Clone
from app.usecases.visits.plan import (
    LOW_DISK_BYTES,
    UNSEEN_MS,
    EdgeStock,
    Known,
    Lost,
    Need,
    VisitPlan,
    is_older,
    make_plan,
)
from app.usecases.visits.words import need_words
from edge_runtime.contracts.status import BoxStatus, PipelineStatus, SlotStatus, SpoolStatus
from tests.unit.app.rows import digest

NOW = 1_800_000_000_000
RUNTIME = "1.4.0"


def model(number: int, *, name: str = "parts", size: int = 1000, **changes: Any) -> Model:
    fields: dict[str, Any] = {
        "model": digest(f"{name} {number}"),
        "sha256": digest(f"file of {name} {number}"),
        "size": size,
        "name": name,
        "version": f"1.{number}.0",
        "release": number,
        "state": "released",
        "created_ms": NOW - 1000 + number,
        "burst": None,
        "dataset": None,
        **changes,
    }
    return Model(**fields)


def slot(of: Model, **changes: Any) -> SlotStatus:
    fields: dict[str, Any] = {
        "slot": "a",
        "state": "COMMITTED",
        "bundle": of.model,
        "name": of.name,
        "version": of.version,
        "release": of.release,
        "active": True,
        **changes,
    }
    return SlotStatus(**fields)


def status(name: str = "line-1", **changes: Any) -> BoxStatus:
    fields: dict[str, Any] = {
        "box": digest(name),
        "name": name,
        "version": RUNTIME,
        "boot": "1",
        "at_ms": NOW,
        "uptime_s": 1.0,
        "serial": 1,
        "root": 2,
        "arch": "x86_64",
        "spool": SpoolStatus(disk_free_bytes=10 * LOW_DISK_BYTES),
        **changes,
    }
    return BoxStatus(**fields)


def box(name: str = "line-1", said: BoxStatus | None = None, **changes: Any) -> Box:
    fields: dict[str, Any] = {
        "box": digest(name),
        "name": name,
        "address": "192.0.2.1:7443",
        "certificate": "",
        "enrolled_ms": 1,
        "last_seen_ms": NOW - 1000,
        "status": said or status(name, slots=(slot(model(1)),)),
        **changes,
    }
    return Box(**fields)


def known(*boxes: Box, **changes: Any) -> Known:
    fields: dict[str, Any] = {
        "now_ms": NOW,
        "site": digest("site"),
        "site_name": "North",
        "root": 2,
        "runtime": RUNTIME,
        "boxes": boxes,
        **changes,
    }
    return Known(**fields)


def needs(plan: VisitPlan, number: int = 0) -> dict[str, Need]:
    return {need.kind: need for need in plan.boxes[number].needs}


def test_a_box_that_lacks_nothing_has_no_needs() -> None:
    plan = make_plan(known(box(), models=[model(1)]))
    assert plan.boxes[0].needs == ()
    assert plan.items == ()
    assert plan.bytes == 0


def test_a_box_that_runs_what_was_blacklisted_is_told_of_and_nobody_carries_it() -> None:
    why = {model(2).model: "melts lenses"}
    runs_it = box(said=status(slots=(slot(model(2)),)))
    plan = make_plan(known(runs_it, models=[model(1), model(2)], blacklisted=why))
    assert needs(plan)["blacklisted"].facts["reason"] == "melts lenses"
    behind = make_plan(known(box(), models=[model(1), model(2)], blacklisted=why))
    assert behind.items == ()
    assert make_plan(known(box(), models=[model(1), model(2)])).items


def spooled(**changes: Any) -> BoxStatus:
    spool = SpoolStatus(**{"disk_free_bytes": 10 * LOW_DISK_BYTES, **changes})
    return status(slots=(slot(model(1)),), spool=spool)


def piped(**changes: Any) -> BoxStatus:
    line = PipelineStatus(**{"name": "camera", "source": "rtsp://x", "state": "running", **changes})
    return status(slots=(slot(model(1)),), pipelines=(line,))


@pytest.mark.parametrize(
    ("found", "kind", "says"),
    [
        (box(last_seen_ms=None, status=None), "never-seen", "never answered"),
        (box(last_seen_ms=NOW - UNSEEN_MS - 1), "unseen", "answer: 7"),
        (box(problem="No route."), "no-answer", "No route."),
        (box(said=status(root=1, slots=(slot(model(1)),))), "root", "root 1 and not 2"),
        (box(skew_ms=-7_200_000.0, skew_error_ms=10.0), "clock", "-2.0 h"),
        (box(said=status(version="1.3.9", slots=(slot(model(1)),))), "runtime", "1.3.9"),
        (box(said=piped(state="no-input")), "line", "nothing comes in"),
        (box(said=piped(drift=True)), "drift", "camera"),
        (box(said=spooled(disk_free_bytes=LOW_DISK_BYTES - 1)), "disk", "536.9 MB"),
        (box(said=spooled(problem="it is full")), "spool", "it is full"),
        (box(said=spooled(results=3, samples=2, sample_bytes=4000)), "rows", "collected: 5"),
        (box(said=status()), "no-model", "No model"),
        (
            box(said=status(slots=(slot(model(1)), slot(model(2), slot="b", state="ROLLED_BACK", active=False)))),
            "decision",
            "rolled back",
        ),
    ],
)
def test_each_lack_is_told_with_its_evidence(found: Box, kind: str, says: str) -> None:
    need = needs(make_plan(known(found, models=[model(1)])))[kind]
    assert says in need_words("en", need)
    assert need_words("zh", need) != need_words("en", need)
    assert need.evidence_ms == found.last_seen_ms


def test_an_unsure_clock_is_not_accused() -> None:
    assert "clock" not in needs(make_plan(known(box(skew_ms=8000.0, skew_error_ms=4000.0))))


@pytest.mark.parametrize(
    ("found", "since", "told"),
    [
        (box(), 1, False),
        (box(), 2, False),
        (box(), 3, True),
        (box(last_seen_ms=None, status=None), 1, False),
        (box(last_seen_ms=None, status=None), 2, True),
        (box(said=status(root=0)), 1, False),
    ],
)
def test_a_box_that_may_not_know_this_desktop_is_told_of(found: Box, since: int, told: bool) -> None:
    assert ("stranger" in needs(make_plan(known(found, root=3, listed_since=since)))) == told


def test_the_loss_ledger_and_copies_bring_evidence_of_their_own() -> None:
    here, there = (
        Sighting(
            box=digest("line-1"),
            address=address,
            boot="1",
            machine="",
            host_key="",
            kernel_boot="",
            first_asked=0,
            first_heard=1,
            last_asked=2,
            last_heard=3,
            last_ms=77,
        )
        for address in ("192.0.2.1:7443", "192.0.2.9:7443")
    )
    clone = Clone(marks=("key",), proved=True, sides=(here, there))
    found = needs(
        make_plan(
            known(
                box(),
                clones=[clone],
                lost={digest("line-1"): Lost(rows=9, newest_ms=55)},
                names={digest("line-1"): "line-1"},
            )
        )
    )
    assert (found["losses"].evidence_ms, found["losses"].facts["rows"]) == (55, 9)
    assert found["copies"].evidence_ms == 77
    assert "192.0.2.9:7443" in need_words("en", found["copies"])


def test_the_newest_release_of_the_name_that_runs_is_brought_once_for_all_boxes() -> None:
    library = [model(1), model(2), model(3), model(9, name="other"), model(8, state="gated")]
    plan = make_plan(known(box("line-1"), box("line-2"), models=library, here=frozenset({model(3).sha256})))
    assert [needs(plan, number)["model"].facts["model"] for number in (0, 1)] == ["parts 1.3.0"] * 2
    (item,) = plan.items
    assert (item.name, item.bytes, item.here) == ("parts 1.3.0", 1000, True)
    assert item.boxes == (digest("line-1"), digest("line-2"))
    assert plan.bytes == 1000


def test_a_configuration_and_a_program_that_wait_for_a_box_are_carried() -> None:
    (one,) = make_plan(known(box())).boxes
    part = RolloutBox(box=one.box, wave=0, state="waiting")
    configuration = Rollout(
        rollout="c",
        model=digest("fields"),
        version="abc",
        state="running",
        created_ms=1,
        boxes=(part,),
        subject="configuration",
        object=digest("text"),
        size=40,
    )
    program = replace(configuration, rollout="p", subject="program", version="1.5.0", object=digest("zip"), size=900)
    here = {"here": frozenset({digest("text")}), "models": [model(1)]}
    plan = make_plan(known(box(), rollouts=[configuration, program], **here))
    found = needs(plan)
    assert (found["configuration"].bytes, found["program"].bytes) == (40, 900)
    assert need_words("en", found["configuration"]) == "Configuration abc is to come (a rollout brings it)."
    assert {item.name: (item.kind, item.bytes, item.here) for item in plan.items} == {
        "configuration abc": ("rollout", 40, True),
        "program 1.5.0": ("rollout", 900, False),
    }
    there = replace(configuration, boxes=(replace(part, state="trial"),))
    plan = make_plan(known(box(), rollouts=[there], **here))
    assert (needs(plan)["configuration"].bytes, plan.items) == (0, ())
    for ended in (replace(configuration, finished_ms=5), replace(configuration, boxes=(replace(part, state="held"),))):
        assert make_plan(known(box(), rollouts=[ended], **here)).boxes[0].needs == ()
    assert make_plan(known(box(), rollouts=[program], blacklisted={program.model: "no"}, **here)).items == ()


def test_a_rollout_goes_before_the_newest_release_and_a_finished_one_does_not() -> None:
    part = RolloutBox(box=digest("line-1"), wave=0, state="waiting")
    rollout = Rollout(rollout="r", model=model(2).model, version="1.2.0", state="running", created_ms=1, boxes=(part,))
    library = [model(1), model(2), model(3)]
    for change, expected in (
        ({}, "parts 1.2.0"),
        ({"finished_ms": 5}, "parts 1.3.0"),
        ({"boxes": (replace(part, state="committed"),)}, "parts 1.3.0"),
    ):
        plan = make_plan(known(box(), models=library, rollouts=[replace(rollout, **change)]))
        assert needs(plan)["model"].facts["model"] == expected


def test_what_lies_on_the_box_is_not_carried_and_what_it_refused_is_not_offered_again() -> None:
    staged = slot(model(2), slot="b", state="STAGED", active=False)
    refused = slot(model(2), slot="b", state="ROLLED_BACK", active=False, reason="too slow")
    there = make_plan(known(box(said=status(slots=(slot(model(1)), staged))), models=[model(1), model(2)]))
    assert needs(there)["model"].bytes == 0
    assert there.items == ()
    back = make_plan(known(box(said=status(slots=(slot(model(1)), refused))), models=[model(1), model(2)]))
    assert "model" not in needs(back)
    assert "too slow" in need_words("en", needs(back)["decision"])


def test_the_runtime_comes_by_architecture_and_what_is_not_here_is_told() -> None:
    old = partial(status, version="1.3.0", slots=(slot(model(1)),))
    stock = {"x86_64": EdgeStock(name="lineside-edge-1.4.0-x86_64", bytes=50)}
    boxes = [box("a", old("a")), box("b", old("b", arch="aarch64"))]
    plan = make_plan(known(*boxes, edge=stock))
    assert [(item.key, item.bytes, item.here) for item in plan.items] == [
        ("edge:aarch64", 0, False),
        ("edge:x86_64", 50, True),
    ]
    unknown = make_plan(known(box(said=old(arch="")), edge=stock))
    assert [item.key for item in unknown.items] == ["edge:x86_64"]
    nothing = make_plan(known(box(said=old(arch=""))))
    assert [(item.key, item.here) for item in nothing.items] == [("edge:", False)]


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ("1.9.0", "1.10.0", True),
        ("1.10.0", "1.9.0", False),
        ("1.0", "1.0", False),
        ("1.0.0rc1", "1.0.1", True),
        ("", "1.0", False),
        ("nonsense", "1.0", False),
        ("9" * 400, "1.0", False),
    ],
)
def test_versions_are_compared_number_by_number(one: str, other: str, older: bool) -> None:
    assert is_older(one, other) == older


MODELS = [model(number, name=name, size=number * 10) for name in ("parts", "seals") for number in (1, 2, 3)]
SLOTS = st.builds(
    lambda of, state, active: slot(of, state=state, active=active),
    st.sampled_from(MODELS),
    st.sampled_from(["STAGED", "COMMITTED", "ROLLED_BACK", "REJECTED", "TRIAL"]),
    st.booleans(),
)
STATUSES = st.none() | st.builds(
    lambda slots, version, root, free: status(
        slots=tuple(slots), version=version, root=root, spool=SpoolStatus(disk_free_bytes=free)
    ),
    st.lists(SLOTS, max_size=2),
    st.sampled_from([RUNTIME, "1.0", "x"]),
    st.integers(0, 3),
    st.integers(0, 2 * LOW_DISK_BYTES),
)
BOXES = st.lists(
    st.tuples(STATUSES, st.none() | st.integers(0, NOW), st.none() | st.floats(-1e9, 1e9)), max_size=4
).map(
    lambda rows: [
        replace(box(f"box {n}"), status=said, last_seen_ms=seen, skew_ms=skew)
        for n, (said, seen, skew) in enumerate(rows)
    ]
)


@given(boxes=BOXES, chosen=st.lists(st.sampled_from(MODELS), unique_by=lambda one: one.model), seed=st.integers(0, 9))
def test_a_plan_carries_each_thing_once_and_only_what_is_lacking(
    boxes: list[Box], chosen: list[Model], seed: int
) -> None:
    plan = make_plan(known(*boxes, models=chosen))
    assert {one.box for one in plan.boxes} == {one.box for one in boxes}
    keys = [item.key for item in plan.items]
    assert len(set(keys)) == len(keys)
    wanted = {need.carry for one in plan.boxes for need in one.needs if need.carry}
    assert set(keys) == wanted
    assert plan.bytes == sum(item.bytes for item in plan.items) <= sum(one.size for one in chosen)
    by_id = {one.box: one for one in boxes}
    for one in plan.boxes:
        said = by_id[one.box].status
        held = {f"bundle:{m.sha256}" for m in MODELS for s in (said.slots if said else ()) if s.bundle == m.model}
        assert not held & {need.carry for need in one.needs}
        for need in one.needs:
            assert need_words("en", need)
            assert need_words("zh", need)
    shuffled = random.Random(seed).sample(boxes, len(boxes))
    assert make_plan(known(*shuffled, models=list(reversed(chosen)))) == plan
