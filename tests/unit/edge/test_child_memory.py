"""The limit of memory under which a model is tried, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux")


def run(script: str) -> list[int]:
    """What it prints as JSON."""
    script = (
        "import json, resource\n"
        "from edge_runtime.inference.child_memory import be_the_first_to_go, forget_limit, own_memory\n"
        "from edge_runtime.inference.providers import CPU\n"
        f"{script}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    printed: list[int] = json.loads(done.stdout)
    return printed


def test_the_limit_of_one_model_is_not_that_of_the_next() -> None:
    before, within, after = run(
        "limits = [resource.getrlimit(resource.RLIMIT_AS)[0]]\n"
        "be_the_first_to_go(CPU)\n"
        "limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])\n"
        "forget_limit()\n"
        "limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])\n"
        "print(json.dumps(limits))"
    )
    assert before == after != within


def test_no_more_is_said_to_be_allowed_than_whoever_started_it_allows() -> None:
    limit, allowed = run(
        "limit = own_memory('VmSize') + 2**27\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "print(json.dumps([2**27, be_the_first_to_go(CPU)]))"
    )
    assert 0 < allowed <= limit
