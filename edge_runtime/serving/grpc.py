"""The gRPC listener, with limits on what a client can make large. Importing it needs the ``[grpc]`` extra."""

from __future__ import annotations

import logging
import os
import threading

# What its core has to say to the console, it says to us as errors too. It reads this once, when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from edge_runtime.config import Inference, is_loopback, split_address
from edge_runtime.contracts.errors import AlreadyExists
from edge_runtime.serving.grpc_memory import CallMemory
from edge_runtime.serving.grpc_service import GrpcService
from edge_runtime.serving.grpc_streams import Streams
from edge_runtime.serving.listeners import check_address
from edge_runtime.serving.patience import Clock, Patience
from edge_runtime.serving.shelf import ModelShelf
from edge_runtime.serving.threads import DaemonThreads
from edge_runtime.serving.token import read_token

ENVELOPE_BYTES = 64 * 1024
"""What a message may have besides its tensors."""
MESSAGES_IN_HAND = 4
"""How many messages of the largest size may be in memory at a time, over all connections; answers count too."""
LEAST_IN_HAND_BYTES = 64 * 2**20
"""The same where messages are small: answers need not be."""
SLOWEST_BYTES_S = 2**20
"""A message may take as long as the largest one at this rate; how it moves meanwhile, gRPC does not tell."""
SLOW_CALLS = 32
"""How many calls may take that long at a time, each of which holds a thread."""
CROWDED_S = 1.0
"""Where more calls wait for their message, the oldest of them may take no longer than this."""
SPARE_THREADS = 8
"""For questions that need no worker while all others wait for one."""
MAX_METADATA_BYTES = 16 * 1024
KEEPALIVE_MS = 60_000
"""A client that has gone without a word is noticed after about this time."""
STOPPING_S = 3600.0
"""Longer than anybody waits in :meth:`GrpcServer.close`, which is what decides."""
_log = logging.getLogger(__name__)


class GrpcServer:
    """gRPC for programs that want answers; listens from :meth:`start` on.

    :raises AlreadyExists: the address is in use.
    :raises InputInvalid: the address is none of this machine's, or the token's file cannot be used.
    """

    def __init__(self, shelf: ModelShelf, settings: Inference) -> None:
        host, port = split_address(settings.grpc)
        check_address(host, port)
        token = read_token(settings.token_file) if settings.token_file else None
        if token is None and not is_loopback(host):
            _log.warning("anybody who reaches %s may ask for inference: there is no token_file", settings.grpc)
        answering = shelf.pool.workers + settings.max_queue
        threads = answering + SLOW_CALLS + SPARE_THREADS
        most_bytes = min(settings.max_body_bytes + ENVELOPE_BYTES, 2**31 - 1)
        patience = Patience(
            settings.header_timeout_s + most_bytes / SLOWEST_BYTES_S,
            crowd=SLOW_CALLS,
            in_crowd_s=min(CROWDED_S, settings.header_timeout_s),
        )
        memory = CallMemory(max(MESSAGES_IN_HAND * most_bytes, LEAST_IN_HAND_BYTES), settings.header_timeout_s)
        self._clock = Clock([patience.look, memory.look])
        self._ended: threading.Event | None = None
        self._server = grpc.server(
            DaemonThreads(threads, "grpc"),
            options=_options(settings, most_bytes, threads),
            maximum_concurrent_rpcs=settings.max_connections + threads,
        )
        streams = Streams(max(1, answering // 2), settings.header_timeout_s)
        service = GrpcService(shelf, token=token, patience=patience, memory=memory, streams=streams)
        self._server.add_generic_rpc_handlers(service.handlers())
        try:
            bound = self._server.add_insecure_port(settings.grpc)
        except RuntimeError as error:
            raise AlreadyExists(
                f"The box cannot listen on {host} port {port}: the address is in use.",
                hint="Stop the program that uses this port, or choose another address.",
            ) from error
        self.address: tuple[str, int] = (host, bound)

    def start(self) -> None:
        self._clock.start()
        self._server.start()

    def ask_to_stop(self) -> None:
        """Take no more calls and answer what is under way; :meth:`close` waits for it."""
        self._ended = self._server.stop(grace=STOPPING_S)

    def close(self, timeout_s: float) -> None:
        """Wait for the end after :meth:`ask_to_stop`, no longer than ``timeout_s``; then cut off whoever is left."""
        if self._ended is None or not self._ended.wait(timeout_s):
            self._server.stop(grace=0).wait(timeout_s)
        self._clock.close()


def _options(settings: Inference, most_bytes: int, threads: int) -> list[tuple[str, int]]:
    timeout_ms = round(settings.header_timeout_s * 1000)
    return [
        # Two programs on one port would each get a share of the clients.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", most_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", threads),
        # Else an answered call counts until its memory is given back, and clients that use all their streams, who open
        # the next one before that, are cut off with RST_STREAM where they should get an answer or wait.
        ("grpc.http.overload_protection", 0),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.server_handshake_timeout_ms", timeout_ms),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", timeout_ms),
    ]
