"""CSV and NumPy files as arrays: (points, channels), float32. Pure; the contents are hostile."""

from __future__ import annotations

import io
import math
from array import array
from collections.abc import Iterator
from itertools import islice
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


def read_table(data: bytes) -> Table:
    """A file's points, one a row, each column a channel; what is no number in a CSV file becomes NaN.

    :raises FrameUnreadable: neither a whole NumPy array of numbers nor a table of numbers as text.
    """
    table = _numpy(data) if data.startswith(_MAGIC) else _text(data)
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


def _text(data: bytes) -> npt.NDArray[Any]:
    sample = list(islice(_lines(data), _SAMPLE))
    if not sample:
        raise FrameUnreadable("The file is empty.")
    separator = next((mark for mark in ";\t," if mark in sample[-1]), None)
    headed = len(sample) > 1 and any(map(math.isnan, _numbers(sample[0], separator)))
    width = mode(len(_numbers(line, separator)) for line in sample[headed:])
    if width > MAX_CHANNELS:
        raise FrameUnreadable(f"The file has {width} columns; a signal has at most {MAX_CHANNELS} channels.")
    try:
        return np.loadtxt(_rows(data, separator, headed), np.float32, comments=None, delimiter=separator, ndmin=2)
    except ValueError:
        return _with_holes(_rows(data, separator, headed), separator, width)


def _lines(data: bytes) -> Iterator[str]:
    """Neither empty ones nor comments."""
    with io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", "replace") as file:
        for line in file:
            if len(line) > _MAX_LINE:
                raise FrameUnreadable(f"The file has a line of more than {_MAX_LINE} characters.")
            if (bare := line.strip()) and not bare.startswith("#"):
                yield bare


def _rows(data: bytes, separator: str | None, headed: bool) -> Iterator[str]:
    lines = islice(_lines(data), 1 if headed else 0, None)
    # Where the comma stands in the numbers, a semicolon stands between them.
    return (line.replace(",", ".") for line in lines) if separator == ";" else lines


def _with_holes(rows: Iterator[str], separator: str | None, width: int) -> npt.NDArray[Any]:
    """As it is, with NaN where there is no number; refused where there is hardly one."""
    missing = [math.nan] * width
    cells = array("f")
    for row in rows:
        numbers = _numbers(row, separator)
        cells.extend(numbers if len(numbers) == width else missing)
    table = np.frombuffer(cells, np.float32).reshape(-1, width)
    if not table.size or np.isnan(table).mean() > 0.5:
        raise FrameUnreadable("The file is not a table of numbers.")
    return table


def _numbers(line: str, separator: str | None) -> list[float]:
    return [_number(cell.strip(' "')) for cell in line.split(separator)]


def _number(cell: str) -> float:
    try:
        # Underscores are Python's own idea.
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan
