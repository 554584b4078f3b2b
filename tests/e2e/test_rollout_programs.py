"""A version of the boxes' own program on its staged way: real bundles, real installations, real processes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import boxes, rollout_decisions, rollout_starts, rollouts, sync
from app.usecases.rollout_runner import Runner, follow_rollout
from app.usecases.subject_rehearsal import rehearse_program
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.identity import create_identity
from tests.fakes.prepared_site import admitted
from tests.fakes.runtime_bundles import LaunchedBox, runtime_bundle
from tests.waiting import wait_until

BUILT = 1_800_000_000
HAS_A_LINE_THAT_IS_TOO_SLOW = b"""
def handed_over(paces, healthy_s):
    return Handover(healthy_s=healthy_s, unjudged=("hourly",))
"""
ENDS_IN_ITS_TRIAL = b"""
_run = run
def run(home):
    import os, threading
    threading.Timer(2.0, lambda: os._exit(9)).start()
    return _run(home)
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return runtime_bundle(tmp_path / "base", "1.0.0", built=BUILT)


@pytest.fixture
def ctx(tmp_path: Path, first_desktop: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "desktop"))) as context:
        yield context


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def launched(
    stack: ExitStack, ctx: Context, folder: Path, base: Path, name: str, *, healthy: float = 1.0
) -> LaunchedBox:
    """A box of the site, running.

    :param healthy: for so many seconds a new version has to do well.
    """
    box = LaunchedBox(folder / name, base, ctx.repository().root_bytes, healthy=healthy, name=name)
    stack.callback(box.stop)
    box.start()
    boxes.enrol_local(ctx, box.home)
    return box


def states(ctx: Context, rollout: str) -> dict[str, str]:
    names = {box.box: box.name for box in boxes.list_boxes(ctx)}
    return {names[part.box]: part.state for part in rollouts.get_rollout(ctx, rollout).boxes}


def status_of(ctx: Context, name: str) -> BoxStatus:
    status = boxes.refresh(ctx, name)[0].status
    assert status is not None
    return status


def test_another_desktop_goes_on_with_a_program_for_a_box_that_was_away(
    tmp_path: Path, ctx: Context, stack: ExitStack, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launched(stack, ctx, tmp_path, base, "line-2")
    later = launched(stack, ctx, tmp_path, base, "line-3")
    second = admitted(ctx, tmp_path, stack)
    boxes.refresh(ctx)
    later.stop()
    for desktop in (ctx, second):
        sync.setup_store(desktop, str(tmp_path / "store"))
    new = runtime_bundle(tmp_path / "new", "1.1.0", built=BUILT + 100)
    start = ["rollouts", "start", "--program", str(new), "--wave", "line-2", "--wave", "line-3"]
    assert main([*start, "--home", str(ctx.home), "--json"]) == 0
    started = json.loads(capsys.readouterr().out)["rollout"]
    assert (started["subject"], started["version"]) == ("program", "1.1.0")
    name = started["rollout"]
    with pytest.raises(InputInvalid, match="is part of a rollout that is still running"):
        rollout_starts.start_program(ctx, new, waves=[["line-3"]])
    with Runner(ctx) as runner:
        wait_until(
            lambda: runner.step(name) and states(ctx, name) == {"line-2": "committed", "line-3": "waiting"},
            120,
            "the canary",
        )
        runner.settle()
    assert status_of(ctx, "line-2").version == "1.1.0"
    # The first desktop tells what it knows, and is never seen again; the bundle came with it.
    shutil.rmtree(new)
    for desktop in (ctx, second, second):
        sync.sync_now(desktop)
    ctx.close()
    later.start()
    boxes.refresh(second)
    assert follow_rollout(second, name).state == "done"
    assert states(second, name) == {"line-2": "committed", "line-3": "committed"}
    assert status_of(second, "line-3").version == "1.1.0"


KILLED = """
import os, signal, sys
from pathlib import Path
from app import context
from app.usecases import rollout_starts
real, opened = rollout_starts.open_edge_bundle, []
def cut(path):
    opened.append(path)
    if len(opened) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path)
rollout_starts.open_edge_bundle = cut
with context.open_context(Path(sys.argv[1])) as ctx:
    rollout_starts.start_program(ctx, Path(sys.argv[2]), waves=[["line-2"]])
"""


def test_a_start_that_was_killed_leaves_nothing_once_another_one_was_made(
    tmp_path: Path, ctx: Context, base: Path
) -> None:
    keys = create_identity(tmp_path / "box", "line-2")
    box_store.put_box(
        ctx.database,
        Box(
            box=keys.fingerprint,
            name="line-2",
            address="127.0.0.1:1",
            certificate=keys.certificate_pem,
            enrolled_ms=1,
        ),
    )
    ended = subprocess.run([sys.executable, "-c", KILLED, str(ctx.home), str(base)], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    folder = ctx.blobs.folder
    assert [path.name for path in folder.glob(".program-*/*")] == ["bundle.zip"]
    assert rollouts.list_rollouts(ctx) == []
    started = rollout_starts.start_program(ctx, base, waves=[["line-2"]])
    assert started.object is not None
    assert ctx.blobs.checked(started.object).stat().st_size == started.size
    assert list(folder.glob(".program-*")) == []


def test_a_program_that_the_canary_returns_from_stops_and_is_decided_about(
    tmp_path: Path, ctx: Context, stack: ExitStack, base: Path
) -> None:
    launched(stack, ctx, tmp_path, base, "line-2", healthy=5.0)
    bad = runtime_bundle(
        tmp_path / "bad", "1.1.0", built=BUILT + 100, changes={"edge_runtime/service/daemon.py": ENDS_IN_ITS_TRIAL}
    )
    (rehearsed,) = rehearse_program(ctx, bad, waves=[["line-2"]]).boxes
    assert (rehearsed.way, rehearsed.refusals) == ("whole", ())
    assert rehearsed.bytes > 0
    started = rollout_starts.start_program(ctx, bad, waves=[["line-2"]])
    stopped = follow_rollout(ctx, started.rollout)
    assert (stopped.state, states(ctx, started.rollout)) == ("stopped", {"line-2": "rolled-back"})
    assert "it ended by itself" in (stopped.reason or "")
    assert status_of(ctx, "line-2").version == "1.0.0"
    (rehearsed,) = rehearse_program(ctx, bad, waves=[["line-2"]]).boxes
    assert [one.kind for one in rehearsed.refusals] == ["rolled-back"]
    rollout_decisions.decide(ctx, "line-2", "1.1.0", "offer-again")
    assert rollouts.get_rollout(ctx, started.rollout).state == "running"
    assert follow_rollout(ctx, started.rollout).state == "stopped", "one decision is good for one more try"
    # Another one that is sound is no longer kept away.
    sound = runtime_bundle(tmp_path / "sound", "1.2.0", built=BUILT + 200)
    done = follow_rollout(ctx, rollout_starts.start_program(ctx, sound, waves=[["line-2"]]).rollout)
    assert (done.state, status_of(ctx, "line-2").version) == ("done", "1.2.0")
    again = follow_rollout(ctx, rollout_starts.start_program(ctx, sound, waves=[["line-2"]]).rollout)
    assert (again.state, states(ctx, again.rollout)) == ("done", {"line-2": "committed"})


def test_a_line_that_the_trial_could_not_judge_is_named(
    tmp_path: Path, ctx: Context, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = {"edge_runtime/runtime/trial.py": HAS_A_LINE_THAT_IS_TOO_SLOW}
    base = runtime_bundle(tmp_path / "base", "1.0.0", built=BUILT, changes=slow)
    for name in ("line-2", "line-3"):
        launched(stack, ctx, tmp_path, base, name)
    new = runtime_bundle(tmp_path / "new", "1.1.0", built=BUILT + 100)
    started = rollout_starts.start_program(ctx, new, waves=[["line-2"]])
    assert follow_rollout(ctx, started.rollout).state == "done"
    home = ["--home", str(ctx.home)]
    words = "not judged in its trial, for their frames come too seldom: hourly"
    assert main(["rollouts", "show", started.rollout, *home]) == 0
    assert words in capsys.readouterr().out
    assert main(["rollouts", "show", started.rollout, *home, "--json"]) == 0
    box = boxes.get_box(ctx, "line-2").box
    assert json.loads(capsys.readouterr().out)["unjudged"] == {box: ["hourly"]}
    assert main(["boxes", "update", "line-3", "--bundle", str(new), *home]) == 0
    assert words in capsys.readouterr().out
    assert main(["boxes", "show", "line-3", *home]) == 0
    assert words in capsys.readouterr().out
