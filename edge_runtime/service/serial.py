"""The number that counts up with every change worth telling, and waiting for the next one."""

from __future__ import annotations

import asyncio
import threading


class Serial:
    """Bumped from any thread; waited for on an event loop."""

    def __init__(self) -> None:
        self._value = 1
        self._lock = threading.Lock()
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def value(self) -> int:
        return self._value

    def bump(self) -> None:
        """Something changed: everybody who waits goes on."""
        with self._lock:
            self._value += 1
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            future.get_loop().call_soon_threadsafe(_finish, future)

    def close(self) -> None:
        """Nobody waits any more, from now on."""
        self._closed = True
        self.bump()

    async def differs(self, since: int, timeout_s: float) -> None:
        """Return once the number is not ``since`` (which may be from before a restart), or after ``timeout_s``."""
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._closed or self._value != since:
                return
            self._waiting.add(future)
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return
        finally:
            with self._lock:
                self._waiting.discard(future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
