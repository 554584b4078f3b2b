"""Versions of a configuration: whatever happens in whatever order, exactly one counts."""

from __future__ import annotations

import hashlib
import random

import pytest

from edge_runtime.configuring import versions
from edge_runtime.contracts.configuring import MAX_VERSIONS, ConfigHistory, ConfigOrigin, ConfigState


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def added(
    history: ConfigHistory,
    number: int,
    state: ConfigState,
    *,
    text: str = "",
    origin: ConfigOrigin = "sent",
    size: int = 100,
    of: int | None = None,
) -> ConfigHistory:
    return versions.add(
        history,
        number=number,
        digest=digest(text or str(number)),
        size=size,
        at_ms=number,
        who="box",
        origin=origin,
        state=state,
        of=of,
    )


def states(history: ConfigHistory) -> list[str]:
    return [one.state for one in history.versions]


FIRST = added(ConfigHistory(), 1, "in-force", origin="found")
TRIED = added(FIRST, 2, "trial")


def test_a_trial_ends_one_way_or_the_other() -> None:
    assert states(TRIED) == ["in-force", "trial"]
    assert states(versions.commit(TRIED)) == ["replaced", "in-force"]
    returned = versions.give_up(TRIED, "no frame came")
    assert states(returned) == ["in-force", "returned"]
    assert returned.versions[-1].reason == "no frame came"
    assert versions.commit(FIRST) == FIRST
    assert versions.give_up(FIRST, "x") == FIRST


@pytest.mark.parametrize(
    ("file", "wanted"),
    [("1", ["in-force", "returned"]), ("2", ["replaced", "in-force"]), ("by hand", ["replaced", "returned"])],
    ids=["cut in the trial", "cut in the commit", "edited in the trial"],
)
def test_the_file_alone_says_what_counts_after_a_power_cut(file: str, wanted: list[str]) -> None:
    recovered = versions.recover(TRIED, digest(file))
    assert states(recovered) == wanted
    in_force = recovered.in_state("in-force")
    assert (in_force.digest if in_force else None) == (digest(file) if file != "by hand" else None)
    if wanted[1] == "returned":
        assert recovered.versions[1].reason == versions.CUT_DURING_TRIAL


def test_an_edit_counts_from_the_next_start_and_not_after_it_was_taken_back() -> None:
    edited = added(FIRST, 2, "waiting", text="by hand", origin="edited")
    assert states(versions.recover(edited, digest("by hand"))) == ["replaced", "in-force"]
    assert states(versions.recover(edited, digest("1"))) == ["in-force", "replaced"]
    assert states(versions.without_waiting(edited)) == ["in-force", "replaced"]
    # What is sent in its place, knowingly, takes its place.
    assert states(versions.commit(added(edited, 3, "trial"))) == ["replaced", "replaced", "in-force"]
    assert states(versions.give_up(added(edited, 3, "trial"), "x")) == ["in-force", "waiting", "returned"]


def test_the_way_back_leads_to_another_text_that_was_in_force() -> None:
    assert versions.before(FIRST) is None
    assert versions.before(versions.give_up(TRIED, "x")) is None
    second = versions.commit(TRIED)
    back = versions.before(second)
    assert back is not None
    assert back.number == 1
    again = versions.commit(added(second, 3, "trial", text="1", origin="returned-to"))
    forth = versions.before(again)
    assert forth is not None
    assert forth.number == 2


def test_an_edit_that_never_counted_is_no_way_back() -> None:
    undone = versions.without_waiting(added(FIRST, 2, "waiting", text="by hand", origin="edited"))
    second = versions.commit(added(undone, 3, "trial"))
    assert states(second) == ["replaced", "replaced", "in-force"]
    back = versions.before(second)
    assert back is not None
    assert back.number == 1
    assert [one.number for one in versions.earlier(second)] == [1]
    counted = versions.recover(added(FIRST, 2, "waiting", text="by hand", origin="edited"), digest("by hand"))
    assert [one.number for one in versions.earlier(versions.commit(added(counted, 3, "trial")))] == [2, 1]


def test_one_that_is_left_is_returned_from_with_its_reason_and_its_successor_in_force() -> None:
    third = versions.commit(added(versions.commit(TRIED), 3, "trial"))
    assert versions.last_change(third) == 3
    assert [one.number for one in versions.earlier(third)] == [2, 1]
    left = versions.leave(third, 2, "it crashed")
    assert states(left) == ["replaced", "in-force", "returned"]
    assert [one.reason for one in left.versions] == ["", "", "it crashed"]
    assert versions.last_change(left) == 2
    assert [one.number for one in versions.earlier(left)] == [1]
    assert versions.earlier(versions.leave(left, 1, "it crashed")) == ()
    # The file that is written with it is what counts at the next start.
    assert versions.recover(left, digest("2")) == left


def test_another_name_is_no_change_of_the_configuration() -> None:
    assert versions.last_change(ConfigHistory()) == 0
    assert versions.earlier(ConfigHistory()) == ()
    named = added(added(versions.commit(TRIED), 3, "in-force", origin="renamed"), 4, "in-force", origin="renamed")
    assert versions.last_change(named) == 2
    assert [one.number for one in versions.earlier(named)] == [1]


def test_whatever_happens_one_counts_and_no_more_is_kept_than_may_be() -> None:
    dice = random.Random(7)
    history, number = FIRST, 1
    for _ in range(2000):
        choice = dice.randrange(5)
        if choice == 0 and history.in_state("trial") is None:
            number += 1
            history = added(history, number, "trial", size=dice.choice([100, 256 * 1024]))
        elif choice == 1:
            history = versions.commit(history)
        elif choice == 2:
            history = versions.give_up(history, "x")
        elif choice == 3 and history.in_state("trial") is None:
            number += 1
            history = added(history, number, "waiting", origin="edited")
        elif choice == 4:
            standing = history.in_state("waiting") or history.in_state("in-force")
            assert standing is not None
            history = versions.recover(history, standing.digest)
            assert history.in_state("trial") is history.in_state("waiting") is None
        live = [one for one in history.versions if one.state in ("trial", "in-force", "waiting")]
        assert [one.state for one in live].count("in-force") == 1
        assert len(live) == len({one.state for one in live})
        assert len(history.versions) <= MAX_VERSIONS
        assert sum(one.bytes for one in history.versions) <= versions.MAX_KEPT_BYTES
        numbers = [one.number for one in history.versions]
        assert numbers == sorted(set(numbers))


def test_a_box_says_which_version_brought_what_is_in_force() -> None:
    """Somebody who goes back to a version makes a new one of it, and so does a new name."""

    def told(history: ConfigHistory) -> tuple[int, int]:
        status = versions.status(history)
        assert status is not None
        return status.in_force, status.brought_by

    changed = versions.commit(TRIED)
    assert (told(FIRST), told(changed)) == ((1, 1), (2, 2))
    renamed = added(changed, 3, "in-force", origin="renamed")
    assert told(renamed) == (3, 2)
    back = added(renamed, 4, "in-force", text="1", origin="returned-to", of=1)
    assert told(back) == (4, 1)
    assert told(added(back, 5, "in-force", text="1 again", origin="renamed")) == (5, 1)
    forth = added(added(back, 5, "in-force"), 6, "in-force", text="1", origin="returned-to", of=4)
    assert told(forth) == (6, 1)
    assert told(versions.leave(changed, 1, "it crashed")) == (1, 1)
