"""``lineside-edge`` on a machine whose decoder never comes back from some frames: those that end in :data:`TRAP`."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import pytest

from edge_runtime.__main__ import program

TRAP = b"no decoder comes back from this"


def main(patch: pytest.MonkeyPatch) -> None:
    decode = cv2.imdecode

    def imdecode(buffer: Any, flags: int) -> Any:
        if bytes(buffer).endswith(TRAP):
            # As in the library itself the interpreter is free meanwhile.
            threading.Event().wait()
        return decode(buffer, flags)

    patch.setattr(cv2, "imdecode", imdecode)
    program()


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        main(patch)
