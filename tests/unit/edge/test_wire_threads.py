"""Contracts that several threads decode for the first time at once; in processes of their own, for msgspec's own way
of doing it crashes them.
"""

from __future__ import annotations

import subprocess
import sys

MANY = """
import sys, threading
from dataclasses import make_dataclass
from edge_runtime.contracts import wire

inner = [make_dataclass(f"Inner{n}", [(f"f{m}", int) for m in range(40)], namespace={}) for n in range(40)]
kind = make_dataclass("Outer", [(f"g{n}", one) for n, one in enumerate(inner)])
body = wire.encode({f"g{n}": {f"f{m}": m for m in range(40)} for n in range(40)})
together, wrong = threading.Barrier(8), []

def first():
    together.wait()
    try:
        for _ in range(3):
            assert wire.decode(body, kind).g39.f39 == 39
            assert wire.from_dict({f"g{n}": {f"f{m}": m for m in range(40)} for n in range(40)}, kind).g0.f7 == 7
    except BaseException as error:
        wrong.append(error)

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=first) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
assert not wrong, wrong
"""


def test_threads_that_decode_for_the_first_time_do_not_meet() -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
