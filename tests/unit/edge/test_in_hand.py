"""Which frames were in hand when the process ended: told from the file alone, whatever is in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_runtime.awake import AwakeClock
from edge_runtime.inference import in_hand as module
from edge_runtime.inference.in_hand import GIVEN_UP_AFTER, PLACES, InHand, frame_key


def key(name: str) -> bytes:
    return frame_key("b" * 64, name, "d" * 64)


def end_with(path: Path, *names: str) -> InHand:
    """A life that is cut off with these in hand; returns what the next one knows."""
    life = InHand(path)
    held = [life.holding(key(name)) for name in names]
    for holding in held:
        holding.__enter__()
    life.close()
    return InHand(path)


def test_what_was_put_down_is_not_to_blame(tmp_path: Path) -> None:
    path = tmp_path / "sources" / "line.hand"
    life = InHand(path)
    with life.holding(key("well")):
        pass
    with pytest.raises(OSError, match="broken"), life.holding(key("raises")):
        raise OSError("broken")
    after = end_with(path, "bad")
    assert [after.ends(key(name)) for name in ("well", "raises", "bad")] == [0, 0, 1]
    for opened in (life, after):
        opened.close()


def test_the_ends_of_a_frame_add_up_also_over_a_life_in_which_it_did_not_come(tmp_path: Path) -> None:
    path = tmp_path / "line.hand"
    for life, expected in ((("bad",), 1), (("other",), 1), (("bad",), GIVEN_UP_AFTER), ((), GIVEN_UP_AFTER)):
        after = end_with(path, *life)
        assert after.ends(key("bad")) == expected
        after.close()


def test_a_frame_that_went_well_after_all_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "line.hand"
    after = end_with(path, "slow")
    with after.holding(key("slow")):
        pass
    after.close()
    after = end_with(path, "slow")
    assert after.ends(key("slow")) == 1
    after.close()


def test_of_several_suspects_one_is_taken_at_a_time_until_they_have_come(tmp_path: Path) -> None:
    path = tmp_path / "line.hand"
    after = end_with(path, "one", "two")
    assert after.careful
    with after.holding(key("one")):
        pass
    assert not after.careful, "only one is left"
    after.close()
    later = InHand(path)
    assert not later.careful, "nothing was in hand at the last end"
    assert later.ends(key("two")) == 1
    later.close()


def test_suspects_that_never_come_are_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAREFUL_S", 0.0)
    after = end_with(tmp_path / "line.hand", "one", "two")
    assert not after.careful
    after.close()


def test_an_orderly_stop_blames_only_what_hangs(tmp_path: Path) -> None:
    path = tmp_path / "line.hand"
    for patience, expected in ((10.0, 0), (0.0, 1)):
        life = InHand(path)
        holding = life.holding(key("slow"))
        holding.__enter__()
        life.stop(patience)
        life.close()
        after = InHand(path)
        assert after.ends(key("slow")) == expected
        after.close()


def test_time_in_which_the_box_stood_still_makes_no_frame_one_that_hangs(tmp_path: Path) -> None:
    path, now_s = tmp_path / "line.hand", 1000.0
    clock = AwakeClock(lambda: now_s)
    life = InHand(path, clock=clock)
    holding = life.holding(key("well"))
    holding.__enter__()
    now_s += 3600.0
    life.stop()
    life.close()
    after = InHand(path)
    assert after.ends(key("well")) == 0
    after.close()


def test_nor_does_it_have_suspects_taken_up_side_by_side(tmp_path: Path) -> None:
    path, now_s = tmp_path / "line.hand", 1000.0
    life = InHand(path)
    held = [life.holding(key(name)) for name in ("one", "two")]
    for holding in held:
        holding.__enter__()
    life.close()
    after = InHand(path, clock=AwakeClock(lambda: now_s))
    now_s += 3600.0
    assert after.careful
    after.close()


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(200), b"\xff" * 100_000])
def test_whatever_is_in_the_file_the_line_goes_on(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "line.hand"
    path.write_bytes(content)
    after = end_with(path, "bad")
    assert after.ends(key("bad")) == 1
    after.close()


def test_more_than_there_are_places_for_are_not_written_down_and_the_oldest_suspects_go(tmp_path: Path) -> None:
    path = tmp_path / "line.hand"
    first = end_with(path, *(f"old-{number}" for number in range(PLACES + 3)))
    assert sum(first.ends(key(f"old-{number}")) for number in range(PLACES + 3)) == PLACES
    first.close()
    end_with(path, "new").close()
    later = InHand(path)
    assert later.ends(key("new")) == 1
    assert sum(later.ends(key(f"old-{number}")) for number in range(PLACES + 3)) == PLACES - 1
    later.close()


def test_where_nothing_can_be_written_the_line_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (None, tmp_path / "file" / "line.hand"):
        nothing = InHand(path)
        with nothing.holding(key("frame")):
            assert not nothing.careful
        nothing.close()


def test_an_end_that_something_else_brought_about_is_held_against_nobody(tmp_path: Path) -> None:
    path = tmp_path / "line.hand"
    for _ in range(GIVEN_UP_AFTER):
        life = InHand(path, blame=False)
        holding = life.holding(key("beside"))
        holding.__enter__()
        life.close()
    after = InHand(path, blame=False)
    assert (after.interrupted, after.ends(key("beside"))) == (True, 0)
    after.close()
    again = InHand(path)
    assert not again.interrupted
    again.close()


def test_what_stays_a_suspect_is_acquitted_by_nothing_but_word(tmp_path: Path) -> None:
    path = tmp_path / "shadow.hand"
    after = end_with(path, "brittle")
    with after.holding(key("brittle"), acquit=False):
        pass
    after.close()
    again = end_with(path, "brittle")
    assert again.ends(key("brittle")) == GIVEN_UP_AFTER
    again.acquit(key("brittle"))
    assert again.ends(key("brittle")) == 0
    again.close()
