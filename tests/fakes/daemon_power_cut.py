"""The real daemon, which loses its power at a chosen step of an installation: run as a process of its own.

Arguments: the box's home, the step, ``before``, ``middle`` or ``after``. Steps are counted as in
:mod:`tests.fakes.power_cut`, from the moment a desktop asks for an installation.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from edge_runtime.service import daemon
from edge_runtime.update import slot_files
from edge_runtime.update.installer import Installer
from edge_runtime.update.slot_store import SlotStore
from tests.fakes.power_cut import Steps


def main(home: Path, step: int, moment: str) -> int:
    steps = Steps(step, moment)
    install = Installer.install

    def counted(self: Installer, *arguments: Any, **named: Any) -> None:
        # From here on for good: the last steps are written by the frames of the trial.
        patch.object(SlotStore, "save", steps.around(SlotStore.save)).start()
        with patch.object(slot_files, "write_durably", steps.around(steps.half_written)):
            install(self, *arguments, **named)

    with patch.object(Installer, "install", counted):
        return daemon.run(home)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
