"""What counts as the time of the build: what the build wrote, else how old the source is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_runtime.build_time import NAME, build_time_s


def test_the_build_says_when_it_was(tmp_path: Path) -> None:
    source = tmp_path / "build_time.py"
    assert build_time_s(tmp_path) == 0
    source.touch()
    os.utime(source, (1_800_000_000, 1_800_000_000))
    assert build_time_s(tmp_path) == 1_800_000_000
    (tmp_path / NAME).write_text("1790000000\n")
    assert build_time_s(tmp_path) == 1_790_000_000


@pytest.mark.parametrize("content", [b"", b"soon", b"\xff", b"1e9"])
def test_a_file_that_no_build_wrote_is_passed_by(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    assert build_time_s(tmp_path) == 0


def test_a_source_tree_is_as_old_as_its_files() -> None:
    assert build_time_s() > 1_700_000_000
