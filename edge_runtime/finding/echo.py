"""Whether this machine hears multicast at all: it asks the network for something and listens for its own question."""

from __future__ import annotations

import ipaddress
import secrets
import select
import socket
import time

MDNS_GROUP, MDNS_PORT = "224.0.0.251", 5353
WAIT_S = 0.5


def hears_itself(address: ipaddress.IPv4Address) -> bool:
    """Send an mDNS question from this address of ours and wait for it to come back, as the system loops it.

    False where a firewall on this machine drops what comes in for mDNS, or the interface passes no multicast.
    """
    word = f"lineside-echo-{secrets.token_hex(8)}"
    own = address.packed
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            receiver.bind(("", MDNS_PORT))
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(MDNS_GROUP) + own)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            sender.bind((str(address), 0))
            sender.sendto(_question(word), (MDNS_GROUP, MDNS_PORT))
            return _arrives(receiver, word.encode())
    except OSError:
        return False


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
