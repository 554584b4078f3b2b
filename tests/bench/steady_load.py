"""A load that never pauses and tells how long each of its requests took, until its standard input ends.

Run as a process of its own: ``python -m tests.bench.steady_load HOST:PORT REQUEST CONNECTIONS``. REQUEST is a file with
one whole HTTP request. It prints an empty line once answers come, and at its end a JSON object: when each answer came
(seconds on the monotonic clock of the machine), how long it took (milliseconds), and how many requests failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop


class Client(asyncio.Protocol):
    """One connection: the next request goes out as soon as an answer is whole."""

    def __init__(self, request: bytes, seen: Seen) -> None:
        self.request, self.seen = request, seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by their class.
        self.transport = cast("asyncio.Transport", transport)
        self.ask()

    def ask(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.asked_s = time.monotonic()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.monotonic()
        if self.parser.get_status_code() == 200:
            self.seen.answered.append((now, (now - self.asked_s) * 1000))
        else:
            self.seen.failures += 1
        self.seen.first.set()
        if self.seen.over:
            self.transport.close()
        else:
            # Not from within the parser, which the next answer needs anew.
            asyncio.get_running_loop().call_soon(self.ask)

    def connection_lost(self, error: Exception | None) -> None:
        self.seen.lost(finished=self.seen.over and error is None)


class Seen:
    """What all connections saw."""

    def __init__(self, connections: int) -> None:
        self.answered: list[tuple[float, float]] = []
        self.failures = 0
        self.over = False
        self.first, self.done = asyncio.Event(), asyncio.Event()
        self._open = connections

    def lost(self, *, finished: bool) -> None:
        """A connection ended, with the request that was on it unless it had its answer."""
        self.failures += not finished
        self._open -= 1
        if not self._open:
            self.done.set()

    def end(self) -> None:
        self.over = True


async def load(host: str, port: int, request: bytes, connections: int) -> None:
    loop = asyncio.get_running_loop()
    seen = Seen(connections)
    for _ in range(connections):
        await loop.create_connection(lambda: Client(request, seen), host, port)
    await seen.first.wait()
    print(flush=True)

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(seen.end)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await seen.done.wait()
    print(json.dumps({"answered": seen.answered, "failures": seen.failures}))


def main() -> None:
    address, request, connections = sys.argv[1:]
    host, _, port = address.rpartition(":")
    uvloop.run(load(host, int(port), Path(request).read_bytes(), int(connections)))


if __name__ == "__main__":
    main()
