"""The folder source: whole files, each once, in order, however they are written."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources import memory, open_source, watch
from edge_runtime.sources.base import Frame, Order, Source, SourceOptions, media_type
from edge_runtime.sources.folder import FolderSource
from edge_runtime.update.durable import open_database
from tests.unit.edge.nobody import as_nobody
from tests.waiting import wait_until

JPEG = b"\xff\xd8\xff\xda some image \xff\xd9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "frames").mkdir()
    return tmp_path / "frames"


@pytest.fixture
def source(tmp_path: Path, folder: Path) -> Iterator[FolderSource]:
    opened = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions())
    yield opened
    opened.close()


def put(folder: Path, name: str, body: bytes = JPEG, at_s: int | None = None) -> None:
    part = folder / f"{name}.part"
    part.write_bytes(body)
    if at_s is not None:
        os.utime(part, (at_s, at_s))
    part.rename(folder / name)


def take(source: Source, count: int) -> list[Frame]:
    return [wait_until(lambda: source.read(0.1), 10, f"frame {i}") for i in range(count)]


def test_files_come_in_order_of_their_time_and_once(source: FolderSource, folder: Path) -> None:
    put(folder, "c.jpg", at_s=1000)
    put(folder, "a.jpg", at_s=2000)
    put(folder, "b.jpg", at_s=1500)
    assert [frame.name for frame in take(source, 3)] == ["c.jpg", "b.jpg", "a.jpg"]
    assert source.read(0.3) is None
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]


def test_unfinished_names_folders_links_and_pipes_are_not_frames(source: FolderSource, folder: Path) -> None:
    for name in (".hidden.jpg", "a.jpg.part", "b.tmp"):
        (folder / name).write_bytes(JPEG)
    (folder / "sub").mkdir()
    (folder / "link.jpg").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe.jpg")
    put(folder, "real.jpg")
    assert take(source, 1)[0].name == "real.jpg"
    assert source.read(0.3) is None


def test_a_file_that_grows_is_read_when_it_is_whole(source: FolderSource, folder: Path) -> None:
    body = JPEG[:-2] + b"x" * 1000 + JPEG[-2:]
    with (folder / "slow.jpg").open("wb", buffering=0) as file:
        for start in range(0, 900, 300):
            file.write(body[start : start + 300])
            assert source.read(0.15) is None
        file.write(body[900:])
        assert take(source, 1)[0].data == body


def test_the_end_of_a_jpegs_thumbnail_is_not_its_own(source: FolderSource, folder: Path) -> None:
    exif = b"Exif\0\0" + JPEG
    body = JPEG[:2] + b"\xff\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + JPEG[2:-2] + bytes(100) + JPEG[-2:]
    with (folder / "camera.jpg").open("wb", buffering=0) as file:
        end = body.index(b"\xff\xd9") + 2
        for begin, stop in ((0, end), (end, end + 30)):
            file.write(body[begin:stop])
            assert source.read(0.5) is None
        file.write(body[end + 30 :])
        assert take(source, 1)[0].data == body


def test_a_file_that_stays_cut_off_is_handed_on_in_the_end(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.4)
    (folder / "empty.jpg").touch()
    (folder / "cut.jpg").write_bytes(JPEG[:-3])
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n1234")
    assert source.read(0.2) is None
    assert {frame.name: len(frame.data) for frame in take(source, 3)} == {
        "empty.jpg": 0,
        "cut.jpg": len(JPEG) - 3,
        "cut.png": 12,
    }


@pytest.mark.parametrize("head", [b"BM", b"II*\x00", b"MM\x00*", b"anything else"])
def test_what_has_no_mark_at_its_end_is_left_until_nobody_writes_to_it(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 60.0)
    body = head + b"first half"
    (folder / "frame").write_bytes(body)
    put(folder, "beside.jpg")
    assert take(source, 1)[0].name == "beside.jpg"
    assert source.read(0.4) is None
    with (folder / "frame").open("ab") as file:
        file.write(b"second half")
    os.utime(folder / "frame", (1000, 1000))
    monkeypatch.setattr(watch, "PATIENCE_S", 0.2)
    assert take(source, 1)[0].data == body + b"second half"


@pytest.mark.parametrize("kind", [".bmp", ".tiff", ".jpg"])
def test_a_place_on_the_disk_that_is_still_being_filled_is_no_image(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The size is right from the beginning, and whoever writes makes a pause that is longer than most."""
    monkeypatch.setattr(watch, "PATIENCE_S", 0.1)
    monkeypatch.setattr(watch, "UNFILLED_S", 60.0)
    picture = np.random.default_rng(3).integers(1, 255, (48, 64, 3), np.uint8)
    body = cv2.imencode(kind, picture)[1].tobytes()
    half = len(body) // 2
    with (folder / f"frame{kind}").open("wb", buffering=0) as file:
        file.write(body[:half] + bytes(len(body) - half))
        os.utime(file.fileno(), (1000, 1000))
        put(folder, "beside.bmp", b"BM without an end")
        assert source.read(0.4) is None, "it may be finished, and then it comes first"
        file.seek(half)
        file.write(body[half:])
    assert [frame.name for frame in take(source, 2)] == ["beside.bmp", f"frame{kind}"], "now it is known that it is not"


@pytest.mark.parametrize("order", ["time", "name"])
def test_files_without_an_end_that_have_lain_there_come_in_order(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.3)
    monkeypatch.setattr(watch, "UNFILLED_S", 0.6)
    names = [f"{i:03}{kind}" for i, kind in enumerate([".bmp", ".jpg", "-black.bmp"] * 20)]
    bodies = {".jpg": JPEG, "-black.bmp": b"BM" + bytes(100), ".bmp": b"BM without an end"}
    for i, name in enumerate(names):
        put(folder, name, bodies[name[3:]], at_s=1000 + i)
    source = FolderSource(str(folder), tmp_path / "other.db", SourceOptions(order=order))
    assert [frame.name for frame in take(source, len(names))] == names
    source.close()


def test_a_folder_that_is_slow_shows_signs_of_life(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a call that is away nobody knows whether it hangs: it comes back though nothing was found yet."""
    monkeypatch.setattr(watch, "AWAY_S", 0.0)
    for i in range(20):
        put(folder, f"{i:02}.jpg", at_s=1000 + i)
    calls = [frame.name if (frame := source.read(0.0)) else None for _ in range(60)]
    assert calls.count(None) >= 20, "after each look"
    assert [name for name in calls if name] == [f"{i:02}.jpg" for i in range(20)]


class Clock:
    """In the place of :mod:`time`: nothing takes time but what says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    time_ns = staticmethod(time.time_ns)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


class SlowShare:
    """Each look at a file takes so long."""

    def __init__(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.takes_s = 0.0
        look = watch._look

        def slowly(found: os.stat_result) -> int:
            clock.now_s += self.takes_s
            return look(found)

        monkeypatch.setattr(watch, "_look", slowly)


def named(source: Source, name: str) -> bool:
    frame = source.read(0.1)
    return frame is not None and frame.name == name


def test_after_a_share_has_hung_what_came_meanwhile_is_found_as_ever(
    source: FolderSource, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = SlowShare(clock, monkeypatch)
    for i in range(3):
        put(folder, f"{i}.jpg", at_s=1000 + i)
    take(source, 3)
    share.takes_s = 100.0
    put(folder, "late.jpg")
    found: list[str] = []
    told: set[str | None] = set()
    while not found and clock.now_s < 100_000:
        found += [frame.name for frame in [source.read(0.1)] if frame]
        told.add(source.problem)
    share.takes_s = 0.0
    back_s = clock.now_s
    assert found == ["late.jpg"]
    assert f"The folder {folder} did not answer for 100 s; it is being looked at again." in told
    put(folder, "after.jpg")
    wait_until(lambda: named(source, "after.jpg"), 10, "the next frame")
    assert clock.now_s - back_s < 5.0
    wait_until(lambda: source.read(0.1) is None and source.problem is None, 10, "a look to come through")


def test_a_share_that_was_slow_is_soon_looked_at_again(
    source: FolderSource, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that took long says nothing of the next one."""
    share = SlowShare(clock, monkeypatch)
    share.takes_s = watch.ANSWERS_S / 2
    for i in range(50):
        put(folder, f"{i:02}.jpg", at_s=1000 + i)
    take(source, 50)
    # Once more over all of them, which is what takes long.
    before_s = clock.now_s
    while clock.now_s < before_s + 2 * watch.LONGEST_RECHECK_S:
        assert source.read(0.1) is None
    share.takes_s = 0.0
    for name, within_s, again in (
        ("new.jpg", watch.LONGEST_PAUSE_S, False),
        ("00.jpg", watch.LONGEST_RECHECK_S, True),
    ):
        begun_s = clock.now_s
        put(folder, name, JPEG + b"again" if again else JPEG)
        while not named(source, name):
            assert clock.now_s - begun_s <= within_s + 5.0, name


def test_files_that_came_later_hold_up_nobody(source: FolderSource, folder: Path, clock: Clock) -> None:
    """A backfill that keeps the files' old times, for as long as it lasts: one comes whenever the last one is due."""
    put(folder, "first.jpg", at_s=500)
    take(source, 1)
    names: list[str] = []
    for i in range(10):
        put(folder, f"{i}.bmp", b"BM without an end", at_s=1000 + i)
        put(folder, f"{i}.jpg", at_s=2000 + i)
        until_s = clock.now_s + 0.9 * watch.PATIENCE_S
        while clock.now_s < until_s:
            names += [frame.name for frame in [source.read(0.1)] if frame]
    assert [name for name in names if name.endswith(".jpg")] == [f"{i}.jpg" for i in range(10)], "each in its turn"
    names += [frame.name for frame in take(source, 20 - len(names))]
    assert [name for name in names if name.endswith(".bmp")] == [f"{i}.bmp" for i in range(10)]


def test_what_lay_there_when_a_share_came_back_at_last_comes_in_order(tmp_path: Path, clock: Clock) -> None:
    """The first look is the first one that comes through."""
    folder = tmp_path / "away"
    source = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions())
    assert source.read(0.1) is None
    assert source.problem is not None
    other = tmp_path / "other"
    other.mkdir()
    put(other, "0.bmp", b"BM without an end", at_s=1000)
    put(other, "1.jpg", at_s=1001)
    other.rename(folder)
    assert [frame.name for frame in take(source, 2)] == ["0.bmp", "1.jpg"]
    source.close()


def test_a_picture_that_ends_in_black_comes_in_the_end(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.1)
    monkeypatch.setattr(watch, "UNFILLED_S", 0.5)
    body = cv2.imencode(".bmp", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    (folder / "black.bmp").write_bytes(body)
    assert take(source, 1)[0].data == body


def test_new_content_under_an_old_name_is_a_new_frame(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RECHECK_S", 0.1)
    put(folder, "latest.jpg", at_s=1000)
    assert take(source, 1)[0].data == JPEG
    (folder / "latest.jpg").write_bytes(b"other content")
    assert take(source, 1)[0].data == b"other content"
    assert source.read(0.4) is None


def test_what_was_committed_does_not_come_again_and_what_was_not_does(tmp_path: Path, folder: Path) -> None:
    place = tmp_path / "memory" / "camera.db"
    put(folder, "a.jpg", at_s=1)
    put(folder, "b.jpg", at_s=2)
    first = FolderSource(str(folder), place, SourceOptions())
    assert take(first, 1)[0].name == "a.jpg"
    first.commit()
    assert take(first, 1)[0].name == "b.jpg"
    first.close()
    second = FolderSource(str(folder), place, SourceOptions())
    assert take(second, 1)[0].name == "b.jpg"
    assert second.read(0.3) is None
    second.commit()
    second.close()
    place.write_bytes(b"no database" * 1000)
    third = FolderSource(str(folder), place, SourceOptions())
    assert [frame.name for frame in take(third, 2)] == ["a.jpg", "b.jpg"]
    third.close()


def test_two_thousand_files_and_then_one_more(source: FolderSource, folder: Path) -> None:
    for i in range(2000):
        (folder / f"{i:05}.jpg").write_bytes(JPEG)
    frames = take(source, 2000)
    assert {frame.name for frame in frames} == {f"{i:05}.jpg" for i in range(2000)}
    source.commit()
    put(folder, "late.jpg")
    assert take(source, 1)[0].name == "late.jpg"


def test_the_memory_of_files_that_are_gone_is_dropped_in_the_end(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_FORGET_ABOVE", 10)
    for i in range(30):
        put(folder, f"{i}.jpg", at_s=1000)
    take(source, 30)
    for i in range(30):
        (folder / f"{i}.jpg").unlink()
    put(folder, "new.jpg")
    assert take(source, 1)[0].name == "new.jpg"
    put(folder, "0.jpg", at_s=1000)
    assert take(source, 1)[0].name == "0.jpg"


def test_a_folder_may_go_and_come_back(source: FolderSource, folder: Path) -> None:
    put(folder, "a.jpg")
    take(source, 1)
    away = folder.with_name("away")
    folder.rename(away)
    assert source.read(0.2) is None
    assert source.problem is not None
    assert str(folder) in source.problem
    away.rename(folder)
    put(folder, "b.jpg")
    assert take(source, 1)[0].name == "b.jpg"
    assert source.problem is None


def test_a_file_that_is_opened_to_others_late_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "RECHECK_S", 0.1)
    with as_nobody() as place:
        folder = place / "frames"
        folder.mkdir()
        put(folder, "late.jpg", at_s=1000)
        (folder / "late.jpg").chmod(0o000)
        source = FolderSource(str(folder), place / "memory.db", SourceOptions())
        (refused,) = take(source, 1)
        assert (refused.name, refused.data) == ("late.jpg", b"")
        assert refused.problem == "The file cannot be read: Permission denied."
        assert source.problem == f"late.jpg: {refused.problem}"
        source.commit()
        assert source.read(0.4) is None, "it is told once"
        (folder / "late.jpg").chmod(0o600)
        (frame,) = take(source, 1)
        assert [frame.data, frame.problem, source.problem] == [JPEG, None, None]
        source.commit()
        (folder / "late.jpg").chmod(0o640)
        assert source.read(0.4) is None, "what was read does not come again for its rights alone"
        put(folder, "gone.jpg", at_s=1000)
        (folder / "gone.jpg").chmod(0o000)
        assert take(source, 1)[0].problem is not None
        (folder / "gone.jpg").unlink()
        wait_until(lambda: source.read(0.1) is None and source.problem is None, 10, "the file to be forgotten")
        source.close()


def test_a_refused_file_may_come_after_a_restart() -> None:
    with as_nobody() as place:
        folder = place / "frames"
        folder.mkdir()
        put(folder, "late.jpg", at_s=1000)
        for mode, wanted in ((0o000, b""), (0o600, JPEG)):
            (folder / "late.jpg").chmod(mode)
            source = FolderSource(str(folder), place / "memory.db", SourceOptions(once=True))
            assert take(source, 1)[0].data == wanted
            assert source.finished
            source.commit()
            source.close()


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_scan_that_failed_has_not_finished(mode: int) -> None:
    with as_nobody() as place:
        folder = place / "frames"
        folder.mkdir()
        put(folder, "a.jpg", at_s=1000)
        folder.chmod(mode)
        source = FolderSource(str(folder), place / "memory.db", SourceOptions(once=True))
        with pytest.raises(InputInvalid, match="Permission denied"):
            source.read(0.1)
        assert not source.finished
        assert str(folder) in str(source.problem)
        folder.chmod(0o700)
        assert take(source, 1)[0].name == "a.jpg"
        assert source.problem is None
        folder.parent.chmod(0o000)
        try:
            with pytest.raises(InputInvalid, match="Permission denied"):
                FolderSource(str(folder), place / "other.db", SourceOptions(once=True))
        finally:
            folder.parent.chmod(0o700)
        source.close()


def test_names_that_are_no_text_do_not_stop_the_line(source: FolderSource, folder: Path) -> None:
    (folder / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(JPEG)
    assert take(source, 1)[0].name == "\N{REPLACEMENT CHARACTER}" * 2 + ".jpg"
    source.commit()


def test_once_gives_what_is_there_in_order_and_is_finished(tmp_path: Path, folder: Path) -> None:
    for name, at_s in (("b.jpg", 3), ("c.jpg", 1), ("a.jpg", 2)):
        put(folder, name, at_s=at_s)
    orders: tuple[tuple[Order, str], ...] = (("time", "cab"), ("name", "abc"))
    for order, wanted in orders:
        options = SourceOptions(once=True, order=order)
        source = open_source(f"folder:{folder}", tmp_path / f"{order}.db", options)
        assert not source.finished
        assert [frame.name[0] for frame in take(source, 3)] == list(wanted)
        put(folder, f"later-{order}.tmp")
        assert source.read(0.0) is None
        assert source.finished
        source.close()
    with pytest.raises(InputInvalid, match="no folder"):
        open_source(f"folder:{folder}/away", tmp_path / "away.db", SourceOptions(once=True))


def test_once_waits_for_what_is_being_written(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.4)
    (folder / "young.jpg").write_bytes(JPEG)
    (folder / "cut.jpg").write_bytes(JPEG[:-3])
    put(folder, "old and cut.jpg", JPEG[:-3], at_s=1000)
    source = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions(once=True))
    assert [frame.name for frame in take(source, 3)] == ["old and cut.jpg", "young.jpg", "cut.jpg"]
    assert source.read(0.0) is None
    assert source.finished
    source.close()
    empty = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions(once=True))
    empty.commit()
    empty.close()


def test_once_takes_no_time_of_a_share_for_the_end_of_a_file(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share's clock is far behind: what is being written now looks as if it had been left alone for years."""
    monkeypatch.setattr(watch, "PATIENCE_S", 60.0)
    put(folder, "before.jpg", at_s=999)
    put(folder, "half.bmp", b"BM first half", at_s=1000)
    put(folder, "behind.jpg", at_s=1001)
    source = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions(once=True))
    assert take(source, 1)[0].name == "before.jpg"
    assert source.read(0.4) is None
    assert not source.finished
    with (folder / "half.bmp").open("ab") as file:
        file.write(b", second half")
    os.utime(folder / "half.bmp", (1002, 1002))
    monkeypatch.setattr(watch, "PATIENCE_S", 0.1)
    source.close()
    source = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions(once=True))
    assert [frame.name for frame in take(source, 3)] == ["before.jpg", "behind.jpg", "half.bmp"]
    assert source.finished
    source.close()


def test_once_reads_on_when_a_file_that_held_it_up_has_grown(tmp_path: Path, folder: Path) -> None:
    put(folder, "half.bmp", b"BM first half", at_s=1000)
    put(folder, "whole.bmp", b"BM and its end", at_s=1001)
    source = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions(once=True))
    assert source.read(0.0) is None
    put(folder, "half.bmp", b"BM first half, second half", at_s=1002)
    whole, grown = take(source, 2)
    assert (whole.name, grown.data) == ("whole.bmp", b"BM first half, second half")
    assert source.finished
    source.close()


def test_once_reads_finished_files_at_once(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 60.0)
    for number in range(300):
        put(folder, f"{number:03}.jpg", at_s=1000 + number)
    source = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions(once=True))
    names = [frame.name for frame in iter(lambda: source.read(0.0), None)]
    assert names == [f"{number:03}.jpg" for number in range(300)]
    assert source.finished
    source.close()


def test_an_old_file_needs_no_second_look_unless_it_is_cut_off(
    source: FolderSource, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "whole.jpg", at_s=999)
    put(folder, "cut.jpg", JPEG[:-3], at_s=1000)
    monkeypatch.setattr(watch, "POLL_S", 60.0)
    whole = source.read(0.0)
    assert whole is not None
    assert whole.name == "whole.jpg"
    assert source.read(0.0) is None


def test_times_beyond_reason_are_remembered_all_the_same(tmp_path: Path, folder: Path) -> None:
    for name, at_s in (("early.jpg", -(2**31)), ("late.jpg", 2**33)):
        put(folder, name, at_s=at_s)
    for wanted in (2, 0):
        source = FolderSource(str(folder), tmp_path / "memory.db", SourceOptions(once=True))
        frames = []
        while not source.finished:
            frames.append(source.read(0.1))
        assert len([frame for frame in frames if frame]) == wanted
        source.commit()
        source.close()


def test_kinds_are_found_by_their_registration(tmp_path: Path, folder: Path) -> None:
    source = open_source(f"folder:{folder}", tmp_path / "memory.db", SourceOptions())
    assert source.address == f"folder:{folder}"
    source.close()
    for address in ("webcam:0", "folder:relative/path", ""):
        with pytest.raises(InputInvalid):
            open_source(address, tmp_path / "memory.db", SourceOptions())


def test_the_media_type_comes_from_the_bytes() -> None:
    assert media_type(JPEG) == "image/jpeg"
    assert media_type(b"\x89PNG\r\n\x1a\n") == "image/png"
    assert media_type(b"<html>") == "application/octet-stream"


def test_a_memory_that_is_locked_is_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "open_database", partial(open_database, timeout_s=0.05))
    table = "CREATE TABLE IF NOT EXISTS place (offset INT)"
    path = tmp_path / "memory.db"

    def load(database: sqlite3.Connection) -> list[tuple[int]]:
        return database.execute("SELECT offset FROM place").fetchall()

    first, _ = memory.open_memory(path, table, load)
    with first:
        first.execute("INSERT INTO place VALUES (7)")
    first.close()
    holder = sqlite3.connect(path)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("UPDATE place SET offset = offset")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        memory.open_memory(path, table, load)
    holder.close()
    again, rows = memory.open_memory(path, table, load)
    assert rows == [(7,)]
    again.close()
    path.write_bytes(b"no database" * 1000)
    fresh, rows = memory.open_memory(path, table, load)
    assert rows == []
    fresh.close()
