"""CSV and NumPy files as arrays: (points, channels), float32. Pure; the contents are hostile."""

from __future__ import annotations

import io
import math
from collections.abc import Generator, Iterator
from itertools import zip_longest
from statistics import mode
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import FrameUnreadable

Table = npt.NDArray[np.float32]
MAX_CHANNELS = 256
_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 4096
_MAX_LINE = 64 * 1024
_SAMPLE = 20
"""Lines that tell how a table is written."""
_HOLES = {"nan", "na", "n/a", "null", "none"}
"""What programs write where they have no number."""
_STEP = 32 * 1024
"""Characters that are read at a time, which takes some hundredths of a second at worst."""


def read_table(data: bytes) -> Generator[None, None, Table]:
    """A file's points, one a row, each column a channel; what is no number in a CSV file becomes NaN.

    Text is slow to read: it yields after each short step of the work, and returns the table at its end.

    :raises FrameUnreadable: neither a whole NumPy array of numbers nor a table of numbers as text.
    """
    table = _numpy(data) if data.startswith(_MAGIC) else (yield from _text(data))
    if table.ndim == 1:
        table = table[:, np.newaxis]
    if table.ndim != 2 or not table.size or table.shape[1] > MAX_CHANNELS:
        shape = "×".join(map(str, table.shape))
        raise FrameUnreadable(f"A signal has points as rows and 1 to {MAX_CHANNELS} channels as columns, not {shape}.")
    with np.errstate(over="ignore", invalid="ignore"):
        # A number too large for float32 becomes infinite, and the model's reader refuses it.
        points: Table = np.ascontiguousarray(table, np.float32)
    return points


def _numpy(data: bytes) -> npt.NDArray[Any]:
    """The array behind a header, which must say exactly as much as there is: it decides how much is allocated."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read(file, max_header_size=_MAX_HEADER)
    except Exception as error:
        raise FrameUnreadable("The NumPy file's header is damaged.") from error
    if dtype.kind not in "biuf":
        raise FrameUnreadable(f"The NumPy file has an array of {str(dtype)[:80]}, not of plain real numbers.")
    if len(shape) > 2:
        raise FrameUnreadable(f"The NumPy file's array has {len(shape)} dimensions: points and channels are two.")
    body = memoryview(data)[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(body):
        raise FrameUnreadable(f"The NumPy file is cut off, or is not the array of {shape} that it claims to be.")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if by_column else "C")


def _text(data: bytes) -> Generator[None, None, npt.NDArray[Any]]:
    sample: list[str] = []
    for lines in _lines(data):
        sample += lines[: _SAMPLE - len(sample)]
        if len(sample) == _SAMPLE:
            break
        yield
    if not sample:
        raise FrameUnreadable("The file is empty.")
    separator = next((mark for mark in ";\t," if mark in sample[-1]), None)
    first, *rest = ([cell.strip(' "') for cell in _plain(line, separator).split(separator)] for line in sample)
    headed = _is_heading(first, rest)
    width = mode(map(len, rest if headed else [first, *rest]))
    if width > MAX_CHANNELS:
        raise FrameUnreadable(f"The file has {width} columns; a signal has at most {MAX_CHANNELS} channels.")
    cells, missing = bytearray(), 0
    for lines in _lines(data):
        if headed and lines:
            del lines[0]
            headed = False
        if lines:
            rows, holes = _rows(lines, separator, width)
            cells += rows.tobytes()
            missing += holes
        yield
    table = np.frombuffer(cells, np.float32).reshape(-1, width)
    if missing > table.size / 2:
        raise FrameUnreadable("The file is not a table of numbers.")
    return table


def _is_heading(first: list[str], rest: list[list[str]]) -> bool:
    """Whether a column of numbers begins with a word: a cell without a number is a hole that data may have, too."""
    return any(
        name and name.lower() not in _HOLES and math.isnan(_number(name)) and not all(map(math.isnan, column))
        for name, column in zip(
            first, zip_longest(*(map(_number, row) for row in rest), fillvalue=math.nan), strict=False
        )
    )


def _lines(data: bytes) -> Iterator[list[str]]:
    """Neither empty ones nor comments, some at a time, which may be none."""
    with io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", "replace") as file:
        while lines := file.readlines(_STEP):
            if max(map(len, lines)) > _MAX_LINE:
                raise FrameUnreadable(f"The file has a line of more than {_MAX_LINE} characters.")
            yield [bare for line in lines if (bare := line.strip()) and not bare.startswith("#")]


def _rows(lines: list[str], separator: str | None, width: int) -> tuple[Table, int]:
    """Some rows, and in how many cells there is no number, which are NaN; so is a row of another width."""
    lines = [_plain(line, separator) for line in lines]
    try:
        table = np.loadtxt(lines, np.float32, comments=None, delimiter=separator, ndmin=2)
        if table.shape[1] == width:
            return table, 0
    except ValueError:
        pass
    odd = [math.nan] * width
    rows = [row if len(row) == width else odd for row in (_numbers(line, separator) for line in lines)]
    with np.errstate(over="ignore"):
        table = np.array(rows, np.float32)
    return table, int(np.isnan(table).sum())


def _plain(line: str, separator: str | None) -> str:
    # Where the comma stands in the numbers, a semicolon stands between them.
    return line.replace(",", ".") if separator == ";" else line


def _numbers(line: str, separator: str | None) -> list[float]:
    return [_number(cell.strip(' "')) for cell in line.split(separator)]


def _number(cell: str) -> float:
    try:
        # Underscores are Python's own idea.
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan
