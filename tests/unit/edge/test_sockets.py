"""One socket for IPv4 and IPv6, and what it tells of who came."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from edge_runtime.sockets import listen_on, peer_host

needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")


def came_from(listener: socket.socket, host: str) -> str:
    with socket.create_connection((host, listener.getsockname()[1]), timeout=60):
        accepted, address = listener.accept()
        accepted.close()
        return peer_host(address)


@needs_ipv6
@pytest.mark.parametrize("host", ["::", "0:0::0"])
def test_everywhere_is_over_both_and_each_comes_as_who_it_is(host: str) -> None:
    with closing(listen_on(host, 0, backlog=4)) as listener:
        assert listener.getsockname()[0] == "::"
        assert came_from(listener, "127.0.0.1") == "127.0.0.1"
        assert came_from(listener, "::1") == "::1"


def test_ipv4_alone_is_ipv4_alone() -> None:
    with closing(listen_on("0.0.0.0", 0, backlog=4)) as listener:
        assert came_from(listener, "127.0.0.1") == "127.0.0.1"
        with pytest.raises(OSError):
            came_from(listener, "::1")


def test_without_ipv6_everywhere_is_over_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with closing(listen_on("::", 0, backlog=4)) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"
        assert came_from(listener, "127.0.0.1") == "127.0.0.1"


@needs_ipv6
def test_a_taken_port_is_an_error_over_either() -> None:
    with (
        closing(listen_on("127.0.0.1", 0, backlog=4)) as taken,
        pytest.raises(OSError, match="in use"),
    ):
        listen_on("::", taken.getsockname()[1], backlog=4)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("::ffff:c000:207", 1, 0, 0), "192.0.2.7"),
        (("fd00::7", 1, 0, 0), "fd00::7"),
        (("fe80::7%eth0", 1, 0, 2), "fe80::7%eth0"),
    ],
)
def test_nobody_is_told_of_by_a_mapped_address(address: tuple[str, int], host: str) -> None:
    assert peer_host(address) == host
