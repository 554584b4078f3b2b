"""Listening over IPv4 and IPv6 alike, and the address of whoever came."""

from __future__ import annotations

import errno
import ipaddress
import socket

EVERYWHERE = "::"
"""Every address of this machine, over IPv6 and IPv4."""
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


def listen_on(host: str, port: int, *, backlog: int) -> socket.socket:
    """A listening socket. On ``::`` it takes IPv4 too, whatever the system's own setting for that is, and IPv4 alone
    on a machine that has no IPv6.

    :raises OSError, UnicodeError: the address cannot be listened on.
    """
    if not _is_everywhere(host):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=backlog)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                (EVERYWHERE, port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
            )
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=backlog)  # noqa: S104 - asked for


def peer_host(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """The other side's address, as sockets tell it: where it came over IPv4, its IPv4 address, also from a socket
    that takes both.
    """
    host, _, zone = address[0].partition("%")
    mapped = ipaddress.IPv6Address(host).ipv4_mapped if ":" in host else None
    return str(mapped) if mapped else f"{host}%{zone}" if zone else host


def _is_everywhere(host: str) -> bool:
    """However it is written: ``::`` may be ``0:0::0``."""
    try:
        return host.count(":") > 1 and ipaddress.IPv6Address(host).is_unspecified
    except ValueError:
        return False
