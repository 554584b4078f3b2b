"""The real ``lineside rollouts follow``, which is killed at a chosen persisted step: run as a process of its own.

Arguments: the site's home, the rollout, the step, ``before`` or ``after``. The step counts transactions that change a
rollout or a box of one. Step 0 never comes; how many there were is then the last line of stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from unittest.mock import patch

from app.__main__ import main
from app.store.database import Database
from app.store.writer import Writer

COUNTED = frozenset({"rollouts", "rollout_boxes"})


class Steps:
    def __init__(self, fatal: int, moment: str) -> None:
        self.seen = 0
        self._fatal, self._moment = fatal, moment

    def before(self, writer: Writer) -> None:
        """The transaction is about to be committed."""
        if COUNTED & set(writer.touched):
            self.seen += 1
            self._die("before")

    def after(self, touched: Mapping[str, set[str]]) -> None:
        """It was committed."""
        if COUNTED & set(touched):
            self._die("after")

    def _die(self, moment: str) -> None:
        if (self.seen, moment) == (self._fatal, self._moment):
            os.kill(os.getpid(), signal.SIGKILL)


def program(home: str, rollout: str, step: str, moment: str) -> int:
    steps = Steps(int(step), moment)
    finish, tell = Writer.finish, Database._tell

    def finishing(writer: Writer) -> None:
        steps.before(writer)
        finish(writer)

    def telling(database: Database, touched: Mapping[str, set[str]]) -> None:
        steps.after(touched)
        tell(database, touched)

    with patch.object(Writer, "finish", finishing), patch.object(Database, "_tell", telling):
        status = main(["--home", home, "rollouts", "follow", rollout, "--json"])
    if int(step) == 0:
        sys.stderr.write(f"{steps.seen}\n")
    return status


if __name__ == "__main__":
    sys.exit(program(*sys.argv[1:]))
