"""What gRPC calls hold in memory, and for how long: messages while they are worked on, answers until they are taken."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge_runtime.contracts.errors import BoxRefused

COPIES = 2
"""gRPC keeps an answer twice until it is taken: as what it was given, and as what it sends."""
CALL_BYTES = 16 * 1024
"""What gRPC itself keeps for a call whose answer is not taken, about."""
SMALL_BYTES = 16 * 1024
SPARED_BYTES = 16 * 2**20
"""For what is small when large ones hold all the rest: most questions and answers are, and they go on."""
SHORT_PART = 4
"""When no more than one such part is left, memory is short."""
SLOWEST_BYTES_S = 16 * 1024
"""An answer may take as long as it and the others of its connection at this rate."""
SHORT_BYTES_S = 2**19
"""The same while memory is short: then others wait for what the slow ones hold."""
MOST_MESSAGE_BYTES = 2**31 - 1
"""Larger ones no client can read."""


class TooLarge(Exception):
    """More than would fit if there were nothing else."""


@dataclass(slots=True, eq=False)
class Message:
    """One that is worked on."""

    charge: int
    """What is reserved for it; 0: its answer has taken its place, or it is done with."""


@dataclass(slots=True, eq=False)
class Debt:
    """An answer that its client has not taken yet.

    :param connection: which it goes over.
    :param give_up: ends the call; called on another thread.
    """

    connection: str
    give_up: Callable[[], object]
    size: int = 0
    charge: int = 0
    """What is reserved for it; 0: it is taken, or never was there."""
    since: float = 0.0
    most_ahead: int = 0
    """The most that its connection owed at a time since then, this one included: gRPC sends them side by side."""

    def is_late(self, now: float, patience_s: float, *, is_short: bool) -> bool:
        """Whether its client had time enough to take it; how far it has come, gRPC does not tell."""
        pace = SHORT_BYTES_S if is_short else SLOWEST_BYTES_S
        return now - self.since > patience_s + self.most_ahead / pace


class CallMemory:
    """One budget for messages and answers of all calls; from any thread.

    :param most_bytes: that may be held at a time; what is small may take a little more.
    :param patience_s: what any client may take to accept an answer, however short.
    """

    def __init__(self, most_bytes: int, patience_s: float) -> None:
        self.most_answer_bytes = min((most_bytes - CALL_BYTES) // COPIES, MOST_MESSAGE_BYTES)
        self._most_bytes = self._free_bytes = most_bytes
        self._short_bytes = most_bytes // SHORT_PART
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._debts: set[Debt] = set()

    @contextmanager
    def held(self, size: int, charge: int) -> Iterator[Message]:
        """While a message of this size is worked on.

        :param charge: what it takes at most.
        :raises TooLarge: there never is room for it.
        :raises BoxRefused: there is none now.
        """
        if charge > self._most_bytes:
            raise TooLarge(f"The message takes up to {charge} bytes when it is read; {self._most_bytes} may be held.")
        with self._lock:
            if not self._fits(charge, size):
                raise BoxRefused("Too many large messages are under way.", hint="Send this one again.")
            self._free_bytes -= charge
        message = Message(charge)
        try:
            yield message
        finally:
            with self._lock:
                self._free_bytes += message.charge
                message.charge = 0

    def owe(self, debt: Debt, size: int, message: Message) -> None:
        """From now on an answer of this size is held for its client, in place of the one before and of the message that
        it answers: who was let in with a large one needs no more room for a smaller answer.

        :raises TooLarge: there never is room for it.
        :raises BoxRefused: there is none now.
        """
        if size > self.most_answer_bytes:
            raise TooLarge(
                f"The answer has {size} bytes; over gRPC it may have {self.most_answer_bytes}. Ask for less at a time."
            )
        charge = COPIES * size + CALL_BYTES
        with self._lock:
            before = debt.charge + message.charge
            if charge > before and not self._fits(charge - before, size):
                raise BoxRefused("Too many answers wait for their clients to take them.", hint="Ask again.")
            self._free_bytes += before - charge
            message.charge = 0
            debt.size, debt.charge, debt.since, debt.most_ahead = size, charge, time.monotonic(), size
            self._debts.add(debt)

    def settle(self, debt: Debt) -> None:
        """Its client has taken it, or never will. Once is enough, more often does no harm."""
        with self._lock:
            self._free_bytes += debt.charge
            debt.charge = 0
            self._debts.discard(debt)

    def look(self) -> None:
        """Give up on clients that do not take their answers. To be called every now and then."""
        now = time.monotonic()
        with self._lock:
            owed: Counter[str] = Counter()
            for debt in self._debts:
                owed[debt.connection] += debt.size
            is_short = self._free_bytes <= self._short_bytes
            late = []
            for debt in self._debts:
                debt.most_ahead = max(debt.most_ahead, owed[debt.connection])
                if debt.is_late(now, self._patience_s, is_short=is_short):
                    late.append(debt)
        # What is held for them is given back when gRPC has let go of it.
        for debt in late:
            debt.give_up()

    def _fits(self, charge: int, size: int) -> bool:
        return charge <= self._free_bytes + (SPARED_BYTES if size <= SMALL_BYTES else 0)
