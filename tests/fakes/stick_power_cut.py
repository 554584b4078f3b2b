"""An export to a stick, or an import from one, killed at a chosen step: run as a process of its own.

Arguments: ``export`` or ``import``, the site's home, the stick, the passphrase or ``-``, the step. A step is each
transaction of the database, each file that comes to its place and each that goes, before and after. Step 0 never comes;
how many there were is then printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.context import open_context
from app.usecases.stick.exporting import export_to
from app.usecases.stick.importing import import_from
from tests.fakes.fatal_step import Steps


def main() -> None:
    what, home, stick, passphrase, fatal = sys.argv[1:]
    steps = Steps(int(fatal))
    replace, unlink = Path.replace, Path.unlink

    def counted_replace(path: Path, target: Path) -> Path:
        return steps.around(lambda: replace(path, target))

    def counted_unlink(path: Path, *, missing_ok: bool = False) -> None:
        steps.around(lambda: unlink(path, missing_ok=missing_ok))

    with open_context(Path(home)) as ctx:
        steps.count_transactions(ctx)
        # All files of this process: there is no other way, and mypy lets nobody assign to a method.
        for name, counted in (("replace", counted_replace), ("unlink", counted_unlink)):
            setattr(Path, name, counted)
        given = None if passphrase == "-" else passphrase
        if what == "export":
            problems = export_to(ctx, Path(stick), passphrase=given).problems
        else:
            problems = import_from(ctx, Path(stick), passphrase=given).problems
    assert problems == ()
    steps.say()


if __name__ == "__main__":
    main()
