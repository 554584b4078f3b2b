"""Whose fault an end of the process was: told from a note and a trace, whatever is in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.contracts import wire
from edge_runtime.service.crashes import FORGIVEN_S, HUNG, NOTE_BYTES, TRACE_BYTES, Crash, CrashWatch, Life, begin_life

ONE, TWO = "1" * 64, "2" * 64
BOOT = "b" * 64
LAST = Life(running=True, kernel_boot=BOOT, oom_kills=3, bundle=ONE, crashes=1, steady_s=5.0)
SCRIPT = """
import os, signal, sys
from pathlib import Path
from edge_runtime.service.crashes import CrashWatch
watch = CrashWatch(Path(sys.argv[1]), kernel_boot=sys.argv[2], vmstat=Path(sys.argv[3]))
crash = watch.begin()
print(f"{crash.count} {crash.how}" if crash else "none", flush=True)
watch.on_line(sys.argv[4])
if sys.argv[5] == "close":
    watch.close()
else:
    os.kill(os.getpid(), int(sys.argv[5]))
"""


def began(last: Life, trace: str | None = None, *, boot: str = BOOT, kills: int | None = 3) -> Crash | None:
    return begin_life(last, trace=trace, kernel_boot=boot, oom_kills=kills, excused=False)[1]


def test_a_crash_counts_for_what_was_on_the_line() -> None:
    life, crash = begin_life(LAST, trace="Bus error", kernel_boot=BOOT, oom_kills=3, excused=False)
    assert crash == Crash(ONE, "Bus error", 2)
    assert (life.crashes, life.steady_s, life.running) == (2, 0.0, True)
    assert begin_life(LAST, trace="Bus error", kernel_boot=BOOT, oom_kills=3, excused=True)[1] is None
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
    life, crash = begin_life(hung, trace=None, kernel_boot=BOOT, oom_kills=3, excused=False)
    assert crash == Crash(ONE, HUNG, 2)
    assert life.hung is None, "once"
    assert began(replace(hung, kernel_boot="c" * 64)) == Crash(ONE, HUNG, 2), "whatever came after it"
    assert began(replace(hung, bundle=TWO)) is None, "the one on the line is another one"
    assert began(replace(hung, bundle=TWO, running=True), "Aborted") is None
    assert begin_life(hung, trace=None, kernel_boot=BOOT, oom_kills=3, excused=True)[1] is None


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
    """Nothing grows after the first start: both files keep the room that they took then."""
    live(tmp_path, ONE, "close")
    sizes = [(tmp_path / name).stat() for name in ("life.note", "crash.trace")]
    assert [found.st_size for found in sizes] == [NOTE_BYTES, TRACE_BYTES]
    assert all(found.st_blocks * 512 >= found.st_size for found in sizes), "no holes"
    live(tmp_path, ONE, number(signal.SIGSEGV))
    assert [(tmp_path / name).stat().st_size for name in ("life.note", "crash.trace")] == [NOTE_BYTES, TRACE_BYTES]


@pytest.mark.parametrize("body", [b"", b"x" * 2000, b"{", b'{"crashes": -1}', b"\0" * NOTE_BYTES, os.urandom(600)])
def test_whatever_is_in_the_files_the_box_starts(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "life.note").write_bytes(body)
    (tmp_path / "crash.trace").write_bytes(body)
    assert live(tmp_path, ONE, "close") == ("none", 0)
    assert wire.decode((tmp_path / "life.note").read_bytes()[:NOTE_BYTES].rstrip(), Life).bundle == ONE


def test_where_nothing_can_be_written_the_box_starts(tmp_path: Path) -> None:
    for name in ("life.note", "crash.trace"):
        (tmp_path / name).mkdir()
    assert live(tmp_path, ONE, "close") == ("none", 0)


def test_what_went_well_for_a_day_is_forgiven_also_over_several_lives(tmp_path: Path) -> None:
    (tmp_path / "life.note").write_bytes(wire.encode(replace(LAST, running=False, crashes=2, steady_s=0.0)))
    now = [0.0]

    def life(seconds: float) -> int:
        watch = CrashWatch(tmp_path, kernel_boot=BOOT, now_s=lambda: now[0])
        watch.begin()
        watch.on_line(ONE)
        now[0] += seconds
        watch.tick()
        watch.close()
        return wire.decode((tmp_path / "life.note").read_bytes()[:NOTE_BYTES].rstrip(), Life).crashes

    assert [life(FORGIVEN_S / 2), life(FORGIVEN_S / 2 - 1), life(2)] == [2, 2, 0]
