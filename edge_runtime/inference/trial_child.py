"""The inside of a trial: load one model in one configuration, run it for a while, print one JSON object.

Never imported by another part; started by :func:`edge_runtime.inference.trials.run_trial`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, LinesideError, ModelUnusable
from edge_runtime.inference.answers import decoder_for
from edge_runtime.inference.child_end import goes_with_parent, limit_processor_time
from edge_runtime.inference.child_memory import be_the_first_to_go, is_lack_of_memory, own_memory, too_much_memory
from edge_runtime.inference.examples import Array, example_feeds, has_open_batch
from edge_runtime.inference.inputs import reader_for
from edge_runtime.inference.session import Tuning, open_model, reason_of
from edge_runtime.inference.trials import TrialFacts, TrialOrder
from edge_runtime.model_files import read_model_file
from edge_runtime.update.bundle import Bundle, read_bundle

WARM_UP_RUNS = 3
WARM_UP_SHARE = 0.3
ANSWERING_SHARE = 0.5
"""Shares of the time for measuring that warming up and saying answers may take beside it."""


def main(arguments: list[str]) -> int:
    """:param arguments: one :class:`TrialOrder` as JSON, and after how many seconds nobody waits any more."""
    # What native code prints must not get into the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    order = wire.decode(arguments[0], TrialOrder, what="trial")
    limit_processor_time(float(arguments[1]))
    bare = own_memory("VmRSS")
    allowed = be_the_first_to_go(order.provider)
    try:
        with goes_with_parent():
            facts = _try(order, bare)
    except Exception as error:  # noqa: BLE001 - providers raise whatever they like
        said = error.message.rstrip(".") if isinstance(error, LinesideError) else reason_of(error)
        if is_lack_of_memory(error, said):
            facts = TrialFacts(problem=too_much_memory(said, own_memory("VmHWM"), allowed))
        elif isinstance(error, InputInvalid):
            facts = TrialFacts(problem=said, hint=error.hint)
        else:
            facts = TrialFacts(problem=said if isinstance(error, LinesideError) else f"it failed: {said}")
    os.write(answer, wire.encode(facts))
    return 0


def timed_runs(
    run: Callable[[], object], *, workers: int, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[list[float], float]:
    """Run on so many threads at a time for so long, at least once on each.

    :returns: each run's seconds, and how long all of it took.
    """
    times: list[list[float]] = [[] for _ in range(workers)]
    failures: list[BaseException] = []
    start = threading.Barrier(workers + 1)

    def loop(mine: list[float]) -> None:
        start.wait()
        end = clock() + seconds
        try:
            while not failures:
                begin = clock()
                run()
                done = clock()
                mine.append(done - begin)
                if done >= end:
                    return
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=loop, args=(mine,), daemon=True) for mine in times]
    for thread in threads:
        thread.start()
    start.wait()
    begin = clock()
    for thread in threads:
        thread.join()
    elapsed = clock() - begin
    if failures:
        raise failures[0]
    return [each for mine in times for each in mine], elapsed


def _try(order: TrialOrder, bare: int) -> TrialFacts:
    tuning = Tuning(provider=order.provider, threads=order.threads, workers=order.workers)
    model = read_model_file(Path(order.model)).model
    bundle = read_bundle(Path(order.cases)) if order.cases else None
    began = time.perf_counter()
    opened = open_model(model, tuning)
    load_ms = (time.perf_counter() - began) * 1000
    if opened.fallback is not None:
        return TrialFacts(problem=opened.fallback)
    session = opened.session
    feeds = _feeds(session, order, bundle)

    def run() -> None:
        session.run(None, feeds)

    _warm_up(run, order.seconds * WARM_UP_SHARE)
    times, elapsed = timed_runs(run, workers=order.workers, seconds=order.seconds)
    peak = own_memory("VmHWM")
    milliseconds = np.array(times) * 1000
    return TrialFacts(
        runs=len(times),
        elapsed_s=elapsed,
        p50_ms=float(np.percentile(milliseconds, 50)),
        p99_ms=float(np.percentile(milliseconds, 99)),
        memory_bytes=max(0, peak - bare),
        load_ms=load_ms,
        open_batch=has_open_batch(session.get_inputs(), order.shapes),
        inputs={name: array.shape for name, array in feeds.items()},
        answers=_answers(session, order, bundle),
    )


def _warm_up(run: Callable[[], object], seconds: float) -> None:
    end = time.perf_counter() + seconds
    for _ in range(WARM_UP_RUNS):
        run()
        if time.perf_counter() > end:
            return


def _feeds(session: Any, order: TrialOrder, bundle: Bundle | None) -> dict[str, Array]:
    if bundle is None:
        return example_feeds(session.get_inputs(), shapes=order.shapes, batch=order.batch)
    blank = reader_for(bundle.manifest.input).blank().tensor
    return {bundle.manifest.input.name: np.repeat(blank, order.batch, axis=0)}


def _answers(session: Any, order: TrialOrder, bundle: Bundle | None) -> tuple[str, ...]:
    """The top answer to each of some inputs, as many as there is time for; none where the model has no such thing."""
    said: list[str] = []
    end = time.perf_counter() + order.seconds * ANSWERING_SHARE
    asks = _golden_asks(session, order, bundle) if bundle else _example_asks(session, order)
    for ask in asks:
        answer = ask()
        if answer is None:
            return ()
        said.append(answer)
        if time.perf_counter() > end:
            break
    return tuple(said)


def _example_asks(session: Any, order: TrialOrder) -> Sequence[Callable[[], str | None]]:
    def ask(seed: int) -> str | None:
        feeds = example_feeds(session.get_inputs(), shapes=order.shapes, seed=seed)
        first = session.run(None, feeds)[0]
        if not isinstance(first, np.ndarray) or first.size < 2 or first.dtype.kind not in "fiu":
            return None
        return str(first.argmax())

    return [partial(ask, seed) for seed in range(order.answers)]


def _golden_asks(session: Any, order: TrialOrder, bundle: Bundle) -> Sequence[Callable[[], str | None]]:
    manifest = bundle.manifest
    reader, decoder = reader_for(manifest.input), decoder_for(manifest.output)

    def ask(data: bytes) -> str | None:
        prepared = reader.read(data)
        try:
            tensors = session.run(list(decoder.outputs), {manifest.input.name: prepared.tensor})
            return decoder.decode(tensors, prepared).label
        except (ModelUnusable, ValueError):
            return None  # another variant need not have the same outputs

    cases = [bundle.golden[case.path] for case in manifest.golden[: order.answers]]
    return [partial(ask, data) for data in cases]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
