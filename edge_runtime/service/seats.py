"""Who may keep a connection when there are more than there is room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Seats(Generic[T]):
    """Nobody can fill the room: whoever holds the most gives way, oldest first, to whoever comes.

    :param total: connections there is room for.
    :param each: connections that one guest may have.
    :param busy: whether one of them has work in hand; those without go first.
    """

    def __init__(self, *, total: int, each: int, busy: Callable[[T], bool] = lambda _seat: False) -> None:
        self._total, self._each, self._busy = total, each, busy
        self._taken: dict[T, str] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, guest: str, seat: T) -> list[T]:
        """Seat a newcomer; returns those who must go for it."""
        gone = []
        if sum(other == guest for other in self._taken.values()) >= self._each:
            gone.append(self._oldest(guest))
        elif len(self._taken) >= self._total:
            most, _count = Counter(self._taken.values()).most_common(1)[0]
            gone.append(self._oldest(most))
        for leaving in gone:
            self.leave(leaving)
        self._taken[seat] = guest
        return gone

    def leave(self, seat: T) -> None:
        """The seat is free; again: nothing happens."""
        self._taken.pop(seat, None)

    def _oldest(self, guest: str) -> T:
        theirs = [seat for seat, other in self._taken.items() if other == guest]
        return next((seat for seat in theirs if not self._busy(seat)), theirs[0])
