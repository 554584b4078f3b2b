"""A load of HTTP requests that costs little itself: Debian's ``wrk``, which tells what it saw in JSON.

It shares the processor with the server that it measures, as it would on a box.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

SCRIPT = """
local file = io.open({body}, "rb")
wrk.method = "POST"
wrk.body = file:read("*all")
file:close()
for name, value in string.gmatch({headers}, "([^\\n]+): ([^\\n]+)") do wrk.headers[name] = value end
done = function(summary, latency, requests)
    local e = summary.errors
    print(string.format(
        '{{"requests": %d, "microseconds": %d, "p50_us": %f, "p99_us": %f, "failures": %d}}',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the clients saw."""

    requests: int
    microseconds: int
    p50_us: float
    p99_us: float
    failures: int

    @property
    def per_second(self) -> float:
        return self.requests / self.microseconds * 1e6


@dataclass(frozen=True, slots=True)
class Question:
    """A POST request."""

    path: str
    body: bytes
    headers: Mapping[str, str]


def ask_again_and_again(address: tuple[str, int], question: Question, *, connections: int, seconds: int) -> Load:
    """The same request on each of ``connections``, one after the other, for this long; every answer must be a 200."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("The load comes from wrk: apt-get install wrk")
    with TemporaryDirectory() as folder:
        body, script = Path(folder, "body"), Path(folder, "load.lua")
        body.write_bytes(question.body)
        headers = "\n".join(f"{name}: {value}" for name, value in question.headers.items())
        script.write_text(SCRIPT.format(body=json.dumps(str(body)), headers=json.dumps(headers)))
        url = f"http://{address[0]}:{address[1]}{question.path}"
        options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency"]
        done = subprocess.run([wrk, *options, "--script", script, url], check=True, capture_output=True, text=True)
    load = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Load)
    if load.failures or not load.requests:
        raise AssertionError(f"{load.failures} of {load.requests} requests failed:\n{done.stdout}")
    return load
