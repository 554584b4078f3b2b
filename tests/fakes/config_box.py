"""The real daemon, which judges a new configuration sooner and may lose its power while it takes one: a process of
its own.

Arguments: the box's home, and the step with ``before``, ``middle`` or ``after``, where its power is to be cut. Steps
are the files that are written for a configuration, counted from the moment a desktop sends one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from unittest.mock import patch

from edge_runtime.configuring import store, trial
from edge_runtime.contracts.configuring import ConfigChange, ConfigHistory
from edge_runtime.service import configuration, daemon
from edge_runtime.service.configuration import Configuration
from edge_runtime.update.durable import write_durably
from tests.fakes.power_cut import cut_the_power

SOON_S = 8.0
COMMITTING = ("the text", "TRIAL", "edge.toml", "IN FORCE")
RETURNING = ("the text", "TRIAL", "RETURNED")


def dying_writer(step: int, moment: str) -> Callable[..., None]:
    """Writes as :func:`write_durably` does, until the step comes."""
    left = step

    def write(path: Path, chunks: Iterable[bytes], *, mode: int) -> None:
        nonlocal left
        left -= 1
        if left == 0 and moment == "before":
            cut_the_power()

        def half() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk[: len(chunk) // 2]
                cut_the_power()

        write_durably(path, half() if left == 0 and moment == "middle" else chunks, mode=mode)
        if left == 0 and moment == "after":
            cut_the_power()

    return write


def main(home: Path, step: int, moment: str) -> int:
    change = Configuration.change

    def counted(self: Configuration, asked: ConfigChange, who: str) -> ConfigHistory:
        if step:
            # From here on for good: the last steps are written by the trial.
            write = dying_writer(step, moment)
            patch.object(store, "write_durably", write).start()
            patch.object(configuration, "write_durably", write).start()
        return change(self, asked, who)

    with (
        patch.object(Configuration, "change", counted),
        patch.object(trial, "LEAST_S", 1.0),
        patch.object(trial, "MOST_S", SOON_S),
        patch.object(trial, "RETURN_S", SOON_S),
    ):
        return daemon.run(home)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
