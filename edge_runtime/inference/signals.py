"""A window of a signal: NumPy's own file format or CSV in, one float32 tensor out.

Neither is read by anything that could run what it reads: the header of a ``.npy`` file is a Python expression, so it is
matched, not evaluated, and only plain numbers are taken.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import FrameUnreadable
from edge_runtime.contracts.manifest import SignalInput

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 4096
_DESCR = re.compile(r"'descr'\s*:\s*'([<>|=]?[fiu][1248])'")
_ORDER = re.compile(r"'fortran_order'\s*:\s*(True|False)")
_SHAPE = re.compile(r"'shape'\s*:\s*\(\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*)\s*,?\s*\)")
_BYTES_A_NUMBER = 40
"""In CSV, with its separator."""
_SEPARATORS = ";\t,"


def read_signal(data: bytes, spec: SignalInput) -> npt.NDArray[np.float32]:
    """The window as the model's input, shape (1, channels, length), normalised.

    ``.npy``: any real numbers, shape (channels, length), or (length,) of one channel. CSV (UTF-8): a row a point, a
    column a channel, separated by ``;``, tab or comma, with or without a line of names above; a decimal comma is
    understood where the separator is another. The points of one channel may also stand in one row.

    :raises FrameUnreadable: neither of these, another size than the model's, or not all finite numbers.
    """
    window = _from_npy(data, spec) if data.startswith(_MAGIC) else _from_csv(data, spec)
    if window.shape != (spec.channels, spec.length):
        raise FrameUnreadable(
            f"The window has {_words(window.shape[0], window.shape[1])}; "
            f"the model takes {_words(spec.channels, spec.length)}."
        )
    mean, std = (np.asarray(figures, np.float64)[:, np.newaxis] for figures in (spec.mean, spec.std))
    # What does not fit into float32 becomes infinite there, and is found together with what was so before.
    with np.errstate(over="ignore", invalid="ignore"):
        tensor = ((window - mean) / std).astype(np.float32)
    if not np.isfinite(tensor).all():
        raise FrameUnreadable("The window has points that are no finite numbers.")
    return tensor[np.newaxis]


def _words(channels: int, length: int) -> str:
    return f"{length} points of {channels} channel{'s' if channels != 1 else ''}"


def _from_npy(data: bytes, spec: SignalInput) -> npt.NDArray[Any]:
    size = 2 if data[6:7] == b"\x01" else 4
    start = 8 + size
    length = int.from_bytes(data[8:start], "little")
    if len(data) < start or length > _MAX_HEADER or len(data) < start + length:
        raise FrameUnreadable("The window's .npy file is cut off, or its header is no header of plain numbers.")
    header = data[start : start + length].decode("latin-1")
    descr, order, shape = _DESCR.search(header), _ORDER.search(header), _SHAPE.search(header)
    if not descr or not order or not shape:
        raise FrameUnreadable("The window's .npy file does not hold an array of plain real numbers.")
    dimensions = tuple(int(part) for part in shape[1].split(","))
    if len(dimensions) == 1:
        dimensions = 1, *dimensions
    if len(dimensions) != 2:
        raise FrameUnreadable(f"The window's .npy file has {len(dimensions)} dimensions: channels and points are two.")
    try:
        kind = np.dtype(descr[1])
    except TypeError as error:
        raise FrameUnreadable(f"The window's .npy file has numbers of an unknown kind, {descr[1]}.") from error
    expected = dimensions[0] * dimensions[1] * kind.itemsize
    body = memoryview(data)[start + length :]
    if len(body) != expected:
        raise FrameUnreadable(f"The window's .npy file has {len(body)} bytes of numbers; its header says {expected}.")
    if dimensions == (spec.length, spec.channels) != (spec.channels, spec.length):
        raise FrameUnreadable(
            f"The window's .npy file has a row for each of {spec.length} points; it must have one for each channel."
        )
    window: npt.NDArray[Any] = np.frombuffer(body, kind)
    return window.reshape(dimensions, order="F" if order[1] == "True" else "C")


def _from_csv(data: bytes, spec: SignalInput) -> npt.NDArray[np.float64]:
    if len(data) > 1024 + spec.channels * (spec.length + 1) * _BYTES_A_NUMBER:
        raise FrameUnreadable(
            f"The window is {len(data)} bytes: too long for {_words(spec.channels, spec.length)} as CSV."
        )
    try:
        lines = [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise FrameUnreadable("The window is neither a .npy file nor CSV in UTF-8.") from error
    if not lines:
        raise FrameUnreadable("The window is empty.")
    separator = next((mark for mark in _SEPARATORS if mark in lines[-1]), ",")
    rows = [line.rstrip(separator + " ").split(separator) for line in lines]
    if len(rows) > 1 and not any(_is_number(cell, separator) for cell in rows[0]):
        del rows[0]
    wide = len(rows[0])
    if odd := next((number for number, row in enumerate(rows, 1) if len(row) != wide), None):
        raise FrameUnreadable(f"Row {odd} of the window has {len(rows[odd - 1])} columns; the first has {wide}.")
    try:
        points = np.array([[_number(cell, separator) for cell in row] for row in rows])
    except ValueError as error:
        raise FrameUnreadable(f"The window's CSV has something that is no number: {str(error)[:120]}.") from error
    return points if spec.channels == 1 and points.shape == (1, spec.length) else points.T


def _number(cell: str, separator: str) -> float:
    return float(cell.replace(",", ".") if separator != "," else cell)


def _is_number(cell: str, separator: str) -> bool:
    try:
        _number(cell, separator)
    except ValueError:
        return False
    return True
