"""Whose key answers at an address: a TLS handshake that shows nothing of ours, asks nothing and changes nothing.

A box shows its certificate before it looks at the client's, so its identity can be read without being trusted by it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.finding.schedule import Schedule
from edge_runtime.identity import Presented, read_presented

AT_ONCE = 256
PATIENT_AT_ONCE = 32
"""Of those that were silent when they were asked with many others."""
TIMEOUT_S = 1.5
MOST_ADDRESSES = 4096
"""Of one subnet: a /20."""

Outcome = Literal["box", "other", "refused", "silent", "unreachable"]
"""A box's key; a listener that is no box; a machine without a listener; no answer at all; no way there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What answered at one address."""

    host: str
    port: int
    outcome: Outcome
    presented: Presented | None = None
    """Where a box's key answered."""


def probe(
    places: Iterable[tuple[str, int]],
    *,
    timeout_s: float = TIMEOUT_S,
    done: Callable[[int], None] = lambda _count: None,
) -> list[Probed]:
    """Ask every place whose key it has, many at a time; the answers in the order of the places.

    :param done: called with how many are done after each; may raise to stop.
    """
    asked = list(dict.fromkeys(places))
    answers = {(one.host, one.port): one for one in probe_in_turn(Schedule(asked), timeout_s=timeout_s, done=done)}
    return [answers[place] for place in asked]


def probe_in_turn(
    schedule: Schedule,
    *,
    timeout_s: float = TIMEOUT_S,
    done: Callable[[int], None] = lambda _count: None,
) -> list[Probed]:
    """As :func:`probe`, what a schedule gives out; the answers as they came, so that of two the later one counts."""
    try:
        return asyncio.run(_probe_all(schedule, timeout_s, done))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def addresses_of(subnet: str) -> list[str]:
    """The hosts of a subnet such as ``192.0.2.0/24``.

    :raises InputInvalid: not a subnet, or one with more than :data:`MOST_ADDRESSES` addresses.
    """
    try:
        network = ipaddress.ip_network(subnet, strict=False)
    except ValueError as error:
        raise InputInvalid(f"{subnet!r} is not a subnet like 192.168.1.0/24.") from error
    if network.num_addresses > MOST_ADDRESSES:
        raise InputInvalid(
            f"{subnet} has {network.num_addresses} addresses; at most {MOST_ADDRESSES} are tried at a time.",
            hint="Name a smaller part of it, or the box's own address.",
        )
    return [str(host) for host in network.hosts()]


async def _probe_all(schedule: Schedule, timeout_s: float, done: Callable[[int], None]) -> list[Probed]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    # Nothing is trusted here: what is read is whose key it is.
    context.verify_mode = ssl.CERT_NONE
    ended: asyncio.Queue[tuple[Probed, float]] = asyncio.Queue()
    answers: list[Probed] = []

    async def one(host: str, port: int) -> None:
        begun = time.monotonic()
        probed = await _probe_one(host, port, context, timeout_s)
        ended.put_nowait((probed, time.monotonic() - begun))

    async with asyncio.TaskGroup() as group:
        asking = 0
        while True:
            while (
                asking < (PATIENT_AT_ONCE if schedule.patient else AT_ONCE) and (place := schedule.take()) is not None
            ):
                asking += 1
                group.create_task(one(*place))
            if not asking:
                return answers
            probed, took_s = await ended.get()
            asking -= 1
            answers.append(probed)
            outcome = probed.outcome
            place = (probed.host, probed.port)
            schedule.tell(place, answered=outcome == "box", took_s=took_s, silent=outcome == "silent")
            done(len(answers))


async def _probe_one(host: str, port: int, context: ssl.SSLContext, timeout_s: float) -> Probed:
    try:
        async with asyncio.timeout(timeout_s):
            _reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="")
    except ConnectionRefusedError:
        return Probed(host=host, port=port, outcome="refused")
    except TimeoutError:
        return Probed(host=host, port=port, outcome="silent")
    except (ssl.SSLError, ConnectionError):
        return Probed(host=host, port=port, outcome="other")
    except (OSError, UnicodeError):
        return Probed(host=host, port=port, outcome="unreachable")
    try:
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        presented = read_presented(connection.getpeercert(binary_form=True) or b"")
    except InputInvalid:
        return Probed(host=host, port=port, outcome="other")
    finally:
        writer.transport.abort()
    return Probed(host=host, port=port, outcome="box", presented=presented)
