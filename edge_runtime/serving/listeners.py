"""What the HTTP and the gRPC listener have in common, and the opening of the one that may not be installed."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Protocol

from edge_runtime.config import Inference
from edge_runtime.contracts.errors import InputInvalid, ProgramIncomplete
from edge_runtime.serving.shelf import ModelShelf


class Listener(Protocol):
    """Takes requests from :meth:`start` on, in a thread of its own."""

    address: tuple[str, int]

    def start(self) -> None: ...
    def ask_to_stop(self) -> None: ...
    def close(self, timeout_s: float) -> None: ...


def check_address(host: str, port: int) -> None:
    """Whether a listener can be opened there, as long as nobody else has it.

    :raises InputInvalid: there is no such port, no such name, or it is another machine's.
    """
    if port > 65535:
        raise InputInvalid(f"{port} is no port: the highest is 65535.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, _, _, _, address in found:
            with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((address[0], 0, *address[2:]))
                return
        why = "that is not this machine"
    except OSError as error:
        why = error.strerror or str(error)
    raise InputInvalid(
        f"The box cannot listen on {host} port {port}: {why}.",
        hint="Give the name or an address of this machine, for instance 127.0.0.1.",
    )


def open_grpc(shelf: ModelShelf, settings: Inference) -> Listener:
    """The gRPC listener.

    :raises ProgramIncomplete: its libraries are not installed.
    :raises AlreadyExists: the address cannot be listened on.
    :raises InputInvalid: the token's file cannot be used.
    """
    try:
        from edge_runtime.serving.grpc import GrpcServer
    except ImportError as error:
        raise ProgramIncomplete(
            f"gRPC needs a part that is not installed: {error.name or error}.",
            hint="Install it: pip install 'lineside[grpc]'.",
        ) from error
    return GrpcServer(shelf, settings)
