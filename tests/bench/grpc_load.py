"""Clients that ask over gRPC as fast as they are answered; a process of its own.

``python -m tests.bench.grpc_load HOST:PORT CONNECTIONS REQUEST`` takes the bytes of the file REQUEST; for each
line with a number of seconds that comes on standard input it asks for so long on all connections at a time, and prints
how many answers a second came.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from edge_runtime.serving.grpc_messages import SERVICE


def connect(address: str) -> tuple[grpc.Channel, Callable[[bytes], bytes]]:
    """A connection of its own, and the call on it."""
    channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    return channel, channel.unary_unary(f"/{SERVICE}/ModelInfer")


def ask_for(seconds: float, calls: list[Callable[[bytes], bytes]], request: bytes) -> float:
    """Answers a second."""
    counts = [0] * len(calls)
    begin = time.perf_counter()

    def loop(number: int) -> None:
        while time.perf_counter() < begin + seconds:
            calls[number](request)
            counts[number] += 1

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)


def main() -> None:
    address, connections, path = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    request = path.read_bytes()
    opened = [connect(address) for _ in range(connections)]
    calls = [call for _, call in opened]
    for call in calls:
        call(request)
    for line in sys.stdin:
        print(ask_for(float(line), calls, request), flush=True)
    for channel, _ in opened:
        channel.close()


if __name__ == "__main__":
    main()
