"""Print packaging/constraints.txt: what is installed now, as exact versions. Run through ``make constraints``."""

from __future__ import annotations

import sys

from closure import closure

HEADER = """\
# Every version that Lineside is built and tested with, for pip's -c.
# To renew: install newer versions into .venv with pip, run `make test`, then `make constraints`.
"""


def main() -> None:
    sys.stdout.write(HEADER)
    for name, installed in closure("desktop", "grpc", "train", "dev").items():
        # A local label such as +cpu names one build of a release; any build of it will do.
        sys.stdout.write(f"{name}=={installed.version.partition('+')[0]}\n")


if __name__ == "__main__":
    main()
