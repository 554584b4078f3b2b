"""A folder into which another program writes recorded signals, cut into windows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from edge_runtime.contracts.errors import FrameUnreadable, InputInvalid
from edge_runtime.sources.base import Frame, Shown, SourceOptions
from edge_runtime.sources.folder import check_path
from edge_runtime.sources.pieces import Pieces
from edge_runtime.sources.tables import Table, read_table
from edge_runtime.sources.watch import File, FileWatch, text_of

MAX_FILE_BYTES = 32 * 2**20
ENDINGS = (".csv", ".tsv", ".txt", ".npy")


class SignalsSource(Shown):
    """Windows of finished CSV and NumPy files (how they are found, :class:`FileWatch` says).

    A frame is the ``.npy`` of float32 (channels, window). What is left at a file's end and is shorter than a window
    is not looked at. A file without a single window, or that cannot be read, is one empty frame, so that it is
    counted; its :attr:`Frame.problem` says why, and so does :attr:`problem` until the next file.

    :raises InputInvalid: not an absolute path, or no window is given.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"window", "hop", "order"})
    needs: ClassVar[frozenset[str]] = frozenset({"window"})

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not an absolute path."""
        check_path(location)

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        if options.window is None:
            raise InputInvalid("A source of signals needs the `window` into which they are cut.")
        self.address = f"signals:{location}"
        self._window, self._hop = options.window, options.hop or options.window
        self._watch = FileWatch(
            Path(location),
            memory,
            limit=MAX_FILE_BYTES,
            endings=ENDINGS,
            order=options.order or "time",
            once=options.once,
        )
        self._pieces = Pieces(self._watch, self._cut)
        self._unusable: str | None = None

    @property
    def problem(self) -> str | None:
        return self._watch.problem or self._unusable

    @property
    def finished(self) -> bool:
        return self._pieces.finished

    def read(self, timeout_s: float) -> Frame | None:
        return self._pieces.next(timeout_s)

    def commit(self) -> None:
        self._pieces.commit()

    def close(self) -> None:
        self._pieces.close()

    def _cut(self, file: File) -> Iterator[Frame | None]:
        """At least one frame, and None while the table is being read."""
        name = text_of(file.name)
        self._unusable = None
        try:
            if file.problem is not None:
                raise FrameUnreadable(file.problem)
            if len(file.data) > MAX_FILE_BYTES:
                raise FrameUnreadable(f"The file is longer than {MAX_FILE_BYTES} bytes.")
            points = yield from read_table(file.data)
            if len(points) < self._window:
                raise FrameUnreadable(f"The file has {len(points)} points, a window takes {self._window}.")
        except FrameUnreadable as error:
            self._unusable = f"{name}: {error.message}"
            yield Frame(name, b"", error.message)
            return
        for begin in range(0, len(points) - self._window + 1, self._hop):
            yield Frame(f"{name}@{begin}", npy(points[begin : begin + self._window]))


def npy(points: Table) -> bytes:
    """The ``.npy`` file of a window, points as columns."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(points.T), allow_pickle=False)
    return file.getvalue()
