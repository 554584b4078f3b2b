"""Loading a model in a process of its own before it is loaded here: what crashes or hangs there is an error here."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeVar, cast

from edge_runtime.children import within
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, LinesideError, ModelUnusable
from edge_runtime.contracts.told import OF_A_BOX
from edge_runtime.inference.trials import MAX_ANSWER_BYTES, child_environment, how_it_ended
from edge_runtime.model_files import ModelFile, read_model_file
from edge_runtime.processes import python_command

MODULE = "edge_runtime.commands.trial_load_child"
END_S = 10.0
"""How long a process that has closed its answer may take to be gone."""
_HINT = (
    "Nothing else was touched by it. Export the model again, another way if it stays like this; `lineside-edge bench` "
    "tells how far it gets."
)
T_co = TypeVar("T_co", covariant=True)


class Loadable(Protocol[T_co]):
    """What one command does with a model's file; travels to the process in which it is tried."""

    @property
    def path(self) -> str: ...

    def load(self, file: ModelFile) -> T_co:
        """:raises LinesideError: it cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFacts:
    """What came of a trial."""

    digest: str = ""
    """Of the file that was loaded."""
    error: dict[str, str] | None = None
    """What would be raised here, too."""
    problem: str | None = None
    """What must not happen here."""


class TrialLoads:
    """Processes beside this one, each for one model at a time; may be asked from several threads.

    They end with this one, however it ends.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._idle: list[_Child] = []
        self._is_closed = False

    def __enter__(self) -> TrialLoads:
        return self

    def __exit__(self, *_: object) -> None:
        """Models that are being tried are tried to their end."""
        with self._changing:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    def load(self, what: Loadable[T_co], *, timeout_s: float) -> T_co:
        """Load a model here that was loaded beside before.

        :param timeout_s: what the trial may take.
        :raises ModelUnusable: it crashed, did not come to an end, or took too much memory.
        :raises LinesideError: as :meth:`Loadable.load` and :func:`read_model_file` do.
        """
        digest = self._digest_of_what_loads(what, timeout_s)
        file = read_model_file(Path(what.path))
        if file.digest() != digest:
            raise ModelUnusable(
                f"{what.path} was written to while it was tried.",
                hint="Write the new file beside it, rename it to this name, then have it loaded again.",
            )
        return what.load(file)

    def _digest_of_what_loads(self, what: Loadable[object], timeout_s: float) -> str:
        try:
            order = wire.encode({"what": what, "timeout_s": timeout_s})
        except UnicodeEncodeError as error:
            raise InputInvalid(f"{what.path!r} is not a name in UTF-8.", hint="Give the file another name.") from error
        with self._changing:
            used = self._idle.pop() if self._idle else None
        facts = self._ask(used or _Child(), order, timeout_s)
        if used is not None and used.has_crashed:
            # Others were tried in it before, and one of them may be to blame.
            facts = self._ask(_Child(), order, timeout_s)
        if facts.error is not None:
            raise LinesideError.from_dict(facts.error, among=OF_A_BOX)
        if facts.problem:
            raise ModelUnusable(
                f"{Path(what.path).name} was tried in a process of its own first, and {facts.problem}.", hint=_HINT
            )
        return facts.digest

    def _ask(self, child: _Child, order: bytes, timeout_s: float) -> LoadFacts:
        try:
            facts = child.ask(order, timeout_s)
        except BaseException:
            child.close()
            raise
        with self._changing:
            keep = child.is_alive and not self._is_closed
            if keep:
                self._idle.append(child)
        if not keep:
            child.close()
        return facts


class _Child:
    """One process, and its conversation: an order in a line, an answer in a line."""

    def __init__(self) -> None:
        # A file, not a pipe: what a provider's libraries print without end must not fill our memory.
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        # In a session of its own: Ctrl+C is for the program, which takes this process along.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            python_command(MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=child_environment(),
            start_new_session=True,
        )
        self._gave_up = False
        self.has_crashed = False
        """It ended by itself."""

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, order: bytes, timeout_s: float) -> LoadFacts:
        """Whatever goes wrong is :attr:`LoadFacts.problem`."""
        stdin, stdout = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        try:
            with within(timeout_s, self._give_up):
                stdin.write(order + b"\n")
                stdin.flush()
                line = stdout.readline(MAX_ANSWER_BYTES)
        except OSError:
            line = b""  # it is gone: how is asked below
        if line.endswith(b"\n"):
            try:
                return wire.decode(line, LoadFacts, what="trial's answer")
            except InputInvalid as error:
                self._process.kill()
                return LoadFacts(problem=error.message.rstrip("."))
        return LoadFacts(problem=self._how_it_ended(timeout_s))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe is not None:
                with suppress(OSError):  # an order that was not read any more
                    pipe.close()

    def _give_up(self) -> None:
        self._gave_up = True
        self._process.kill()

    def _how_it_ended(self, timeout_s: float) -> str:
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            return "it closed its answer without giving one"
        if self._gave_up:
            return f"it did not end within {timeout_s:.0f} s"
        self.has_crashed = True
        self._said.seek(max(0, self._said.seek(0, 2) - 4096))
        return how_it_ended(code, self._said.read(4096))
