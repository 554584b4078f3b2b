"""Announces many boxes at once, of which none is there: what a broken or hostile machine can do to a network.

    python -m tests.fakes.announcers ADDRESS COUNT [--impersonate BOX] [--at OTHER] [--forge BOX]

Goes on until it is killed. Half of them say that they are at ADDRESS or OTHER, the others at addresses where nobody is.
With --forge the first word is that BOX, which is at OTHER, is another desktop's and takes a code at a port of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import itertools
import socket
import time
from collections.abc import Iterator

from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText, const

SERVICE = "_lineside._tcp.local."
GROUP = ("224.0.0.251", 5353)
BURST, PAUSE_S = 50, 0.01


def packet(
    number: int, box: str, address: ipaddress.IPv4Address, port: int, rest: tuple[str, ...] = ("enrolled=0",)
) -> bytes:
    """A whole announcement: pointer, service, text and address."""
    label = f"lineside-{number:x}"
    name, server = f"{label}.{SERVICE}", f"{label}.local."
    items = (f"box={box}", f"name=line-{number}", f"port={port}", *rest)
    text = b"".join(bytes([len(item)]) + item.encode() for item in items)
    unique = const._CLASS_IN | const._CLASS_UNIQUE
    out = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
    out.add_answer_at_time(DNSPointer(SERVICE, const._TYPE_PTR, const._CLASS_IN, 4500, name), 0)
    out.add_answer_at_time(DNSService(name, const._TYPE_SRV, unique, 120, 0, 0, port, server), 0)
    out.add_answer_at_time(DNSText(name, const._TYPE_TXT, unique, 4500, text), 0)
    out.add_answer_at_time(DNSAddress(server, const._TYPE_A, unique, 120, address.packed), 0)
    return out.packets()[0]


def announcements(
    own: ipaddress.IPv4Address, count: int, impersonated: str | None, forged: str | None
) -> Iterator[bytes]:
    if forged:
        yield packet(count, forged, own, 7443, ("enrolled=1", "pair=9"))
    for number in range(count):
        box = impersonated if impersonated and number % 10 == 0 else hashlib.sha256(b"%d" % number).hexdigest()
        # Nobody is at these addresses, which are neighbours all the same.
        address = own if number % 2 else own + 256 + number % 10_000
        yield packet(number, box, address, 7443)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", type=ipaddress.IPv4Address)
    parser.add_argument("count", type=int)
    parser.add_argument("--impersonate")
    parser.add_argument("--at", type=ipaddress.IPv4Address)
    parser.add_argument("--forge")
    options = parser.parse_args()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, options.address.packed)
        sender.bind((str(options.address), 0))
        packets = list(announcements(options.at or options.address, options.count, options.impersonate, options.forge))
        for number, body in enumerate(itertools.cycle(packets)):
            sender.sendto(body, GROUP)
            if number % BURST == 0:
                time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
