"""Asking boxes whether they take a one-time code: a greeting that tries nothing and changes nothing.

The answer is the word of whoever listens there: only the exchange itself proves who it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice, zip_longest

from edge_runtime.finding.schedule import Place

AT_ONCE = 64
MOST_ASKED = 256
TIMEOUT_S = 1.5


def ask_doors(doors: Mapping[str, tuple[Place, ...]]) -> dict[str, int]:
    """The port at which each box greets as itself, the first of those that are given; others are left out.

    :param doors: by the id of the box. All of their first places are asked before the second ones.
    """
    asked = list(islice(_in_turns(doors), MOST_ASKED))
    return asyncio.run(_ask_all(asked)) if asked else {}


def _in_turns(doors: Mapping[str, tuple[Place, ...]]) -> Iterator[tuple[str, Place]]:
    for turn in zip_longest(*([(box, place) for place in places] for box, places in doors.items())):
        yield from (ask for ask in turn if ask)


async def _ask_all(asked: list[tuple[str, Place]]) -> dict[str, int]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(place: Place) -> str | None:
        async with room:
            return await _who(*place)

    greeted = await asyncio.gather(*(one(place) for _box, place in asked))
    found: dict[str, int] = {}
    for (box, (_host, port)), who in zip(asked, greeted, strict=True):
        if who == box:
            found.setdefault(box, port)
    return found


async def _who(host: str, port: int) -> str | None:
    """The id that the box there names; None: nothing there takes a code."""
    # What a pairing needs is not loaded by those who only look.
    from edge_runtime.pairing.machine import DesktopSide
    from edge_runtime.pairing.messages import HEADER_BYTES, Kind, Message, Rubbish, read_header

    with suppress(OSError, EOFError, UnicodeError, Rubbish):
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(DesktopSide.greeting().encode())
                kind, length = read_header(await reader.readexactly(HEADER_BYTES), Kind.HELLO)
                return DesktopSide.read_hello(Message(kind, await reader.readexactly(length))).box
            finally:
                writer.transport.abort()
    return None
