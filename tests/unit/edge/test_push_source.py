"""Pushed frames: bounded, in order, and no promise that is not kept."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources import open_source, push
from edge_runtime.sources.base import Source, SourceOptions
from edge_runtime.sources.push import MAX_WAITING, PushBoard


@pytest.fixture
def board() -> PushBoard:
    return PushBoard()


def opened(board: PushBoard | None, name: str = "door", *, once: bool = False) -> Source:
    return open_source(f"push:{name}", Path("unused"), SourceOptions(board=board, once=once))


def test_frames_come_in_the_order_in_which_they_were_taken(board: PushBoard) -> None:
    source = opened(board)
    assert source.read(0.0) is None
    assert [board.offer("door", b"%d" % i) for i in range(3)] == ["taken"] * 3
    frames = [source.read(0.1) for _ in range(3)]
    assert [frame.data for frame in frames if frame] == [b"0", b"1", b"2"]
    assert [frame.name for frame in frames if frame] == ["door-000001", "door-000002", "door-000003"]
    assert source.read(0.0) is None
    assert (source.problem, source.finished, source.dropped) == (None, False, 0)
    source.close()


def test_what_waits_at_a_mark_is_told_from_what_comes_later(board: PushBoard) -> None:
    source = opened(board)
    for name in (b"old", b"old too"):
        board.offer("door", name)
    board.mark()
    board.offer("door", b"new")
    source.close()
    # Also for the source that takes its place.
    source = opened(board)
    frames = [source.read(0.1) for _ in range(3)]
    assert [(frame.data, frame.waited) for frame in frames if frame] == [
        (b"old", True),
        (b"old too", True),
        (b"new", False),
    ]
    source.close()


def test_what_is_full_says_so_and_takes_again_when_there_is_room(board: PushBoard) -> None:
    source = opened(board)
    assert {board.offer("door", b"x") for _ in range(MAX_WAITING)} == {"taken"}
    assert board.offer("door", b"x") == "full"
    source.read(0.1)
    assert board.offer("door", b"x") == "taken"
    source.close()


def test_bytes_are_bounded_but_one_large_frame_always_fits_an_empty_queue(
    board: PushBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "MAX_WAITING_BYTES", 100)
    source = opened(board)
    assert [board.offer("door", bytes(size)) for size in (60, 40, 1)] == ["taken", "taken", "full"]
    source.read(0.1)
    source.read(0.1)
    assert [board.offer("door", bytes(size)) for size in (1000, 1)] == ["taken", "full"]
    source.close()


def test_nobody_takes_what_is_for_a_pipeline_that_is_not_there_or_no_longer() -> None:
    dropped: list[tuple[int, int]] = []
    board = PushBoard(lambda count, size: dropped.append((count, size)))
    assert board.offer("door", b"x") == "unknown"
    board.keep(["door"])
    assert board.offer("door", b"xyz") == board.offer("door", b"xy") == "taken"
    source = opened(board)
    board.keep(["window"])
    assert board.offer("door", b"x") == "unknown"
    assert source.read(0.0) is None
    board.keep(["door"])
    again = opened(board)
    source.close()
    with pytest.raises(InputInvalid, match="Another pipeline"):
        opened(board)
    assert again.read(0.0) is None
    again.close()
    board.keep(())
    assert dropped == [(2, 5)]


def test_what_was_taken_outlives_the_source_that_was_to_read_it(board: PushBoard) -> None:
    source = opened(board)
    assert [board.offer("door", b"%d" % i) for i in range(2)] == ["taken"] * 2
    assert source.read(0.0) is not None
    source.close()
    assert [board.offer("door", b"%d" % (2 + i)) for i in range(MAX_WAITING)] == ["taken"] * (MAX_WAITING - 1) + [
        "full"
    ]
    board.keep(["door"])
    again = opened(board)
    frames = [again.read(0.0) for _ in range(2)]
    assert [(frame.name, frame.data) for frame in frames if frame] == [("door-000002", b"1"), ("door-000003", b"2")]
    again.close()


def test_a_name_belongs_to_one_pipeline(board: PushBoard) -> None:
    first = opened(board)
    with pytest.raises(InputInvalid, match="Another pipeline"):
        opened(board)
    other = opened(board, "window")
    first.close()
    opened(board).close()
    other.close()


@pytest.mark.parametrize("name", ["", "a/b", "-x", "a" * 65, "a\n", "ä"])
def test_what_is_no_name_is_refused(board: PushBoard, name: str) -> None:
    with pytest.raises(InputInvalid, match="name"):
        opened(board, name)


def test_without_a_running_box_nothing_can_be_pushed(board: PushBoard) -> None:
    for refused in ({"board": None}, {"board": board, "once": True}):
        with pytest.raises(InputInvalid, match="running box"):
            opened(**refused)


def test_many_hands_push_and_nothing_is_lost_or_doubled(board: PushBoard) -> None:
    source = opened(board)
    taken: list[bytes] = []
    lock = threading.Lock()

    def offer(hand: int) -> None:
        for number in range(200):
            body = b"%d-%d" % (hand, number)
            while board.offer("door", body) == "full":
                pass
            with lock:
                taken.append(body)

    hands = [threading.Thread(target=offer, args=(hand,)) for hand in range(4)]
    for hand in hands:
        hand.start()
    got: list[bytes] = []
    while len(got) < 800:
        frame = source.read(5.0)
        assert frame is not None
        got.append(frame.data)
    for hand in hands:
        hand.join()
    assert sorted(got) == sorted(taken)
    for number in range(4):
        own = [int(body.split(b"-")[1]) for body in got if body.startswith(b"%d-" % number)]
        assert own == list(range(200))
    source.close()
