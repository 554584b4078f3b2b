"""Networks of the test's own: machines as network namespaces, cables as veth pairs. Needs root and iproute2."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

needs_namespaces = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"
)


@dataclass
class Machine:
    """A machine in a network of its own; its processes are started with :meth:`command`."""

    name: str

    def command(self, *words: str) -> list[str]:
        """These words as a command that runs on this machine."""
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), text=True, timeout=120, **{"check": True, "capture_output": True, **options}
        )

    def has(self, *commands: str) -> None:
        """Run each line here."""
        for line in commands:
            self.run(*line.split())


@dataclass
class Network:
    """Machines and the cables between them."""

    token: str = field(default_factory=lambda: secrets.token_hex(3))
    machines: list[Machine] = field(default_factory=list)

    def machine(self, name: str) -> Machine:
        made = Machine(f"ls-{self.token}-{name}")
        subprocess.run(["ip", "netns", "add", made.name], check=True)
        self.machines.append(made)
        made.has("ip link set lo up")
        return made

    def cable(self, ends: Sequence[tuple[Machine, str, Sequence[str]]]) -> None:
        """A cable between two machines: for each its interface's name and addresses there."""
        (one, one_name, _), (two, two_name, _) = ends
        one.has(f"ip link add {one_name} type veth peer name {two_name} netns {two.name}")
        for machine, name, addresses in ends:
            machine.has(
                *(f"ip address add {address} dev {name} {'nodad' if ':' in address else ''}" for address in addresses),
                f"ip link set dev {name} up multicast on",
            )

    def close(self) -> None:
        for machine in self.machines:
            subprocess.run(["ip", "netns", "delete", machine.name], check=False)


@contextmanager
def network() -> Iterator[Network]:
    made = Network()
    try:
        yield made
    finally:
        made.close()
