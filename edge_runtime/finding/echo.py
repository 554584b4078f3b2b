"""Whether this machine hears multicast at all: it asks the network for something and listens for its own question."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import select
import socket
import struct
import time

from edge_runtime.finding.interfaces import Interface

MDNS_PORT = 5353
IPV4_GROUP, IPV6_GROUP = "224.0.0.251", "ff02::fb"
WAIT_S = 0.5
_NO_ADDRESS_YET = (errno.EADDRNOTAVAIL, errno.ENETUNREACH)


def hears_itself(interface: Interface, version: int) -> bool:
    """Send an mDNS question over this interface and IP version, and wait for it to come back, as the system loops it.

    False where a firewall on this machine drops what comes in for mDNS, or the interface passes no multicast. An
    IPv6 address that the system is still trying out says nothing against it.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    word = f"lineside-echo-{secrets.token_hex(8)}"
    try:
        with (
            socket.socket(family, socket.SOCK_DGRAM) as receiver,
            socket.socket(family, socket.SOCK_DGRAM) as sender,
        ):
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if version == 4:
                _over_ipv4(interface, receiver, sender)
                sender.sendto(_question(word), (IPV4_GROUP, MDNS_PORT))
            else:
                index = _over_ipv6(interface, receiver, sender)
                sender.sendto(_question(word), (IPV6_GROUP, MDNS_PORT, 0, index))
            return _arrives(receiver, word.encode())
    except OSError as error:
        return version == 6 and error.errno in _NO_ADDRESS_YET


def _over_ipv4(interface: Interface, receiver: socket.socket, sender: socket.socket) -> None:
    own = next(own.ip for own in interface.networks if isinstance(own, ipaddress.IPv4Interface))
    receiver.bind(("", MDNS_PORT))
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(IPV4_GROUP) + own.packed)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own.packed)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    sender.bind((str(own), 0))


def _over_ipv6(interface: Interface, receiver: socket.socket, sender: socket.socket) -> int:
    """Returns the interface's number."""
    index = interface.index or 0
    group = socket.inet_pton(socket.AF_INET6, IPV6_GROUP) + struct.pack("@I", index)
    # Beside programs that take IPv4 at the same port.
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    receiver.bind(("", MDNS_PORT))
    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    return index


def _arrives(receiver: socket.socket, word: bytes) -> bool:
    deadline = time.monotonic() + WAIT_S
    while (left := deadline - time.monotonic()) > 0:
        if select.select([receiver], [], [], left)[0] and word in receiver.recv(9000):
            return True
    return False


def _question(word: str) -> bytes:
    """An mDNS query for a service type that nobody has."""
    labels = (f"_{word}"[:63], "_tcp", "local")
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    return b"\0\0" + b"\0\0" + b"\0\1" + b"\0\0" * 3 + name + b"\0\x0c" + b"\0\1"
