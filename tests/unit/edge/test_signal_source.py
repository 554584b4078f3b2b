"""Signals: files become windows; whatever else a file holds becomes one refused frame and a reason."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_runtime.contracts.errors import FrameUnreadable, InputInvalid
from edge_runtime.sources import open_source, signals, watch
from edge_runtime.sources.base import Frame, Source, SourceOptions, media_type
from edge_runtime.sources.tables import Table, read_table
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def opened(folder: Path, *, window: int = 4, hop: int | None = None, once: bool = True) -> Source:
    options = SourceOptions(window=window, hop=hop, once=once)
    return open_source(f"signals:{folder}", folder.parent / "memory.db", options)


def put(folder: Path, name: str, body: bytes | str | np.ndarray, *, at_s: int = 1000) -> None:
    path = folder / name
    if isinstance(body, np.ndarray):
        np.save(path, body)
    else:
        path.write_bytes(body.encode() if isinstance(body, str) else body)
    os.utime(path, (at_s, at_s))


def everything(source: Source) -> list[Frame]:
    frames = []
    while not source.finished:
        if (frame := source.read(0.1)) is not None:
            frames.append(frame)
    source.commit()
    return frames


def table_of(data: bytes) -> Table:
    return steps_of(data)[1]


def steps_of(data: bytes) -> tuple[int, Table]:
    """In how many steps a table is read, and the table."""
    steps, reading = 0, read_table(data)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return steps, end.value
        steps += 1


def array(frame: Frame) -> Table:
    window: Table = np.load(io.BytesIO(frame.data), allow_pickle=False)
    return window


def test_a_table_becomes_windows_of_channels_by_points(folder: Path) -> None:
    table = np.arange(22, dtype=np.float64).reshape(11, 2)
    put(folder, "run.csv", "\n".join(f"{a},{b}" for a, b in table), at_s=1)
    put(folder, "run.npy", table, at_s=2)
    source = opened(folder, window=4, hop=3)
    frames = everything(source)
    assert [frame.name for frame in frames] == [f"run.{kind}@{begin}" for kind in ("csv", "npy") for begin in (0, 3, 6)]
    for number, frame in enumerate(frames):
        begin = 3 * (number % 3)
        window = array(frame)
        assert window.dtype == np.float32
        np.testing.assert_array_equal(window, table[begin : begin + 4].T)
        assert media_type(frame.data) == "application/x-npy"
    assert source.problem is None
    source.close()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1\n2\n3\n", [[1], [2], [3]]),
        ("a,b\n1,2\n3,4", [[1, 2], [3, 4]]),
        ("# made by a logger\n\ntime;volt\n1,5;2\n-2,25;3e2\n", [[1.5, 2], [-2.25, 300]]),
        ("\ufeff1\t2\r\n3\t4\r\n", [[1, 2], [3, 4]]),
        ("1 2  3\n4 5 6\n", [[1, 2, 3], [4, 5, 6]]),
        ('"x","y"\n"1","2"\n', [[1, 2]]),
        ("1,2\n3,\n5,6\n", [[1, 2], [3, np.nan], [5, 6]]),
        ("1,2\n3,4,5\n5,6\n7,8\n", [[1, 2], [np.nan, np.nan], [5, 6], [7, 8]]),
        ("1,inf\n2,1e99\n", [[1, np.inf], [2, np.inf]]),
        (",1.0\n2.0,3.0\n4,5", [[np.nan, 1], [2, 3], [4, 5]]),
        ("nan,inf\n1,2", [[np.nan, np.inf], [1, 2]]),
        ("NA,1\n2,3", [[np.nan, 1], [2, 3]]),
        ("1,2,\n3,4,\n", [[1, 2, np.nan], [3, 4, np.nan]]),
        ("1,5;2\n2;3,5\n", [[1.5, 2], [2, 3.5]]),
        ("2024-05-01 10:00,1,2\n2024-05-01 10:01,3,4", [[np.nan, 1, 2], [np.nan, 3, 4]]),
        ("time,volt,amp\n2024-05-01 10:00,1,2\n2024-05-01 10:01,3,4", [[np.nan, 1, 2], [np.nan, 3, 4]]),
        ("measured in hall 3\n1,2\n3,4", [[1, 2], [3, 4]]),
        ("1,2\n3,x\n1_0,4\n5,6\n", [[1, 2], [3, np.nan], [np.nan, 4], [5, 6]]),
    ],
)
def test_tables_as_programs_write_them(text: str, rows: list[list[float]]) -> None:
    np.testing.assert_array_equal(table_of(text.encode()), np.array(rows, np.float32))


@given(
    arrays.arrays(
        st.sampled_from([np.float64, np.float32, np.int16, np.uint8, np.bool_]),
        st.tuples(st.integers(1, 30), st.integers(1, 4)),
    )
)
def test_every_array_of_numbers_is_read_as_it_is(table: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        wanted = table.astype(np.float32)
    for order in ("C", "F"):
        file = io.BytesIO()
        np.save(file, np.asarray(table, order=order))
        np.testing.assert_array_equal(table_of(file.getvalue()), wanted)


def npy_claiming(shape: str, descr: str = "'<f8'", body: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


HOSTILE = {
    "empty": b"",
    "junk": os.urandom(2000),
    "words": b"the quick brown fox\njumps over\n",
    "wide": b"1," * 300 + b"1\n",
    "long line": b"1" * 100_000,
    "image": b"\xff\xd8\xff\xe0" + bytes(500),
    "npy without a header": b"\x93NUMPY",
    "npy of objects": b"\x93NUMPY\x01\x00v\x00" + pickle.dumps([1] * 50),
    "npy that claims terabytes": npy_claiming("(1000000000000, 1000)"),
    "npy that claims a negative size": npy_claiming("(-1,)", body=bytes(8)),
    "npy cut off": npy_claiming("(10,)", body=bytes(79)),
    "npy with more behind": npy_claiming("(1,)", body=bytes(16)),
    "npy of text": npy_claiming("(1,)", "'<U2'", bytes(8)),
    "npy of structures": npy_claiming("(1,)", "[('a', '<f8')]", bytes(8)),
    "npy of pointers": npy_claiming("(1,)", "'|O'", bytes(8)),
    "npy of complex numbers": npy_claiming("(1,)", "'<c8'", bytes(8)),
    "npy with a header that runs": npy_claiming("__import__('os').abort()", body=bytes(8)),
    "npy in three dimensions": npy_claiming("(1, 1, 1)", body=bytes(8)),
    "npy without points": npy_claiming("(0, 4)"),
    "npy of one number": npy_claiming("()", body=bytes(8)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_table_of_numbers_is_refused(content: bytes) -> None:
    with pytest.raises(FrameUnreadable):
        table_of(content)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_content_breaks_the_reader(content: bytes) -> None:
    for body in (content, b"\x93NUMPY\x01\x00" + content, npy_claiming("(2, 2)", body=content)):
        try:
            table = table_of(body)
        except FrameUnreadable:
            continue
        assert table.ndim == 2
        assert table.dtype == np.float32


def test_a_bad_file_is_one_empty_frame_with_a_reason_and_the_next_one_is_read(folder: Path) -> None:
    put(folder, "a.npy", npy_claiming("(5,)"), at_s=1)
    put(folder, "b.csv", "1\n2\n", at_s=2)
    put(folder, "c.csv", "1\n2\n3\n4\n", at_s=3)
    put(folder, "readme.md", "no signal")
    source = opened(folder)
    told = []
    for _ in range(3):
        frame = source.read(1.0)
        assert frame is not None
        told.append((frame.name, len(frame.data) > 0, source.problem))
    assert told[0][:2] == ("a.npy", False)
    assert "cut off" in str(told[0][2])
    assert told[1] == ("b.csv", False, "b.csv: The file has 2 points, a window takes 4.")
    assert told[2] == ("c.csv@0", True, None)
    assert source.read(0.0) is None
    assert source.finished
    source.close()


def test_a_file_that_is_too_long_is_refused_by_its_length(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MAX_FILE_BYTES", 100)
    put(folder, "long.csv", "1\n" * 51)
    source = opened(folder)
    assert [frame.data for frame in everything(source)] == [b""]
    assert "longer than 100 bytes" in str(source.problem)
    source.close()


MEBIBYTE = 2**20
LARGE = {
    "one column": (b"1\n" * (MEBIBYTE // 2), 2**19),
    "one cell that is none": (b"1\n" * (MEBIBYTE // 2 - 1) + b"x\n", 2**19),
    "eight columns with a hole": (b"1,2,3,4,5,6,7,8\n" * 65535 + b"1,2,3,4,5,6,7,\n", 2**16),
    "empty lines": (b"\n" * MEBIBYTE, None),
    "comments": (b"#\n" * (MEBIBYTE // 2), None),
    "words": (b"1\nx\ny\nz\n" * (MEBIBYTE // 8), None),
}


@pytest.mark.parametrize(("content", "points"), LARGE.values(), ids=LARGE)
def test_a_large_table_is_read_in_short_steps(content: bytes, points: int | None, folder: Path) -> None:
    put(folder, "large.csv", content)
    source = opened(folder, window=2**16)
    waits = 0
    # Given no time, it does one step and no more, and then shows that it is alive.
    while (frame := source.read(0.0)) is None:
        assert not source.finished
        waits += 1
    assert waits >= 16
    assert (frame.data == b"") == (points is None)
    frames = [frame, *everything(source)]
    assert len(frames) == (points or 2**16) // 2**16
    source.close()


def test_a_table_in_steps_is_the_table_at_once() -> None:
    table = np.arange(120_000, dtype=np.float32).reshape(-1, 3)
    rows = [",".join(f"{number:g}" for number in row) for row in table.tolist()]
    rows[30_000], table[30_000] = "1,2", np.nan
    rows[39_999], table[39_999, 1] = "1,?,3", np.nan
    table[39_999, 0], table[39_999, 2] = 1, 3
    steps, read = steps_of(b"a,b,c\n" + "\r\n".join(rows).encode())
    assert steps > 5
    np.testing.assert_array_equal(read, table)


def test_a_file_counts_as_read_when_its_last_window_was(folder: Path) -> None:
    put(folder, "run.csv", "1\n" * 12)
    first = opened(folder)
    frames = [first.read(1.0) for _ in range(2)]
    assert [frame.name for frame in frames if frame is not None] == ["run.csv@0", "run.csv@4"]
    first.commit()
    first.close()
    second = opened(folder)
    assert len(everything(second)) == 3
    second.close()
    third = opened(folder)
    assert everything(third) == []
    third.close()


def test_a_file_is_read_when_nobody_has_written_to_it_for_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 0.4)
    source = opened(folder, window=6, once=False)
    with (folder / "run.csv").open("w", buffering=1) as file:
        for number in range(6):
            file.write(f"{number}\n")
            assert source.read(0.1) is None
    frame = wait_until(lambda: source.read(0.1), 10, "the window")
    np.testing.assert_array_equal(array(frame), [[0, 1, 2, 3, 4, 5]])
    source.close()


@pytest.mark.parametrize("once", [False, True])
def test_a_share_whose_clock_is_behind_does_not_make_half_a_file_look_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_S", 2.0)
    put(folder, "run.csv", "0\n1\n2\n", at_s=1000)
    source = opened(folder, window=3, once=once)
    assert source.read(0.1) is None
    put(folder, "run.csv", "0\n1\n2\n3\n4\n5\n", at_s=1001)
    frame = wait_until(lambda: source.read(0.1), 10, "a window")
    assert frame.name == "run.csv@0"
    second = wait_until(lambda: source.read(0.1), 10, "the window of what was written later")
    np.testing.assert_array_equal(array(second), [[3, 4, 5]])
    source.commit()
    source.close()


def test_no_window_and_no_folder_are_refused(folder: Path) -> None:
    with pytest.raises(InputInvalid, match="window"):
        open_source(f"signals:{folder}", folder.parent / "memory.db", SourceOptions(once=True))
    with pytest.raises(InputInvalid, match="absolute"):
        opened(Path("runs"))
    with pytest.raises(InputInvalid, match="no folder"):
        opened(folder / "away")
