"""Whose fault an end of the process was: told from a note and a trace, whatever is in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.contracts import wire
from edge_runtime.inference.in_runtime import OWN, PLACES, REQUEST, InRuntime, only_requests
from edge_runtime.service.crash_trace import RUNS_NAME, TRACE_BYTES, Trace, last_trace, read_trace
from edge_runtime.service.crashes import (
    FORGIVEN_S,
    HUNG,
    NOTE_BYTES,
    STARTS_ANEW,
    Crash,
    CrashWatch,
    Life,
    begin_life,
)

ONE, TWO = "1" * 64, "2" * 64
BOOT = "b" * 64
LAST = Life(running=True, kernel_boot=BOOT, oom_kills=3, bundle=ONE, crashes=1, steady_s=5.0)
SCRIPT = """
import os, signal, sys
from pathlib import Path
from edge_runtime.service.crashes import CrashWatch
watch = CrashWatch(Path(sys.argv[1]), kernel_boot=sys.argv[2], vmstat=Path(sys.argv[3]))
crash = watch.begin(excused=False, configuration=1, program="")
print(f"{crash.count} {crash.how}" if crash else "none", flush=True)
watch.on_line(sys.argv[4], False)
if sys.argv[5] == "close":
    watch.close()
else:
    os.kill(os.getpid(), int(sys.argv[5]))
"""


def begin(
    last: Life,
    trace: str | Trace | None = None,
    *,
    boot: str = BOOT,
    kills: int | None = 3,
    excused: bool = False,
    configuration: int = 1,
    program: str = "",
) -> tuple[Life, Crash | None]:
    return begin_life(
        last,
        trace=Trace(trace) if isinstance(trace, str) else trace,
        kernel_boot=boot,
        oom_kills=kills,
        excused=excused,
        configuration=configuration,
        program=program,
    )


def began(last: Life, trace: str | Trace | None = None, *, boot: str = BOOT, kills: int | None = 3) -> Crash | None:
    return begin(last, trace, boot=boot, kills=kills)[1]


BY_REQUEST = Trace("Aborted", by_request=True)


def test_a_crash_in_a_request_counts_for_nothing_and_bars_the_model_to_programs() -> None:
    life, crash = begin(LAST, BY_REQUEST)
    assert crash == Crash(ONE, "Aborted", 1, "request")
    assert life == replace(LAST, configuration=1, since={ONE: 1}, barred=ONE)
    # Whatever else was on trial: it is this request all the same.
    assert begin(LAST, BY_REQUEST, excused=True) == (life, crash)
    # And after a kill, and a crash that was the model's own, it stays so.
    assert begin(life, kills=3)[0].barred == ONE
    assert begin(life, "Bus error")[0].barred == ONE
    assert begin(life, configuration=2)[0].barred == ""
    assert begin(life, program="3" * 64)[0].barred == ""
    assert begin(replace(LAST, bundle=None), BY_REQUEST)[1] is None
    assert begin(replace(LAST, running=False), BY_REQUEST)[1] is None, "it had been told to stop"


def test_another_model_or_configuration_is_not_barred(tmp_path: Path) -> None:
    def barred() -> CrashWatch:
        note = wire.encode(replace(LAST, barred=ONE, configuration=1)).ljust(NOTE_BYTES)
        (tmp_path / "life.note").write_bytes(note)
        watch = CrashWatch(tmp_path, kernel_boot=BOOT)
        watch.begin(excused=False, configuration=1, program="")
        assert watch.is_barred(ONE)
        assert not watch.is_barred(TWO)
        return watch

    changes: tuple[Callable[[CrashWatch], None], ...] = (
        lambda watch: watch.on_line(TWO, True),
        lambda watch: watch.configured(2),
    )
    for change in changes:
        watch = barred()
        watch.on_line(ONE, False)
        watch.configured(1)
        assert watch.is_barred(ONE)
        change(watch)
        assert not watch.is_barred(ONE)
        watch.close()


IN_A_REQUEST = b"""\
  File "/lib/onnxruntime/capi/onnxruntime_inference_collection.py", line 287 in run
  File "/lib/edge_runtime/serving/model.py", line 205 in _run
  File "/lib/edge_runtime/serving/model.py", line 160 in infer
"""
WARMED_UP = IN_A_REQUEST + b'  File "/lib/edge_runtime/serving/model.py", line 250 in _measure\n'
ON_A_LINE = b"""\
  File "/lib/onnxruntime/capi/onnxruntime_inference_collection.py", line 287 in run
  File "/lib/edge_runtime/inference/engine.py", line 57 in run
"""


@pytest.mark.parametrize(
    ("crashed", "runs", "by_request"),
    [
        (IN_A_REQUEST, [OWN], True),
        (ON_A_LINE, [REQUEST], False),
        (WARMED_UP, [], False),
        (None, [REQUEST, REQUEST], True),
        (None, [REQUEST, OWN], False),
        (None, [OWN], False),
        (None, [], False),
    ],
    ids=["request", "line", "warm-up", "own, requests", "own, both", "own, line", "own, nobody"],
)
def test_who_was_in_the_runtime(crashed: bytes | None, runs: list[int], by_request: bool) -> None:
    """A thread of the runtime's own has no stack in the trace: then it was whoever was in there."""
    stack = b"Stack (most recent call first):\n" + crashed if crashed else b""
    body = b"Fatal Python error: Aborted\n\n" + stack
    assert read_trace(body.ljust(TRACE_BYTES, b"\0"), bytes(runs)) == Trace("Aborted", by_request)


DIES = """
import sys, threading
from pathlib import Path
import numpy as np
from edge_runtime.inference.in_runtime import OWN
from edge_runtime.inference.session import Tuning, open_session
from edge_runtime.service.crashes import CrashWatch
from edge_runtime.serving.messages import InferRequest
from edge_runtime.serving.model import ServedModel
from tests.unit.serving.onnx_models import recurrent
session = open_session(recurrent("LSTM"), Tuning(threads=int(sys.argv[3])))
watch = CrashWatch(Path(sys.argv[1]), kernel_boot="")
watch.begin(excused=False, configuration=1, program="")
model = ServedModel("step", "1", session, in_runtime=watch.in_runtime)
empty = np.zeros((2, 0, 3), np.float32)
asks = {
    "request": lambda: model.infer(InferRequest({"x": empty})),
    "line": lambda: session.run(None, {"x": empty}),
}
if sys.argv[2] == "line":
    watch.in_runtime.enter(OWN)
# As many lines as a large box has, each with its threads.
for _ in range(150):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
thread = threading.Thread(target=asks[sys.argv[2]])
thread.start()
thread.join()
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("who", ["request", "line"])
def test_a_real_crash_says_whose_it_was(tmp_path: Path, who: str, threads: int) -> None:
    process = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path), who, str(threads)], capture_output=True, timeout=120, check=False
    )
    assert process.returncode == -signal.SIGABRT, process.stderr
    assert last_trace(tmp_path) == Trace("Aborted", by_request=who == "request")
    assert (tmp_path / "crash.trace").read_bytes().count(b"most recent call first") <= 1, "nobody else's stack"


def test_a_run_is_noted_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    path = tmp_path / RUNS_NAME
    path.write_bytes(bytes([REQUEST]) * PLACES)
    runs = InRuntime()
    with path.open("r+b") as file:
        runs.keep_in(file.fileno())
    assert not path.read_bytes().strip(b"\0"), "nothing is left of the last life"
    one, other = runs.enter(REQUEST), runs.enter(REQUEST)
    line = runs.enter(OWN)
    assert sorted(path.read_bytes().replace(b"\0", b"")) == [REQUEST, REQUEST, OWN]
    assert not only_requests(path.read_bytes())
    runs.leave(line)
    runs.leave(one)
    assert only_requests(path.read_bytes())
    runs.leave(other)
    assert path.read_bytes() == bytes(PLACES)


def test_many_threads_have_a_place_each() -> None:
    runs = InRuntime()
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        for _ in range(2000):
            runs.leave(runs.enter(REQUEST))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({runs.enter(OWN) for _ in range(PLACES)}) == PLACES


def test_a_longer_trace_is_cut_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "crash.trace").write_bytes(b"Fatal Python error: Aborted\n".ljust(10 * TRACE_BYTES, b"x"))
    live(tmp_path, ONE, "close")
    assert (tmp_path / "crash.trace").read_bytes() == bytes(TRACE_BYTES)


def test_a_crash_counts_for_what_was_on_the_line() -> None:
    life, crash = begin(LAST, "Bus error")
    assert crash == Crash(ONE, "Bus error", 2)
    assert (life.crashes, life.steady_s, life.running) == (2, 0.0, True)
    assert begin(LAST, "Bus error", excused=True)[1] is None
    assert began(replace(LAST, bundle=None), "Bus error") is None
    assert began(replace(LAST, running=False), "Bus error") is None, "it had been told to stop"


@pytest.mark.parametrize(
    ("boot", "kills", "counts"),
    [
        (BOOT, 4, True),
        (BOOT, 3, False),
        (BOOT, None, False),
        ("c" * 64, 4, False),
        ("", 4, False),
    ],
)
def test_a_kill_counts_where_the_kernel_had_no_memory_and_a_power_cut_never(
    boot: str, kills: int | None, counts: bool
) -> None:
    assert (began(LAST, boot=boot, kills=kills) is not None) == counts
    assert began(replace(LAST, kernel_boot=""), boot="", kills=4) is None
    assert began(replace(LAST, oom_kills=None), kills=4) is None


def test_a_model_that_did_not_come_back_counts_and_nobody_else_for_it() -> None:
    hung = replace(LAST, running=False, hung=ONE)
    life, crash = begin(hung)
    assert crash == Crash(ONE, HUNG, 2)
    assert life.hung is None, "once"
    assert began(replace(hung, kernel_boot="c" * 64)) == Crash(ONE, HUNG, 2), "whatever came after it"
    assert began(replace(hung, bundle=TWO)) is None, "the one on the line is another one"
    assert began(replace(hung, bundle=TWO, running=True), "Aborted") is None
    assert begin(hung, excused=True)[1] is None


def test_what_changed_last_is_suspected() -> None:
    later = replace(LAST, configuration=2, since={ONE: 1})
    life, crash = begin(later, "Bus error", configuration=2)
    assert crash == Crash(ONE, "Bus error", 2, "configuration")
    assert (life.crashes, life.since) == (2, {ONE: 1})
    assert begin(replace(later, since={ONE: 2}), "Bus error", configuration=2)[1] == Crash(ONE, "Bus error", 2)
    lineless = replace(LAST, bundle=None, configuration=2)
    assert begin(lineless, "Bus error", configuration=2)[1] == Crash(None, "Bus error", 2, "configuration")


@pytest.mark.parametrize(("configuration", "program"), [(2, ""), (1, TWO)])
def test_what_changed_after_the_crash_is_not_suspected_and_nobody_else(configuration: int, program: str) -> None:
    last = replace(LAST, configuration=1, since={ONE: 1}, crashes=2)
    life, crash = begin(last, "Bus error", configuration=configuration, program=program)
    assert crash == Crash(ONE, "Bus error", 3, "none")
    assert (life.crashes, life.configuration, life.program) == (0, configuration, program)


def test_a_note_of_before_suspects_the_model_until_the_configuration_changes() -> None:
    life, crash = begin(LAST, "Bus error", configuration=4)
    assert crash == Crash(ONE, "Bus error", 2)
    assert (life.configuration, life.since) == (4, {ONE: 4})


def noted(home: Path) -> Life:
    return wire.decode((home / "life.note").read_bytes()[:NOTE_BYTES].rstrip(b"\0 "), Life)


def test_a_model_is_as_new_as_when_it_came_on_trial_and_no_newer_for_coming_back(tmp_path: Path) -> None:
    watch = CrashWatch(tmp_path, kernel_boot=BOOT)
    watch.begin(excused=False, configuration=1, program="")
    watch.on_line(ONE, True)
    watch.configured(2)
    assert noted(tmp_path).since == {ONE: 1}, "the configuration was changed later"
    watch.on_line(TWO, True)
    assert noted(tmp_path).since == {ONE: 1, TWO: 2}
    watch.on_line(ONE, False)
    assert noted(tmp_path).since == {TWO: 2, ONE: 1}
    watch.configured(3)
    watch.on_line(TWO, True)
    assert noted(tmp_path).since == {ONE: 1, TWO: 3}, "tried once more"
    for model in "3456":
        watch.on_line(model * 64, True)
    assert len(noted(tmp_path).since) == 4
    longest = replace(noted(tmp_path), hung=ONE, program=TWO, oom_kills=10**18, configuration=10**9, steady_s=86399.123)
    assert len(wire.encode(longest)) <= NOTE_BYTES
    watch.close()


def live(home: Path, bundle: str, how: str, *, boot: str = BOOT, kills: int = 0) -> tuple[str, int]:
    """One life in a process of its own: what it was told of the one before, and how it ended itself."""
    vmstat = home / "vmstat"
    vmstat.write_text(f"nr_free_pages 1\noom_kill {kills}\noom_killer 9\n")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home), boot, str(vmstat), bundle, how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip(), done.returncode


def number(which: signal.Signals) -> str:
    return str(int(which))


def test_lives_that_end_one_way_or_the_other(tmp_path: Path) -> None:
    segv, kill = number(signal.SIGSEGV), number(signal.SIGKILL)
    assert live(tmp_path, ONE, segv) == ("none", -signal.SIGSEGV)
    assert live(tmp_path, ONE, number(signal.SIGFPE)) == ("1 Segmentation fault", -signal.SIGFPE)
    told, _ = live(tmp_path, ONE, kill)
    assert told.startswith("2 Floating")
    assert live(tmp_path, ONE, kill) == ("none", -signal.SIGKILL), "a person killed it, or the power went"
    assert live(tmp_path, ONE, number(signal.SIGABRT), kills=1) == ("3 Killed for want of memory", -signal.SIGABRT)
    assert live(tmp_path, TWO, "close", kills=1) == ("4 Aborted", 0)
    assert live(tmp_path, TWO, segv, kills=1)[0] == "none", "it had been told to stop"
    assert live(tmp_path, TWO, "close", kills=1)[0] == "1 Segmentation fault", "another model begins anew"
    assert (tmp_path / "life.note").stat().st_size == NOTE_BYTES


def test_a_full_disk_does_not_hide_a_crash(tmp_path: Path) -> None:
    """Nothing grows after the first start: the files keep the room that they took then."""
    live(tmp_path, ONE, "close")
    names = "life.note", "crash.trace", RUNS_NAME
    sizes = [(tmp_path / name).stat() for name in names]
    assert [found.st_size for found in sizes] == [NOTE_BYTES, TRACE_BYTES, PLACES]
    assert all(found.st_blocks * 512 >= found.st_size for found in sizes), "no holes"
    live(tmp_path, ONE, number(signal.SIGSEGV))
    assert [(tmp_path / name).stat().st_size for name in names] == [NOTE_BYTES, TRACE_BYTES, PLACES]


@pytest.mark.parametrize("body", [b"", b"x" * 2000, b"{", b'{"crashes": -1}', b"\0" * NOTE_BYTES, os.urandom(600)])
def test_whatever_is_in_the_files_the_box_starts(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "life.note").write_bytes(body)
    (tmp_path / "crash.trace").write_bytes(body)
    (tmp_path / RUNS_NAME).write_bytes(body)
    assert live(tmp_path, ONE, "close") == ("none", 0)
    assert wire.decode((tmp_path / "life.note").read_bytes()[:NOTE_BYTES].rstrip(), Life).bundle == ONE


def test_where_nothing_can_be_written_the_box_starts(tmp_path: Path) -> None:
    for name in ("life.note", "crash.trace", RUNS_NAME):
        (tmp_path / name).mkdir()
    assert live(tmp_path, ONE, "close") == ("none", 0)


def test_what_went_well_for_a_day_is_forgiven_also_over_several_lives(tmp_path: Path) -> None:
    (tmp_path / "life.note").write_bytes(wire.encode(replace(LAST, running=False, crashes=2, steady_s=0.0)))
    now = [0.0]

    def life(seconds: float) -> int:
        watch = CrashWatch(tmp_path, kernel_boot=BOOT, now_s=lambda: now[0])
        watch.begin(excused=False, configuration=1, program="")
        watch.on_line(ONE, False)
        now[0] += seconds
        watch.tick()
        watch.close()
        return wire.decode((tmp_path / "life.note").read_bytes()[:NOTE_BYTES].rstrip(), Life).crashes

    assert [life(FORGIVEN_S / 2), life(FORGIVEN_S / 2 - 1), life(2)] == [2, 2, 0]


def test_for_frames_that_are_never_decoded_the_box_starts_anew_a_few_times_and_no_model_is_to_blame(
    tmp_path: Path,
) -> None:
    now = [0.0]

    def life() -> CrashWatch:
        watch = CrashWatch(tmp_path, kernel_boot=BOOT, now_s=lambda: now[0])
        assert watch.begin(excused=False, configuration=1, program="") is None
        watch.on_line(ONE, False)
        return watch

    for rounds in range(2):
        for _ in range(STARTS_ANEW):
            watch = life()
            now[0] += 100.0
            assert watch.starts_anew(), rounds
            watch.close()
        watch = life()
        assert not watch.starts_anew()
        now[0] += FORGIVEN_S - 1
        watch.tick()
        assert not watch.starts_anew()
        now[0] += 1
        watch.tick()
        watch.close()


def test_what_cannot_be_noted_is_not_done(tmp_path: Path) -> None:
    watch = CrashWatch(tmp_path / "nowhere", kernel_boot=BOOT)
    assert watch.begin(excused=False, configuration=1, program="") is None
    assert not watch.starts_anew()
    watch.close()
