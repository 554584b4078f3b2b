"""First code of the built program: Lineside, or the helper process that it starts of itself."""

from __future__ import annotations

import runpy
import sys

from edge_runtime.processes import RUN_MODULE

HELPERS = ("edge_runtime", "edge_runtime.update.probe_child")


def start(arguments: list[str]) -> int:
    """Run the helper that the arguments name, or else Lineside itself; the exit status."""
    if arguments[:1] == [RUN_MODULE]:
        module = arguments[1] if len(arguments) > 1 else ""
        if module not in HELPERS:
            raise SystemExit(f"{module!r} is not one of: {', '.join(HELPERS)}")
        sys.argv = arguments[1:]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return 0
    # A helper has no use for the desktop's modules.
    from app.__main__ import main

    return main()


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
