"""What is held against a version of the program after its commit, and what is not: pure, but for its note."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.runtime.launcher import FOLDER, LIFE, choose
from edge_runtime.runtime.lives import NOTE_BYTES, ProgramLife, begin_life, beside, note_life, read_life, return_from
from edge_runtime.service.crash_trace import Trace
from tests.unit.edge.test_runtime_slot import BUILT, Rig, rig

__all__ = ["rig"]

BUNDLE = "a" * 64
BUS = Trace("Bus error")
LAST = ProgramLife(bundle=BUNDLE, kernel_boot="boot", oom_kills=3, crashes=1, state="up", others="1 model")


def crashed(last: ProgramLife, *, kernel_boot: str = "boot", oom_kills: int = 3, trace: Trace | None = None) -> str:
    life, how = begin_life(last, bundle=BUNDLE, kernel_boot=kernel_boot, oom_kills=oom_kills, trace=trace)
    assert (life.crashes, life.state) == (last.crashes + bool(how), "begun")
    return how


def test_a_crash_counts() -> None:
    assert crashed(LAST, trace=BUS) == "Bus error"
    assert crashed(LAST, oom_kills=4) == "Killed for want of memory"
    assert crashed(replace(LAST, state="failed")) == "it ended by an error"
    assert crashed(replace(LAST, state="begun")) == "it ended before it was up"


@pytest.mark.parametrize(
    ("last", "kernel_boot"),
    [
        (LAST, "boot"),
        (LAST, "another"),
        (replace(LAST, state="begun"), "another"),
        (replace(LAST, state="begun", kernel_boot=""), ""),
        (replace(LAST, state="ended"), "boot"),
    ],
    ids=["killed", "power cut", "power cut at its start", "system unknown", "told to stop"],
)
def test_what_is_no_crash(last: ProgramLife, kernel_boot: str) -> None:
    assert crashed(last, kernel_boot=kernel_boot) == ""


def test_what_a_program_beside_the_lines_brought_about_is_no_crash_of_a_version() -> None:
    for last in (LAST, replace(LAST, state="begun")):
        assert crashed(last, trace=Trace("Aborted", by_request=True)) == ""


def test_what_changed_last_is_suspected() -> None:
    older = replace(LAST, newest=False)
    assert crashed(older, trace=BUS) == ""
    assert crashed(older, oom_kills=4) == ""
    assert crashed(replace(older, state="begun")) == "it ended before it was up"


@pytest.mark.parametrize(
    ("newest", "before", "is_newest"),
    [(True, "1 model", True), (True, "1 another", False), (False, "1 model", False), (True, "", False)],
    ids=["newer", "older", "changed since", "not known"],
)
def test_a_version_is_no_newer_for_coming_back(newest: bool, before: str, is_newest: bool) -> None:
    left = replace(LAST, newest=newest, others_before=before)
    begun, _how = begin_life(left, bundle="b" * 64, kernel_boot="boot", oom_kills=3, trace=BUS)
    life = return_from(left, begun)
    assert (life.bundle, life.crashes, life.newest, life.others) == ("b" * 64, 0, is_newest, before)


def test_a_version_is_the_newest_again_once_what_came_later_has_gone_back() -> None:
    later = beside(LAST, "2 model")
    assert (later.newest, later.others) == (False, "1 model")
    assert beside(later, "1 model") == LAST
    assert beside(replace(LAST, others=""), "2 model") == replace(LAST, others="2 model"), "committed with these"


def test_another_version_begins_anew() -> None:
    life, how = begin_life(LAST, bundle="", kernel_boot="boot", oom_kills=3, trace=BUS)
    assert (life.crashes, how) == (0, "")


@pytest.mark.parametrize("body", [b"", b"{", b"\0" * NOTE_BYTES, b'{"crashes": -1}', b"x" * 5000])
def test_whatever_the_note_is(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "life.note"
    path.write_bytes(body)
    assert read_life(path) == ProgramLife()
    note_life(path, LAST)
    assert read_life(path) == LAST
    note_life(path, ProgramLife())
    assert read_life(path) == ProgramLife()


@pytest.mark.parametrize(("before", "is_newest"), [("1 model", True), ("1 another", False)])
def test_the_launcher_returns_to_a_version_that_is_as_new_as_it_was(rig: Rig, before: str, is_newest: bool) -> None:
    for version, release in (("1.1.0", BUILT + 1), ("1.2.0", BUILT + 2)):
        installer = rig.install(rig.bring(version, release=release))
        installer.begin_trial()
        installer.commit(1, 0)
    note, bundle = rig.box.home / FOLDER / LIFE, installer.status().slots[1].bundle or ""
    note_life(note, replace(LAST, bundle=bundle, state="failed", crashes=2, others_before=before))
    slot, launched = choose(rig.box.home, rig.base)
    assert (slot, ["1.2.0" in words for words in launched.said]) == ("a", [True])
    life = read_life(note)
    assert (life.bundle, life.crashes) == (installer.status().slots[0].bundle, 0)
    assert life.newest == is_newest, "what came after it is suspected before it"
