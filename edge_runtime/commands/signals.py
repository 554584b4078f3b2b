"""Signals for a program whose main thread waits for more than signals."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager


@contextmanager
def heard_signals(numbers: Collection[int], heard: Callable[[int], object]) -> Iterator[None]:
    """Inside ``with``, in the main thread, ``heard`` is called with each of these signals, by a thread of its own.

    A handler in Python runs when the main thread next looks, and one that waits for a lock is woken for it only where
    it waits already: a signal that comes in the moment before, or to another thread, is not noticed until something
    else comes. What the interpreter writes into a pipe at the signal itself knows no such moment.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)

    def listen() -> None:
        while came := os.read(told, 16):
            for number in came:
                if number in numbers:
                    heard(number)
        os.close(told)

    threading.Thread(target=listen, name="signals", daemon=True).start()
    before = signal.set_wakeup_fd(tell)
    handlers = {number: signal.signal(number, lambda _number, _frame: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(tell)
