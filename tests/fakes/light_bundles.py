"""An edge bundle that is installed in a second, for machines of tests: the box in it runs from this repository."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tests.fakes.bare_machine import SHARED
from tests.fakes.edge_bundles import small_bundle

_MAIN = f"""\
import mmap, sys
# As the compiled modules of a real bundle lie in the memory of a process, which shows what version it runs.
with open(__file__, "rb") as own:
    loaded = mmap.mmap(own.fileno(), 0, access=mmap.ACCESS_READ)
def program():
    kept = [path for path in sys.path if "/opt/lineside-edge" not in path]
    sys.path[:] = ["{SHARED}/repository", "{SHARED}/site", *kept]
    for name in [name for name in sys.modules if name.split(".")[0] == "edge_runtime"]:
        del sys.modules[name]
    from edge_runtime.__main__ import program as real
    real()
"""


def light_bundle(folder: Path, *, padding: int = 0, note: str = "") -> Path:
    """A bundle of this version.

    :param padding: so many bytes more to upload.
    :param note: makes it another one.
    """
    import random

    filler = random.Random(7).randbytes(padding)
    changes = {"edge_runtime/__main__.py": _MAIN.encode() + note.encode(), "filler.bin": filler}
    return small_bundle(folder, version=version("lineside"), changes=changes)
