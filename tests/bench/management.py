"""A status call to a real box over pinned mutual TLS, against an echo of as many bytes over the same TLS."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.fleet.client import BoxClient
from cloud_sync.release.sign import ReleaseRepository
from edge_runtime.contracts import wire
from edge_runtime.identity import Identity, client_context, create_identity
from edge_runtime.processes import python_command
from tests.bench.measure import Figure, Goal, alternate
from tests.waiting import wait_until

CALLS = 400
CONNECTIONS = 60
CONFIG = """\
name = "bench"
[management]
listen = "127.0.0.1:0"
announce = false
pairing = ""
[inference]
http = ""
"""
"""At ports that nobody else has: another box may live on the machine of whoever measures."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Something that listens on this machine."""

    port: int
    certificate: str


@contextmanager
def running_box(home: Path, desktop: Identity, folder: Path) -> Iterator[Peer]:
    """A real box that trusts ``desktop``."""
    edge = python_command("edge_runtime")
    told = subprocess.run([*edge, "init", "--home", home, "--name", "bench", "--json"], check=True, capture_output=True)
    certificate = json.loads(told.stdout)["certificate"]
    config = home / "edge.toml"
    config.write_text(CONFIG)
    root = folder / "root.json"
    repository = ReleaseRepository.create(
        folder / "repository",
        passphrase="only for this measurement",
        root_key_path=folder / "root.pem",
        desktop_key_path=folder / "desktop.pem",
    )
    root.write_bytes(repository.root_bytes)
    subprocess.run(
        [*edge, "trust", "--home", home, "--desktop", desktop.certificate_path, "--root", root],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    address = home / "run" / "address.json"
    with subprocess.Popen([*edge, "run", "--home", home], stderr=subprocess.DEVNULL) as box:
        try:
            wait_until(address.exists, 30, "the box to listen")
            yield Peer(json.loads(address.read_text())["port"], certificate)
        finally:
            box.terminate()


@contextmanager
def running_echo(folder: Path, desktop: Identity) -> Iterator[Peer]:
    """The reference in a process of its own."""
    identity = create_identity(folder, "echo")
    command = [sys.executable, "-m", "tests.bench.echo", str(folder), str(desktop.certificate_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as echo:
        try:
            assert echo.stdout is not None
            yield Peer(int(echo.stdout.readline()), identity.certificate_pem)
        finally:
            echo.terminate()


@contextmanager
def echo_connection(peer: Peer, desktop: Identity) -> Iterator[Callable[[bytes], None]]:
    """One connection to the echo; call what it gives to send a message and wait until it is back."""
    with socket.create_connection(("127.0.0.1", peer.port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client_context(desktop, peer.certificate).wrap_socket(plain) as connection:

            def ask(message: bytes) -> None:
                connection.sendall(message)
                missing = len(message)
                while missing:
                    missing -= len(connection.recv(65536))

            yield ask


def measure() -> list[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        desktop = create_identity(folder / "desktop", "bench desktop")
        with (
            running_box(folder / "box", desktop, folder) as box,
            running_echo(folder / "echo", desktop) as echo,
            BoxClient(f"127.0.0.1:{box.port}", box.certificate, desktop) as client,
        ):
            message = wire.encode(client.status())

            def connect_and_ask() -> None:
                with BoxClient(f"127.0.0.1:{box.port}", box.certificate, desktop) as fresh:
                    fresh.status()

            def connect_and_echo() -> None:
                with echo_connection(echo, desktop) as ask:
                    ask(message)

            first = alternate(connect_and_ask, connect_and_echo, rounds=CONNECTIONS)
            with echo_connection(echo, desktop) as ask:
                further = alternate(client.status, lambda: ask(message), rounds=CALLS)
    return [
        figure(
            "Connect to a box and ask its status",
            "connecting and echoing as many bytes over the same TLS",
            first,
            goal=Goal(figure=12.0),
        ),
        figure("Ask its status again on the same connection", "one more echo on the same connection", further),
    ]


def figure(what: str, reference: str, medians: tuple[float, float], goal: Goal | None = None) -> Figure:
    ours, theirs = medians
    return Figure(
        what=f"{what}, median",
        reference=reference,
        unit="ms",
        ours=ours * 1000,
        theirs=theirs * 1000,
        higher_is_better=False,
        goal=goal,
    )
