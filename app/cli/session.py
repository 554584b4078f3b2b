"""What every command gets: where the site is, how to answer, how to tell of progress, how to be stopped."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from app.cli import text

if TYPE_CHECKING:
    from app.context import Context
    from app.demo.report import DemoOptions
    from app.usecases.progress import CancelToken, ProgressEvent

T = TypeVar("T")
Columns = Mapping[str, Callable[[T], object]]

_PROGRESS_EVERY_S = 2.0
_STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Session:
    """One run of one command.

    :param home: the site's home; None: the person's own.
    :param as_json: answer with one JSON document on stdout, and nothing else there.
    :param demo_window: plays the demo in the window; None where there is no display.
    """

    def __init__(
        self, home: Path | None, *, as_json: bool, demo_window: Callable[[DemoOptions], int] | None = None
    ) -> None:
        self._home = home
        self.as_json = as_json
        self.demo_window = demo_window
        self._told_step = ""
        self._told_s = 0.0
        self._line_open = False

    @property
    def home(self) -> Path:
        from app.context import default_home

        return self._home.absolute() if self._home else default_home()

    def open(self) -> Context:
        """The site; close it, or use it in ``with``."""
        from app.context import open_context

        return open_context(self.home)

    def say(self, line: str) -> None:
        """Something for a person to read on the way; a program gets the answer alone."""
        if not self.as_json:
            print(text.printable(line), flush=True)

    def answer(self, body: Mapping[str, Any], lines: Sequence[str]) -> None:
        """The command's answer: ``body`` as JSON, or ``lines``; what stands in them may come from another machine, and
        commands no terminal.
        """
        self.end_line()
        if self.as_json:
            from edge_runtime.contracts import wire

            print(wire.encode(body).decode(), flush=True)
        else:
            for line in lines:
                print(text.printable(line), flush=True)

    def rows(self, key: str, records: Sequence[T], columns: Columns[T], *, empty: str, **more: Any) -> None:
        """A list: ``{key: [...], **more}``, or a table with these columns, or the sentence ``empty``."""
        lines = [empty]
        if records:
            lines = text.table(list(columns), [[read(record) for read in columns.values()] for record in records])
            if more.get("cursor"):
                lines.append(f"(more: --cursor {more['cursor']})")
        self.answer({key: list(records), **more}, lines)

    def one(self, key: str, record: T, columns: Columns[T], **more: Any) -> None:
        """One thing: ``{key: {...}, **more}``, or its facts line by line."""
        self.answer({key: record, **more}, text.facts([(name, read(record)) for name, read in columns.items()]))

    def progress(self, event: ProgressEvent) -> None:
        """Tell a person on stderr: in place on a terminal, else when the step changes or time has passed."""
        if self.as_json:
            return
        done = f" {event.fraction:4.0%}" if event.fraction is not None else ""
        line = text.clean(f"{event.step}{done}  {event.message}")
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            self._line_open = True
        elif event.step != self._told_step or time.monotonic() - self._told_s >= _PROGRESS_EVERY_S:
            print(line, file=sys.stderr, flush=True)
            self._told_step, self._told_s = event.step, time.monotonic()

    def end_line(self) -> None:
        """Take back the line of progress, so that something else can stand there."""
        if self._line_open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._line_open = False

    @contextmanager
    def stoppable(self, *, orderly: bool = False) -> Iterator[CancelToken]:
        """Ctrl+C, a closed terminal or a polite kill stops the work between two steps; a second one at once.

        :param orderly: not even the second one, because processes of ours are to be stopped first.
        """
        from app.usecases.progress import CancelToken

        cancel = CancelToken()

        def stop(_number: int, _frame: FrameType | None) -> None:
            if cancel.cancelled and not orderly:
                raise KeyboardInterrupt
            if not cancel.cancelled and not self.as_json:
                print("stopping…", file=sys.stderr, flush=True)
            cancel.cancel()

        before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
        try:
            yield cancel
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.end_line()
