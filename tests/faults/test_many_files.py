"""A folder that nobody ever clears: 100,000 files, each once, over restarts. Some thousand where time is short."""

from __future__ import annotations

import os
from pathlib import Path

from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.folder import FolderSource
from tests.fakes import models
from tests.waiting import wait_until

FILES = 100_000 if "LINESIDE_FAULT_ROUNDS" in os.environ else 3_000
CONTENTS = 100
"""Files are links to so many: a disk has only room for so many small ones, and only so many links to each."""


def fill(folder: Path, contents: Path) -> set[str]:
    """The names of what is in the folder then."""
    folder.mkdir()
    contents.mkdir()
    for number in range(CONTENTS):
        (contents / str(number)).write_bytes(models.frame(number))
    names = {f"{number:06}.png" for number in range(FILES)}
    for number, name in enumerate(sorted(names)):
        os.link(contents / str(number % CONTENTS), folder / name)
    return names


def opened(folder: Path, memory: Path) -> FolderSource:
    return FolderSource(str(folder), memory, SourceOptions())


def take(source: FolderSource, count: int) -> list[str]:
    names = []
    for _ in range(count):
        frame = wait_until(lambda: source.read(0.5), 120, "the next file")
        assert frame is not None
        names.append(frame.name)
    return names


def test_a_hundred_thousand_files_come_once_each_over_restarts(tmp_path: Path) -> None:
    folder, memory = tmp_path / "frames", tmp_path / "memory.db"
    names = fill(folder, tmp_path / "contents")
    first = opened(folder, memory)
    begun = take(first, FILES // 2)
    first.commit()
    # Read and not committed, as when the power goes: these come again.
    again = set(take(first, 500))
    first.close()
    second = opened(folder, memory)
    rest = take(second, FILES - len(begun))
    second.commit()
    assert len(set(begun)) == len(begun)
    assert set(begun) | set(rest) == names
    assert len(begun) + len(rest) == len(names)
    assert again <= set(rest)
    assert second.read(0.5) is None
    second.close()
    third = opened(folder, memory)
    try:
        assert third.read(3.0) is None, "all of them were seen"
        os.link(tmp_path / "contents" / "0", folder / "late.png")
        assert take(third, 1) == ["late.png"]
        third.commit()
        for name in names:
            (folder / name).unlink()
        assert third.read(0.5) is None
        os.link(tmp_path / "contents" / "1", folder / "later.png")
        assert take(third, 1) == ["later.png"]
    finally:
        third.close()
