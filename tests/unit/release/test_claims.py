"""Two desktops that promised one box different bundles while apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.release.claims import Claim, Verdict, settle, stands
from cloud_sync.release.plan import ON_BOX, OPEN, BoxState

EARLY = Claim(rollout="r1", bundle="a", replica="desk-1", stamp="1", ended=None, state="waiting")
LATE = Claim(rollout="r2", bundle="b", replica="desk-2", stamp="2", ended=None, state="waiting")


def test_the_later_clock_stands_and_of_equal_ones_the_greater_replica() -> None:
    assert stands([EARLY, LATE]) is LATE
    assert stands([replace(EARLY, stamp="2"), LATE]) is LATE
    assert settle([EARLY, LATE], None) == {"r1": Verdict("overtaken", "r2")}
    assert settle([LATE, EARLY], None) == {"r1": Verdict("overtaken", "r2")}


def test_what_the_box_has_in_hand_is_left_to_its_end() -> None:
    assert settle([replace(EARLY, state="trial"), LATE], None) == {}


def test_the_box_has_the_last_word() -> None:
    """It committed the earlier one last: that one is the truth, and the other says so."""
    both = [replace(EARLY, state="installing"), replace(LATE, state="committed")]
    assert settle(both, "a") == {"r1": Verdict("committed"), "r2": Verdict("overtaken", "r1")}
    assert settle([replace(EARLY, state="overtaken"), replace(LATE, state="rolled-back")], "a") == {
        "r1": Verdict("committed")
    }


def test_what_was_committed_first_and_replaced_by_the_other_is_overtaken() -> None:
    both = [replace(EARLY, state="committed"), replace(LATE, state="committed")]
    assert settle(both, "b") == {"r1": Verdict("overtaken", "r2")}
    # Until the other is there, it is what the box runs.
    assert settle([replace(EARLY, state="committed"), LATE], "a") == {}


def test_what_a_box_can_have_beside_each_other_stays_committed() -> None:
    both = [replace(EARLY, state="committed", beside=frozenset("b")), replace(LATE, state="committed")]
    assert settle(both, "b") == {}


def test_rollouts_after_each_other_or_of_one_desktop_are_no_conflict() -> None:
    assert settle([replace(EARLY, ended="15"), replace(LATE, stamp="16")], None) == {}
    assert settle([replace(EARLY, replica="desk-2"), LATE], None) == {}
    assert settle([EARLY, replace(LATE, bundle="a")], None) == {}


CLAIMS = st.lists(
    st.builds(
        Claim,
        rollout=st.uuids().map(str),
        bundle=st.sampled_from("abc"),
        replica=st.sampled_from(["desk-1", "desk-2", "desk-3"]),
        stamp=st.sampled_from(["1", "2", "3"]),
        ended=st.sampled_from([None, "2", "4"]),
        state=st.sampled_from(get_args(BoxState)),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda claim: claim.rollout,
)


@given(CLAIMS, st.sampled_from([None, "a", "b", "c"]))
def test_it_is_the_same_in_every_order_and_settles_at_once(claims: list[Claim], running: str | None) -> None:
    verdicts = settle(claims, running)
    for order in permutations(claims):
        assert settle(order, running) == verdicts
    after = [
        replace(claim, state=verdicts[claim.rollout].state) if claim.rollout in verdicts else claim for claim in claims
    ]
    assert settle(after, running) == {}


@given(CLAIMS, st.sampled_from([None, "a", "b", "c"]))
def test_at_most_one_desktop_goes_on_with_a_box(claims: list[Claim], running: str | None) -> None:
    verdicts = settle(claims, running)
    together = [replace(claim, ended=None) for claim in claims]
    verdicts = settle(together, running)
    going = {
        (claim.bundle, claim.replica)
        for claim in together
        if claim.rollout not in verdicts and claim.state in OPEN - ON_BOX
    }
    first = stands(together)
    for bundle, replica in going:
        assert bundle == first.bundle or replica == first.replica or bundle == running
