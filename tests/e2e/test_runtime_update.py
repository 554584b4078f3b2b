"""The box's own program over the management channel: real bundles, the real installer, real processes."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.fleet.edge_bundle import open_edge_bundle
from app.fleet.runtime_bundle import facts_of
from app.usecases import boxes, runtime, trust
from edge_runtime.contracts.runtime_errors import RuntimeUndecided
from edge_runtime.identity import create_identity
from edge_runtime.runtime.launcher import FOLDER
from edge_runtime.runtime.slot import TARGETS
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.runtime_bundles import LaunchedBox, enrolled_box, runtime_bundle
from tests.waiting import wait_until

BASE_BUILT = 1_800_000_000


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runtime_bundle(tmp_path_factory.mktemp("base"), "1.0.0", built=BASE_BUILT, padding=3_000_000)


@pytest.fixture
def ctx(first_desktop: Path, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "site"))) as context:
        yield context


@pytest.fixture
def box(tmp_path: Path, ctx: Context, base: Path) -> Iterator[LaunchedBox]:
    with enrolled_box(tmp_path, ctx, base) as made:
        yield made


def test_a_new_version_comes_is_tried_and_stays(tmp_path: Path, ctx: Context, box: LaunchedBox) -> None:
    new = runtime_bundle(tmp_path / "new", "1.1.0", built=BASE_BUILT + 100, padding=3_000_000)
    plan = runtime.plan_update(ctx, "line-2", path=new)
    assert (plan.running, plan.version, plan.there, plan.refusal) == ("1.0.0", "1.1.0", False, "")
    # The manifest and lineside itself; the dependencies are there.
    assert plan.files == 2
    assert plan.bytes < 2_000_000 < plan.whole_bytes
    report = runtime.update_box(ctx, "line-2", path=new)
    assert report.changed
    assert report.sent == plan.bytes
    status = boxes.refresh(ctx, "line-2")[0].status
    assert status is not None
    assert status.version == "1.1.0"
    assert not runtime.update_box(ctx, "line-2", path=new).changed


def test_a_box_that_is_away_keeps_no_other_from_its_turn(
    tmp_path: Path, ctx: Context, box: LaunchedBox, capsys: pytest.CaptureFixture[str]
) -> None:
    new = runtime_bundle(tmp_path / "new", "1.1.0", built=BASE_BUILT + 100, padding=3_000_000)
    away = create_identity(tmp_path / "away", "line-9")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    boxes.enter_box(ctx, box=away.fingerprint, name="line-9", address=address, certificate=away.certificate_pem)
    site = str(tmp_path / "site")
    command = ["boxes", "update", "line-9", "line-2", "--bundle", str(new), "--json", "--home", site]
    assert main([*command, "--plan"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [plan["name"] for plan in told["plans"]] == ["line-2"]
    assert [(one["name"], one["error"]["code"]) for one in told["failed"]] == [("line-9", "box.unreachable")]
    assert main(command) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(one["name"], one["version"], one["changed"]) for one in told["updates"]] == [("line-2", "1.1.0", True)]
    assert [one["name"] for one in told["failed"]] == ["line-9"]
    assert main(["boxes", "update", "line-9", "--bundle", str(new), "--home", site]) == 1
    assert "[box.unreachable]" in capsys.readouterr().err


def test_a_trial_that_lasts_longer_than_anybody_waits_is_called_undecided(
    tmp_path: Path, ctx: Context, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = runtime_bundle(tmp_path / "new", "1.1.0", built=BASE_BUILT + 100, padding=3_000_000)
    slow = LaunchedBox(tmp_path, base, ctx.repository().root_bytes, healthy=3600.0)
    try:
        slow.start()
        boxes.enrol_local(ctx, slow.home)
        monkeypatch.setattr(runtime, "PATIENCE_S", 2.0)
        with pytest.raises(RuntimeUndecided, match=r"how the trial of 1\.1\.0 ended"):
            runtime.update_box(ctx, "line-2", path=new)
    finally:
        slow.stop()


def is_up(ctx: Context, box: LaunchedBox, starts: int) -> bool:
    return box.starts > starts and boxes.refresh(ctx, "line-2")[0].problem is None


@pytest.mark.parametrize("known", [True, False], ids=["known here", "not known here"])
def test_a_program_that_a_struck_off_desktop_brought_is_answered_for_by_another_one(
    tmp_path: Path, ctx: Context, box: LaunchedBox, known: bool
) -> None:
    """By a visit, where this desktop has released that version, too; otherwise it is said, and an update does it."""
    new = runtime_bundle(tmp_path / "new", "1.1.0", built=BASE_BUILT + 100, padding=3_000_000)
    with ExitStack() as stack:
        lost = admitted(ctx, tmp_path, stack, "lost")
        assert boxes.refresh(ctx)[0].problem is None
        assert runtime.update_box(lost, "line-2", path=new).changed
        if known:
            bundle = open_edge_bundle(new)
            ctx.repository().add_runtime(bundle.manifest_bytes, facts_of(bundle))
        (signature,) = (box.home / FOLDER).glob(f"*/{TARGETS}")
        of_the_lost_one = signature.read_bytes()
        trust.strike_off(ctx, "lost", root_key=ctx.places.root_key, passphrase=PASSPHRASE)

        def doubts() -> tuple[str, ...] | None:
            (asked,) = boxes.refresh(ctx, "line-2")
            assert asked.problem is None
            assert asked.status is not None
            assert asked.status.runtime is not None
            return tuple(asked.status.runtime.unsigned)

        if known:
            doubts()
        else:
            wait_until(doubts, 30, "the box to look who counts")
            words = runtime.program_words(boxes.get_box(ctx, "line-2").status)
            assert "whoever signed it counts no more" in words
            assert not runtime.update_box(ctx, "line-2", path=new).changed
        wait_until(
            lambda: doubts() == () and signature.read_bytes() != of_the_lost_one, 60, "the other one's signature"
        )
        starts = box.starts
        box.kill()
        wait_until(partial(is_up, ctx, box, starts), 60, "the next start")
        status = boxes.get_box(ctx, "line-2").status
        assert status is not None
        assert status.version == "1.1.0"
        assert "does not trust" in (boxes.refresh(lost)[0].problem or "")
