"""``lineside``: without arguments the window, otherwise the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.frame import Windows, run
from edge_runtime.strangers import keep_quiet_about_strangers

if TYPE_CHECKING:
    from app.demo.report import DemoOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default this process's) and return its exit status."""
    keep_quiet_about_strangers()
    return run(sys.argv[1:] if argv is None else argv, Windows(site=_open_window, demo=_play_in_window))


def _open_window(home: Path) -> int:
    # Qt is loaded only where a window is wanted: commands start in a tenth of a second.
    from app.gui.main import run as open_window

    return open_window(home)


def _play_in_window(options: DemoOptions) -> int:
    from app.gui.main import run_demo

    return run_demo(options)


if __name__ == "__main__":
    sys.exit(main())
