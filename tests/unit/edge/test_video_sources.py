"""Video files and replays: every picture once, in order, at the pace that was asked for."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources import open_source
from edge_runtime.sources.base import Frame, Source, SourceOptions
from tests.fakes.cameras import PICTURES, jpegs, pictures, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "line.avi")
    return tmp_path / "line.avi"


def opened(kind: str, path: Path, *, fps: float | None = None) -> Source:
    return open_source(f"{kind}:{path}", path.parent / "memory.db", SourceOptions(fps=fps))


def everything(source: Source) -> list[Frame]:
    frames = []
    while not source.finished:
        if (frame := source.read(0.1)) is not None:
            frames.append(frame)
    source.commit()
    source.close()
    return frames


def one(source: Source, wait_s: float) -> Frame:
    frame = source.read(wait_s)
    assert frame is not None
    return frame


def brightness(frame: Frame) -> float:
    picture = cv2.imdecode(np.frombuffer(frame.data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return float(np.mean(picture))


def numbers(frames: list[Frame]) -> list[int]:
    return [int(frame.name.rpartition("-")[2]) for frame in frames]


@pytest.mark.parametrize("codec", ["MJPG", "mp4v"])
def test_every_picture_comes_once_and_then_it_is_finished(tmp_path: Path, codec: str) -> None:
    path = tmp_path / ("line.avi" if codec == "MJPG" else "line.mp4")
    write_video(path, codec=codec)
    source = opened("video", path)
    frames = everything(source)
    assert numbers(frames) == list(range(PICTURES))
    assert source.problem is None
    wanted = [float(picture.mean()) for picture in pictures()]
    assert [brightness(frame) for frame in frames] == pytest.approx(wanted, abs=3)


def test_mjpeg_is_handed_on_as_it_was_recorded(video: Path) -> None:
    recorded = video.read_bytes()
    assert all(frame.data in recorded for frame in everything(opened("video", video)))


def test_a_pace_leaves_pictures_out_by_the_videos_own_time(video: Path) -> None:
    assert numbers(everything(opened("video", video, fps=10.0))) == list(range(0, PICTURES, 2))
    video.with_name("memory.db").unlink()
    assert numbers(everything(opened("video", video, fps=100.0))) == list(range(PICTURES))


@pytest.mark.parametrize("fps", [None, 10.0])
def test_after_a_restart_it_goes_on_where_it_was_left(video: Path, fps: float | None) -> None:
    whole = numbers(everything(opened("video", video, fps=fps)))
    video.with_name("memory.db").unlink()
    first = opened("video", video, fps=fps)
    before = [one(first, 1) for _ in range(3)]
    first.commit()
    first.read(1)
    first.close()
    second = everything(opened("video", video, fps=fps))
    assert numbers([*before, *second]) == whole
    assert everything(opened("video", video, fps=fps)) == []
    write_video(video, count=5)
    assert len(everything(opened("video", video, fps=fps))) == (5 if fps is None else 3)


def test_the_way_back_to_where_it_was_left_is_gone_in_short_steps(video: Path) -> None:
    first = opened("video", video)
    before = [one(first, 0) for _ in range(10)]
    first.commit()
    first.close()
    # A second restart on the way loses nothing of it.
    second = opened("video", video)
    assert [second.read(0) for _ in range(4)] == [None] * 4
    second.commit()
    second.close()
    third = opened("video", video)
    assert [third.read(0) for _ in range(10)] == [None] * 10
    assert not third.finished
    assert numbers([*before, *everything(third)]) == list(range(PICTURES))


def test_pictures_that_are_left_out_are_passed_in_short_steps(video: Path) -> None:
    source = opened("video", video, fps=2.0)
    frames = [source.read(0) for _ in range(PICTURES)]
    assert [frame is not None for frame in frames] == [number % 10 == 0 for number in range(PICTURES)]
    source.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 5000,
        b"ffconcat version 1.0\nfile 'line.avi'\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nline.avi\n#EXT-X-ENDLIST\n",
    ],
    ids=["empty", "junk", "concat", "playlist"],
)
@pytest.mark.parametrize("kind", ["video", "replay"])
def test_what_is_no_video_is_refused_above_all_what_names_other_files(video: Path, kind: str, content: bytes) -> None:
    (video.parent / "evil.mp4").write_bytes(content)
    with pytest.raises(InputInvalid):
        opened(kind, video.parent / "evil.mp4")


def test_a_video_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    for kind, path in itertools.product(("video", "replay"), (tmp_path / "away.mp4", Path("relative.mp4"))):
        with pytest.raises(InputInvalid, match=path.name):
            opened(kind, path)


def test_a_video_that_was_cut_off_gives_what_there_is(video: Path) -> None:
    video.write_bytes(video.read_bytes()[:20_000])
    frames = everything(opened("video", video))
    assert 0 < len(frames) < PICTURES


def test_a_video_is_replayed_by_its_own_time_and_from_the_beginning_every_time(video: Path) -> None:
    write_video(video, fps=50.0, count=10)
    for _ in range(2):
        begun = time.monotonic()
        assert numbers(everything(opened("replay", video))) == list(range(10))
        assert time.monotonic() - begun >= 9 / 50


def recorded(folder: Path, gaps_s: list[float]) -> Path:
    """Files a gap apart, their names in the other order than their inodes."""
    folder.mkdir()
    times = list(itertools.accumulate(gaps_s, initial=1000.0))
    for number, (written_s, body) in reversed(list(enumerate(zip(times, jpegs(), strict=False)))):
        (folder / f"{number:03}.jpg").write_bytes(body)
        os.utime(folder / f"{number:03}.jpg", (written_s, written_s))
    return folder


def test_a_folder_is_replayed_by_name_as_far_apart_as_it_was_written(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "take", [0.02, 0.3, -500.0, 0.0])
    (folder / ".hidden").write_bytes(b"x")
    (folder / "unfinished.part").write_bytes(b"x")
    (folder / "sub").mkdir()
    source = opened("replay", folder)
    arrived = {}
    while not source.finished:
        if (frame := source.read(0.05)) is not None:
            arrived[frame.name] = time.monotonic(), frame.data
    source.commit()
    assert [data for _, data in arrived.values()] == jpegs(5)
    assert list(arrived) == [f"{number:03}.jpg" for number in range(5)]
    assert arrived["002.jpg"][0] - arrived["001.jpg"][0] > 0.25
    assert arrived["004.jpg"][0] - arrived["000.jpg"][0] < 60


def test_a_replay_at_a_pace_of_its_own(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "take", [1000.0] * 5)
    begun = time.monotonic()
    assert len(everything(opened("replay", folder, fps=50.0))) == 6
    assert 5 / 50 <= time.monotonic() - begun < 60


def test_a_file_that_goes_away_during_a_replay_is_told_of_by_an_empty_frame(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "take", [0.0, 0.0])
    source = opened("replay", folder)
    (folder / "001.jpg").unlink()
    assert [len(frame.data) > 0 for frame in everything(source)] == [True, False, True]
