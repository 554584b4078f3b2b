"""An export to a stick, or an import from one, killed at a chosen step: run as a process of its own.

Arguments: ``export`` or ``import``, the site's home, the stick, the passphrase or ``-``, the step. A step is each
transaction of the database, each file that comes to its place and each that goes, before and after. Step 0 never comes;
how many there were is then printed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app.context import open_context
from app.store.writer import Writer
from app.usecases.stick.exporting import export_to
from app.usecases.stick.importing import import_from

T = TypeVar("T")


class Steps:
    def __init__(self, fatal: int) -> None:
        self.seen = 0
        self._fatal = fatal

    def step(self) -> None:
        self.seen += 1
        if self.seen == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, work: Callable[[], T]) -> T:
        self.step()
        done = work()
        self.step()
        return done


def main() -> None:
    what, home, stick, passphrase, fatal = sys.argv[1:]
    steps = Steps(int(fatal))
    replace, unlink = Path.replace, Path.unlink

    def counted_replace(path: Path, target: Path) -> Path:
        return steps.around(lambda: replace(path, target))

    def counted_unlink(path: Path, *, missing_ok: bool = False) -> None:
        steps.around(lambda: unlink(path, missing_ok=missing_ok))

    with open_context(Path(home)) as ctx:
        write = ctx.database.write

        def counted(work: Callable[[Writer], T]) -> T:
            return steps.around(lambda: write(work))

        # The database of this one process, not the class; of files there is no other way.
        object.__setattr__(ctx.database, "write", counted)
        setattr(Path, "replace", counted_replace)  # noqa: B010 - mypy lets nobody assign to a method
        setattr(Path, "unlink", counted_unlink)  # noqa: B010
        given = None if passphrase == "-" else passphrase
        if what == "export":
            problems = export_to(ctx, Path(stick), passphrase=given).problems
        else:
            problems = import_from(ctx, Path(stick), passphrase=given).problems
    assert problems == ()
    sys.stdout.write(f"{steps.seen}\n")


if __name__ == "__main__":
    main()
