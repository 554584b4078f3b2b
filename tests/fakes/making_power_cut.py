"""The real daemon, which loses its power while it makes a bundle from a patch: run as a process of its own.

Arguments: the box's home, ``before``, ``middle`` or ``after`` the bundle's file is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

from edge_runtime.service import daemon
from edge_runtime.update import inbox as inbox_module
from edge_runtime.update.durable import write_durably
from tests.fakes.power_cut import Steps


def main(home: Path, moment: str) -> int:
    steps = Steps(1, moment)
    # Metadata is written in the same way: only what lies among the objects counts.
    cut = steps.around(steps.half_written)

    def write(path: Path, chunks: Iterable[bytes]) -> None:
        (cut if path.parent.name == "objects" else write_durably)(path, chunks)

    with patch.object(inbox_module, "write_durably", write):
        return daemon.run(home)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
