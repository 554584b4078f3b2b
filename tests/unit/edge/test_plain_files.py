"""Files that others put there are read with as much memory as they have bytes."""

from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.model_files import read_model_file
from edge_runtime.plain_files import read_at_most
from tests.fakes.models import brightness_model


def test_a_small_model_takes_little_memory(tmp_path: Path) -> None:
    """Not what the largest model would take."""
    path = tmp_path / "small.onnx"
    path.write_bytes(brightness_model())
    tracemalloc.start()
    try:
        file = read_model_file(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.model == path.read_bytes()
    assert peak < 2**20


def test_a_model_for_which_there_is_no_memory_is_a_plain_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> bytes:
        raise MemoryError

    path = tmp_path / "large.onnx"
    path.write_bytes(b"12345")
    monkeypatch.setattr("edge_runtime.model_files.read_at_most", none_left)
    with pytest.raises(ModelUnusable, match="has 5 bytes, for which there is not enough memory"):
        read_model_file(path)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 12, 2**20, 3 * 2**20])
@pytest.mark.parametrize("most", [10, 2**21])
def test_all_of_a_file_or_one_byte_more_than_may_be(tmp_path: Path, size: int, most: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    with path.open("rb") as file:
        assert read_at_most(file, most) == path.read_bytes()[: most + 1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no file that is longer than it says")
def test_what_a_file_says_of_its_length_is_not_believed() -> None:
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    with path.open("rb") as file:
        assert b"VmPeak" in read_at_most(file, 2**20)
