"""Boxes that are known by name alone until they are asked once more: what is left where packets are lost.

    python -m tests.fakes.terse_boxes ADDRESS COUNT

Names all of them in its first answer, and none again. Answers a question about one the second time that it is put.
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import socket
import struct
import sys
from collections import Counter

from zeroconf import DNSAddress, DNSIncoming, DNSOutgoing, DNSPointer, DNSService, DNSText, const

SERVICE = "_lineside._tcp.local."
GROUP = ("224.0.0.251", 5353)
UNIQUE = const._CLASS_IN | const._CLASS_UNIQUE
DEAF_TIMES = 1


def name_of(number: int) -> str:
    return f"lineside-{number:x}.{SERVICE}"


def names(count: int) -> list[bytes]:
    out = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
    for number in range(count):
        out.add_answer_at_time(DNSPointer(SERVICE, const._TYPE_PTR, const._CLASS_IN, 4500, name_of(number)), 0)
    return list(out.packets())


def details(number: int, address: ipaddress.IPv4Address) -> list[bytes]:
    server, port = f"lineside-{number:x}.local.", 20_000 + number
    items = (f"box={hashlib.sha256(b'%d' % number).hexdigest()}", f"name=line-{number}", f"port={port}")
    text = b"".join(bytes([len(item)]) + item.encode() for item in items)
    out = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
    out.add_answer_at_time(DNSService(name_of(number), const._TYPE_SRV, UNIQUE, 120, 0, 0, port, server), 0)
    out.add_answer_at_time(DNSText(name_of(number), const._TYPE_TXT, UNIQUE, 4500, text), 0)
    out.add_answer_at_time(DNSAddress(server, const._TYPE_A, UNIQUE, 120, address.packed), 0)
    return list(out.packets())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", type=ipaddress.IPv4Address)
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    numbers = {name_of(number): number for number in range(options.count)}
    asked: Counter[str] = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as both:
        both.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        both.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, options.address.packed)
        both.bind(("", GROUP[1]))
        both.setsockopt(
            socket.IPPROTO_IP,
            socket.IP_ADD_MEMBERSHIP,
            struct.pack("4s4s", socket.inet_aton(GROUP[0]), options.address.packed),
        )
        sys.stdout.write("up\n")
        sys.stdout.flush()
        while True:
            message = DNSIncoming(both.recv(9000))
            if not message.is_query():
                continue
            for name in dict.fromkeys(question.name for question in message.questions):
                asked[name] += 1
                if name == SERVICE and asked[name] == 1:
                    answers = names(options.count)
                elif name in numbers and asked[name] > DEAF_TIMES:
                    answers = details(numbers[name], options.address)
                else:
                    answers = []
                for body in answers:
                    both.sendto(body, GROUP)


if __name__ == "__main__":
    main()
