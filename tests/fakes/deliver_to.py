"""A desktop on a machine of its own: brings one bundle to boxes, one after the other, each the neighbour of the next.

Argument: JSON with the desktop's folder, the file, its sha256 and the boxes' addresses and certificates. Prints how
each delivery went and what was sent for it.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from app.fleet.client import BoxClient
from app.fleet.delivery import Delivered, deliver_bundle
from edge_runtime.identity import load_identity


def main(plan: dict[str, Any]) -> list[Delivered]:
    identity = load_identity(Path(plan["desktop"]))
    before, done = list[partial[BoxClient]](), list[Delivered]()
    for address, certificate in plan["boxes"]:
        connect = partial(BoxClient, address, certificate, identity)
        with connect() as client:
            done.append(
                deliver_bundle(
                    client, Path(plan["file"]), plan["sha256"], sent=lambda _here, _all: None, neighbours=before
                )
            )
        before = [connect, *before]
    return done


if __name__ == "__main__":
    sys.stdout.write(json.dumps([[one.way, one.sent] for one in main(json.loads(sys.argv[1]))]))
