"""Following many boxes at once: one connection a box, one thread for all of them.

Each box is asked for its status again and again over pinned mutual TLS; what it says, or why it says nothing, goes to
the caller in batches. A box that does not answer is left alone for a while; the others do not notice.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from app.fleet.client import MAX_BODY_BYTES, split_address
from app.fleet.clock import RoundTrip
from app.fleet.failures import as_problem, no_answer, no_box, reading_answer, refusal, wrong_key
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BoxUnreachable, LinesideError
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.http_answers import READ_BYTES, AnswerInvalid, AnswerReader, request
from edge_runtime.identity import Identity, certificate_der, client_context

ASK_EVERY_S = 1.0
TELL_EVERY_S = 0.5
RETRY_S = 10.0
"""How long a box that did not answer is left alone."""
ANSWER_TIMEOUT_S = 10.0
CONNECTING_AT_ONCE = 16
"""Handshakes under way: five hundred at once would all be late."""
STOP_S = 3.0
_REQUEST = request("GET", "/v1/status")


@dataclass(frozen=True, slots=True)
class Followed:
    """A box to follow, and where."""

    box: str
    address: str
    certificate_pem: str
    identity: Identity
    """As whom it is asked."""


@dataclass(frozen=True, slots=True)
class News:
    """What a box said, or why it said nothing."""

    box: str
    status: BoxStatus | None
    problem: LinesideError | None = None
    address: str = ""
    trip: RoundTrip | None = None
    """Of its answer."""
    asked: int = 0
    """What ``tell`` had returned last when it was asked."""


class _EndedAtOnce(ConnectionResetError):
    """A connection on which nothing was answered."""


class Follower:
    """Follows until it is closed.

    :param tell: takes news, at most one of each box, the newest; called on the follower's own thread. What it returns
        is handed back with all news that were asked for after it.
    :param failed: takes what ``tell`` raised; following ends there.
    """

    def __init__(
        self,
        tell: Callable[[Sequence[News]], int],
        *,
        failed: Callable[[BaseException], None],
        ask_every_s: float = ASK_EVERY_S,
    ) -> None:
        self._tell, self._failed, self._ask_every_s = tell, failed, ask_every_s
        self._news: dict[str, News] = {}
        self._told = 0
        self._tasks: dict[str, tuple[Followed, asyncio.Task[None]]] = {}
        self._loop = _new_loop()
        self._closing = asyncio.Event()
        self._gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def follow(self, boxes: Iterable[Followed]) -> None:
        """Follow exactly these from now on; one that has moved is asked at its new address."""
        self._post(partial(self._follow, list(boxes)))

    def close(self) -> None:
        """Stop at once; answers that are under way are given up."""
        self._post(self._closing.set)
        self._thread.join(STOP_S)

    def _post(self, work: Callable[[], object]) -> None:
        # A loop that has ended takes nothing more, and there is nothing left to do.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever shows errors
            self._failed(error)
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), TELL_EVERY_S)
                if self._news and not self._closing.is_set():
                    news, self._news = list(self._news.values()), {}
                    self._told = self._tell(news)
        finally:
            tasks = [task for _followed, task in self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, boxes: Sequence[Followed]) -> None:
        wanted = {followed.box: followed for followed in boxes}
        for box, (followed, task) in list(self._tasks.items()):
            if wanted.get(box) != followed:
                task.cancel()
                del self._tasks[box]
                self._news.pop(box, None)
        for box, followed in wanted.items():
            if box not in self._tasks:
                self._tasks[box] = followed, self._loop.create_task(self._follow_one(followed))

    async def _follow_one(self, followed: Followed) -> None:
        tried_again = False
        while True:
            try:
                await self._converse(followed)
            except _EndedAtOnce as error:
                # A box that was only stopping takes no second connection; one that does not trust us ends that, too.
                if not tried_again:
                    tried_again = True
                    continue
                problem = no_answer(followed.address, error)
            except OSError as error:
                problem = no_answer(followed.address, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, this box is told of and followed on
                problem = as_problem(error, followed.address)
            tried_again = False
            self._news[followed.box] = News(followed.box, None, problem)
            await asyncio.sleep(RETRY_S)

    async def _converse(self, followed: Followed) -> None:
        """Ask on one connection until it ends; always leaves by an exception.

        :raises _EndedAtOnce: it ended before the first answer.
        """
        heard = False
        try:
            async with self._gate, asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = await self._connect(followed)
            try:
                while True:
                    started, asked = self._loop.time(), self._told
                    sent_ms, sent_s = time.time_ns() / 1e6, time.monotonic()
                    async with asyncio.timeout(ANSWER_TIMEOUT_S):
                        status = await _ask(reader, writer, followed.address)
                    heard = True
                    took_ms = (time.monotonic() - sent_s) * 1000
                    trip = RoundTrip(sent_ms=sent_ms, took_ms=took_ms, box_ms=status.at_ms)
                    self._news[followed.box] = News(
                        followed.box, status, address=followed.address, trip=trip, asked=asked
                    )
                    await asyncio.sleep(max(0.0, started + self._ask_every_s - self._loop.time()))
            finally:
                writer.transport.abort()
        except (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError) as error:
            if heard:
                raise BoxUnreachable(f"The box at {followed.address} ended the connection.") from error
            raise _EndedAtOnce(str(error)) from error

    async def _connect(self, followed: Followed) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = split_address(followed.address)
        context = client_context(followed.identity, followed.certificate_pem)
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="", limit=READ_BYTES)
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        if connection.getpeercert(binary_form=True) != certificate_der(followed.certificate_pem):
            writer.transport.abort()
            raise wrong_key(followed.address)
        return reader, writer


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> BoxStatus:
    writer.write(_REQUEST)
    answer = AnswerReader(MAX_BODY_BYTES)
    try:
        while not answer.complete:
            answer.feed(await reader.read(READ_BYTES))
    except AnswerInvalid as error:
        raise no_box(address, error) from error
    if answer.status >= 400:
        raise refusal(address, answer.status, bytes(answer.body))
    with reading_answer(address):
        return wire.decode(bytes(answer.body), BoxStatus, what=f"answer of {address}")


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()
