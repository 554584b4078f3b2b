"""Who may hand a bundle over, and patches that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.fleet import patches as patches_module
from app.fleet.delivery import least_of_neighbour
from app.fleet.pacing import RateCap
from app.fleet.patches import KEPT, Patches
from app.store.records import Box
from app.usecases.deliveries import holders
from edge_runtime.contracts.delivery import LEAST_BYTES_PER_S
from edge_runtime.contracts.status import BoxStatus, SlotState, SlotStatus
from edge_runtime.update.durable import file_digest

BUNDLE = "b" * 64


def box(number: int, address: str, state: SlotState | None = "COMMITTED", problem: str | None = None) -> Box:
    slot = SlotStatus(slot="a", state=state, bundle=BUNDLE) if state else SlotStatus(slot="a", state="EMPTY")
    digest = f"{number:064}"
    status = BoxStatus(
        box=digest, name=f"box-{number}", version="1", boot="boot", at_ms=0, uptime_s=0, serial=1, slots=(slot,)
    )
    return Box(
        box=digest,
        name=f"box-{number}",
        address=address,
        certificate="",
        enrolled_ms=0,
        status=status,
        problem=problem,
    )


def test_those_that_run_it_may_hand_it_over_the_nearest_first() -> None:
    taker = box(0, "10.0.2.7:7443", None)
    far, near = box(1, "10.0.1.7:7443"), box(2, "10.0.2.9:7443")
    others = [
        box(3, "10.0.2.8:7443", "TRIAL"),
        box(4, "10.0.2.6:7443", None),
        box(5, "10.0.2.5:7443", problem="silent"),
    ]
    assert holders([taker, far, near, *others], taker, BUNDLE) == [near, far]
    assert holders([box(0, "10.0.2.7:7443")], taker, BUNDLE) == [], "not itself"
    assert holders([near], taker, "c" * 64) == []


@pytest.fixture
def versions(tmp_path: Path) -> list[tuple[Path, str]]:
    made = []
    for number in range(KEPT + 2):
        path = tmp_path / str(number)
        path.write_bytes(os.urandom(100) + bytes(range(256)) * 20)
        made.append((path, file_digest(path)))
    return made


def test_a_patch_is_made_once(tmp_path: Path, versions: list[tuple[Path, str]]) -> None:
    (base, first), (whole, second) = versions[:2]
    patches = Patches(tmp_path / "patches")
    patch = patches.between(base, first, whole, second)
    assert patch is not None
    inode = patch.path.stat().st_ino
    assert patches.between(base, first, whole, second) == patch
    again = Patches(tmp_path / "patches").between(base, first, whole, second)
    assert again == patch, "by the next program, too"
    assert patch.path.stat().st_ino == inode
    patches.forget(patch)
    assert not patch.path.exists()
    assert patches.between(base, first, whole, second) == patch


def test_what_is_no_patch_is_made_anew(tmp_path: Path, versions: list[tuple[Path, str]]) -> None:
    (base, first), (whole, second) = versions[:2]
    patch = Patches(tmp_path / "patches").between(base, first, whole, second)
    assert patch is not None
    for damaged in (b"", b"something else altogether" * 20):
        patch.path.write_bytes(damaged)
        assert Patches(tmp_path / "patches").between(base, first, whole, second) == patch


def test_a_file_that_is_not_what_it_is_said_to_be_gives_none(tmp_path: Path, versions: list[tuple[Path, str]]) -> None:
    (base, _first), (whole, second) = versions[:2]
    assert Patches(tmp_path / "patches").between(base, BUNDLE, whole, second) is None


def test_large_bundles_go_whole(
    tmp_path: Path, versions: list[tuple[Path, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patches_module, "MAX_PATCHED_BYTES", 1000)
    (base, first), (whole, second) = versions[:2]
    assert Patches(tmp_path / "patches").between(base, first, whole, second) is None


def test_only_the_newest_are_kept(tmp_path: Path, versions: list[tuple[Path, str]]) -> None:
    patches = Patches(tmp_path / "patches")
    (base, first), *others = versions
    for whole, sha256 in others:
        assert patches.between(base, first, whole, sha256) is not None
    assert len(list((tmp_path / "patches").iterdir())) == KEPT


def test_a_neighbour_must_bring_a_tenth_of_what_this_link_does_and_never_next_to_nothing() -> None:
    assert least_of_neighbour(None) == LEAST_BYTES_PER_S
    assert least_of_neighbour(10.0) == LEAST_BYTES_PER_S
    assert least_of_neighbour(10e6) == 1_000_000
    assert least_of_neighbour(10e6, [RateCap(500_000)]) == 50_000
    assert least_of_neighbour(None, [RateCap(500_000)]) == 50_000
