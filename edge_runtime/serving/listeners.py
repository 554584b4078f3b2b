"""What the HTTP and the gRPC listener have in common, and the opening of the one that may not be installed."""

from __future__ import annotations

from typing import Protocol

from edge_runtime.config import Inference
from edge_runtime.contracts.errors import ProgramIncomplete
from edge_runtime.serving.shelf import ModelShelf


class Listener(Protocol):
    """Takes requests from :meth:`start` on, in a thread of its own."""

    address: tuple[str, int]

    def start(self) -> None: ...
    def ask_to_stop(self) -> None: ...
    def close(self, timeout_s: float) -> None: ...


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
