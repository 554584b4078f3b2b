"""Whatever becomes of a new version of the box's own program, and wherever the power is cut: a version that was found
sound runs, by itself, and why can be read."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from app.context import Context
from app.usecases import boxes, runtime, sites
from edge_runtime.contracts.errors import BoxRefusesDesktop, BoxUnreachable, LinesideError, TrustRefused
from edge_runtime.contracts.runtime import RuntimeRequest
from edge_runtime.contracts.runtime_errors import RuntimeRefused, RuntimeRolledBack
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.enrolment import read_home, trust_desktop
from edge_runtime.update.slots import IN_FLIGHT
from tests.fakes import models
from tests.fakes.runtime_bundles import LaunchedBox, enrolled_box, runtime_bundle
from tests.fakes.small_disk import SmallDisk, needed
from tests.waiting import wait_until

BUILT = 1_800_000_000
CUTS = """
def _with_cuts(save):
    def cut(self, table):
        import os, signal
        order = self._path.parent.parent / "cut"
        wanted = order.read_text() if self._path.parent.name == "runtime" and order.exists() else ""
        state = table.slot(table.candidate).state if table.candidate else "COMMITTED" if table.committed else ""
        if wanted == f"before {state}":
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, table)
        if wanted == f"after {state}":
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return cut
SlotStore.save = _with_cuts(SlotStore.save)
"""
CUT_UNPACKING = """
def _cut_off(unpack):
    def cut(path, name, members, folder):
        import os, signal
        order = folder.parents[1] / "cut"
        unpack(path, name, list(members)[:5] if order.exists() and order.read_text() == "unpack" else members, folder)
        if order.exists() and order.read_text() == "unpack":
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return cut
unpack = _cut_off(unpack)
"""
ORDERED = """
def _ordered(hold):
    def first(self):
        import os, sys
        from pathlib import Path
        order = Path(sys.argv[-1]) / "cut"
        if order.exists() and order.read_text() == "order":
            order.unlink()
            os.kill(os.getpid(), signal.SIGTERM)
        hold(self)
    return first
Orders.hold = _ordered(Orders.hold)
"""
HARNESS = {
    "edge_runtime/service/orders.py": ORDERED.encode(),
    "edge_runtime/update/slot_store.py": CUTS.encode(),
    "edge_runtime/runtime/wheels.py": CUT_UNPACKING.encode(),
}
HASTY = {**HARNESS, "edge_runtime/runtime/trial.py": b"\nGRACE_S = 30\n"}
"""A test cannot wait as long as a line may."""
LATER = b"""
_run = run
def run(home):
    import os, threading
    threading.Timer(2.0, lambda: os._exit(9)).start()
    return _run(home)
"""
CRASHES = b"""
_run = run
def run(home):
    import os, threading, time
    order = home / "crash"
    if order.exists() and order.read_text() != "late":
        os._exit(9)
    def crash():
        while not order.exists() or not (home / "run" / "address.json").exists():
            time.sleep(0.05)
        time.sleep(2)
        os.kill(os.getpid(), 11)
    threading.Thread(target=crash, daemon=True).start()
    return _run(home)
"""
MOMENTS = dict.fromkeys(("unpack", "after VERIFIED", "after TRIAL", "before COMMITTED"), "1.0.0")
MOMENTS["after COMMITTED"] = "1.1.0"
"""Where the power is cut, and the version that runs then."""
if "LINESIDE_FAULT_ROUNDS" in os.environ:
    MOMENTS |= dict.fromkeys(("before STAGED", "after STAGED", "after PROBED", "before TRIAL"), "1.0.0")
DAEMON, MANAGEMENT = "edge_runtime/service/daemon.py", "edge_runtime/service/management.py"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runtime_bundle(tmp_path_factory.mktemp("base"), "1.0.0", built=BUILT, changes=HARNESS)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runtime_bundle(tmp_path_factory.mktemp("hasty"), "1.0.0", built=BUILT, changes=HASTY)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runtime_bundle(tmp_path_factory.mktemp("sound"), "1.1.0", built=BUILT + 100, changes=HARNESS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sites") / "site"
    sites.create_site(home, "North plant", "correct horse").close()
    return home


@pytest.fixture
def ctx(tmp_path: Path, site: Path) -> Iterator[Context]:
    from app.context import open_context

    with open_context(Path(shutil.copytree(site, tmp_path / "site"))) as context:
        yield context


@pytest.fixture
def box(tmp_path: Path, ctx: Context, base: Path) -> Iterator[LaunchedBox]:
    with enrolled_box(tmp_path, ctx, base) as made:
        yield made


def ask(ctx: Context) -> BoxStatus | None:
    with suppress(BoxUnreachable, BoxRefusesDesktop), boxes.connect(ctx, boxes.get_box(ctx, "line-2")) as client:
        return client.status()
    return None


def wait_for(ctx: Context, version: str) -> BoxStatus:
    """The box runs this version, and nothing is on its way."""

    def reached() -> BoxStatus | None:
        status = ask(ctx)
        if status is None or status.version != version or status.runtime is None:
            return None
        return None if any(slot.state in IN_FLIGHT for slot in status.runtime.slots) else status

    found = wait_until(reached, 90, f"version {version}")
    assert found is not None
    return found


def newer(folder: Path, name: str, more: bytes, version: str = "1.1.0") -> Path:
    """A version with something wrong in it."""
    changes = {**HASTY, name: HASTY.get(name, b"") + more}
    return runtime_bundle(folder / "new", version, built=BUILT + 50, changes=changes)


def update_until_given_up(ctx: Context, path: Path) -> None:
    with pytest.raises(RuntimeRolledBack, match="told to stop during its trial"):
        runtime.update_box(ctx, "line-2", path=path)


def started_again(box: LaunchedBox, starts: int) -> bool:
    return box.starts > starts


def trial_is_written(_ctx: Context, box: LaunchedBox) -> bool:
    with closing(sqlite3.connect(box.home / "runtime" / "state.db")) as connection:
        row = connection.execute("SELECT body FROM model_slots").fetchone()
    return row is not None and b'"TRIAL"' in row[0]


def trial_answers(ctx: Context, _box: LaunchedBox) -> bool:
    status = ask(ctx)
    return status is not None and status.version == "1.1.0"


def audited(ctx: Context, what: str) -> list[str]:
    boxes.collect(ctx, "line-2")
    return [row.message for row in boxes.page_audits(ctx, "line-2", limit=200).rows if row.kind == what]


@pytest.mark.parametrize(("cut", "then"), MOMENTS.items(), ids=MOMENTS)
def test_the_power_is_cut(ctx: Context, box: LaunchedBox, sound: Path, cut: str, then: str) -> None:
    (box.home / "cut").write_text(cut)
    with suppress(LinesideError):
        runtime.update_box(ctx, "line-2", path=sound)
    wait_until(lambda: not (box.home / "cut").exists(), 60, "the cut")
    status = wait_for(ctx, then)
    assert status.runtime is not None
    assert status.runtime.slot == ("" if then == "1.0.0" else status.runtime.slot)
    # And it can be done again; where the process ended in the trial, somebody has to say so.
    if then == "1.0.0":
        assert runtime.update_box(ctx, "line-2", path=sound, again=True).changed
    assert wait_for(ctx, "1.1.0").runtime is not None


@pytest.mark.parametrize("when", ["late", "at its start"])
def test_a_committed_version_that_crashes_again_and_again_gives_way(
    tmp_path: Path, ctx: Context, box: LaunchedBox, when: str
) -> None:
    bad = runtime_bundle(tmp_path / "new", "1.1.0", built=BUILT + 50, changes={**HARNESS, DAEMON: CRASHES})
    runtime.update_box(ctx, "line-2", path=bad)
    wait_for(ctx, "1.1.0")
    # A kill is none, as often as it comes.
    for _ in range(4):
        starts = box.starts
        box.kill()
        wait_until(partial(started_again, box, starts), 60, "the next start")
        wait_for(ctx, "1.1.0")
    (box.home / "crash").write_text(when)
    box.kill()
    status = wait_for(ctx, "1.0.0")
    how = "Segmentation fault" if when == "late" else "it ended before it was up"
    assert f"it crashed 3 times in a row, the last time: {how}" in runtime.program_words(status)
    wait_until(
        lambda: any("crashed 3 times" in message for message in audited(ctx, "runtime.rolled-back")), 60, "the audit"
    )
    assert status.runtime is not None
    assert list(status.runtime.refused.values()) == [f"it crashed 3 times in a row, the last time: {how}"]
    with pytest.raises(RuntimeRefused, match="was rolled back there before"):
        runtime.update_box(ctx, "line-2", path=bad)


def test_somebody_may_go_back_to_the_version_before(
    tmp_path: Path, ctx: Context, box: LaunchedBox, sound: Path
) -> None:
    newer = runtime_bundle(tmp_path / "new", "1.2.0", built=BUILT + 200, changes=HARNESS)
    for path in (sound, newer):
        runtime.update_box(ctx, "line-2", path=path)
    assert runtime.return_box(ctx, "line-2").version == "1.1.0"
    wait_for(ctx, "1.1.0")
    # What it went back from comes again by somebody's word alone, and nothing older than that comes at all.
    with pytest.raises(RuntimeRefused, match="was rolled back there before"):
        runtime.update_box(ctx, "line-2", path=newer)
    with pytest.raises(RuntimeRefused, match="it takes nothing older"):
        runtime.update_box(ctx, "line-2", path=runtime_bundle(tmp_path / "old", "1.1.5", built=BUILT + 150))
    assert runtime.return_box(ctx, "line-2").version == "1.0.0"
    with pytest.raises(RuntimeRefused, match="there is none before it"):
        runtime.return_box(ctx, "line-2")
    assert runtime.update_box(ctx, "line-2", path=newer, again=True).changed


def test_an_order_to_stop_is_heard_in_the_trial_and_held_against_nobody(
    tmp_path: Path, ctx: Context, base: Path, sound: Path
) -> None:
    """Also where it comes while nobody listens yet, for the new version is only just being loaded."""
    box = LaunchedBox(tmp_path, base, ctx.repository().root_bytes, healthy=3600.0)
    try:
        box.start()
        boxes.enrol_local(ctx, box.home)
        for state in (trial_is_written, trial_answers):
            asked = threading.Thread(target=lambda: update_until_given_up(ctx, sound))
            asked.start()
            wait_until(partial(state, ctx, box), 90, "the trial")
            starts = box.starts
            box.tell_to_stop()
            asked.join(90)
            assert not asked.is_alive()
            wait_until(partial(started_again, box, starts), 60, "the next start")
            status = wait_for(ctx, "1.0.0")
            assert status.runtime is not None
            assert "the box was told to stop during its trial" in runtime.program_words(status)
            assert status.runtime.refused == {}
    finally:
        box.stop()


def test_an_order_to_stop_is_not_lost_in_the_switch(ctx: Context, box: LaunchedBox, sound: Path) -> None:
    """The version before has closed everything and is about to become another one."""
    (box.home / "cut").write_text("order")
    starts = box.starts
    with pytest.raises(RuntimeRolledBack, match="told to stop before its trial"):
        runtime.update_box(ctx, "line-2", path=sound)
    assert wait_for(ctx, "1.0.0")
    assert box.starts == starts + 1
    assert runtime.update_box(ctx, "line-2", path=sound).changed


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        (DAEMON, b"\ndef run(home):\n    raise SystemExit(3)\n", "it ended by itself"),
        (
            DAEMON,
            LATER,
            "it ended by itself",
        ),
        (DAEMON, b"\ndef run(home):\n    import time\n    time.sleep(3600)\n", "it was not found healthy within"),
        (MANAGEMENT, b"\nManagementDoor.tick = lambda self: None\n", "no desktop can reach it"),
    ],
    ids=["crashes at its start", "crashes later", "hangs", "never comes up"],
)
def test_a_version_that_does_badly_goes_by_itself(
    tmp_path: Path, ctx: Context, hasty: Path, name: str, more: bytes, reason: str
) -> None:
    box = LaunchedBox(tmp_path, hasty, ctx.repository().root_bytes, healthy=5.0)
    try:
        box.start()
        boxes.enrol_local(ctx, box.home)
        bad = newer(tmp_path, name, more)
        with pytest.raises(RuntimeRolledBack, match=reason):
            runtime.update_box(ctx, "line-2", path=bad)
        status = wait_for(ctx, "1.0.0")
        assert reason in runtime.program_words(status)
        assert any(reason in message for message in audited(ctx, "runtime.rolled-back"))
        # It is not taken again unless somebody says so.
        with pytest.raises(RuntimeRefused, match="was rolled back there before"):
            runtime.update_box(ctx, "line-2", path=bad)
        box.kill()
        wait_for(ctx, "1.0.0")
    finally:
        box.stop()


def test_a_version_that_cannot_be_loaded_comes_nowhere_near_the_line(
    tmp_path: Path, ctx: Context, box: LaunchedBox
) -> None:
    starts = box.starts
    with pytest.raises(RuntimeRolledBack, match="Loading it failed"):
        runtime.update_box(ctx, "line-2", path=newer(tmp_path, DAEMON, b"\nimport nothing_of_that_name\n"))
    assert wait_for(ctx, "1.0.0")
    assert box.starts == starts


def test_a_line_that_delivered_and_does_not_any_more_brings_the_version_before_back(
    tmp_path: Path, ctx: Context, hasty: Path
) -> None:
    box, ended = LaunchedBox(tmp_path, hasty, ctx.repository().root_bytes), threading.Event()

    def frames() -> None:
        number = 0
        while not ended.wait(0.1):
            box.put_frame(f"{number:06}.png", models.frame(number % 256))
            number += 1

    feeding = threading.Thread(target=frames)
    feeding.start()
    try:
        box.start()
        boxes.enrol_local(ctx, box.home)
        wait_until(lambda: (status := ask(ctx)) and status.pipelines[0].frames_per_s > 0, 60, "frames")
        blind = b"\n_apply = LineUp.apply\ndef _none(self, config):\n    import msgspec\n"
        blind += b"    _apply(self, msgspec.structs.replace(config, pipeline=()))\nLineUp.apply = _none\n"
        bad = newer(tmp_path, "edge_runtime/service/lineup.py", blind)
        with pytest.raises(RuntimeRolledBack, match="the line camera delivers nothing"):
            runtime.update_box(ctx, "line-2", path=bad)
        wait_for(ctx, "1.0.0")
    finally:
        ended.set()
        feeding.join()
        box.stop()


def test_an_older_version_is_refused_by_desktop_and_box(
    tmp_path: Path, ctx: Context, box: LaunchedBox, sound: Path
) -> None:
    assert runtime.update_box(ctx, "line-2", path=sound).changed
    old = runtime_bundle(tmp_path / "old", "1.0.5", built=BUILT + 50, changes=HARNESS)
    with pytest.raises(RuntimeRefused, match="it takes nothing older"):
        runtime.update_box(ctx, "line-2", path=old)
    from app.fleet.edge_bundle import open_edge_bundle
    from app.fleet.runtime_bundle import facts_of

    bundle = open_edge_bundle(old)
    with boxes.connect(ctx, boxes.get_box(ctx, "line-2")) as client:
        target = ctx.repository().add_runtime(bundle.manifest_bytes, facts_of(bundle))
        for path in ctx.repository().metadata_files():
            client.put_metadata(path.name, path.read_bytes())
        with pytest.raises(TrustRefused, match="was built before"):
            client.install_runtime(RuntimeRequest(target=target))
    assert wait_for(ctx, "1.1.0")


@pytest.mark.parametrize("how", ["a byte", "a module more", "bytecode", "a link", "a wheel"])
def test_a_slot_with_anything_that_was_not_signed_does_not_run(
    ctx: Context, box: LaunchedBox, sound: Path, how: str
) -> None:
    runtime.update_box(ctx, "line-2", path=sound)
    library = box.home / "runtime" / "a" / "lib" / "edge_runtime"
    if how == "a byte":
        (library / "sockets.py").write_bytes((library / "sockets.py").read_bytes() + b"#")
    elif how == "a module more":
        (library.parent / "sitecustomize.py").write_text("import os\n")
    elif how == "bytecode":
        (library / "__pycache__").mkdir()
        (library / "__pycache__" / "sockets.cpython-311.pyc").write_bytes(b"anything")
    elif how == "a link":
        (library / "sockets.py").unlink()
        (library / "sockets.py").symlink_to(box.home / "elsewhere.py")
    else:
        (wheel,) = (box.home / "runtime" / "a" / "wheels").iterdir()
        wheel.write_bytes(wheel.read_bytes()[:-1] + b"!")
    box.kill()
    status = wait_for(ctx, "1.0.0")
    assert status.runtime is not None
    wait_until(
        lambda: any("does not run" in message for message in audited(ctx, "runtime.rolled-back")), 30, "the box's audit"
    )


def test_where_the_state_is_spoiled_the_installed_version_runs(ctx: Context, box: LaunchedBox, sound: Path) -> None:
    runtime.update_box(ctx, "line-2", path=sound)
    box.stop()
    for name in ("state.db", "state.copy"):
        (box.home / "runtime" / name).write_bytes(b"no state at all" * 400)
    for name in ("state.db-wal", "state.db-shm"):
        (box.home / "runtime" / name).unlink(missing_ok=True)
    box.start()
    wait_for(ctx, "1.0.0")
    # What it had run is not known any more: somebody has to look before anything else is taken.
    with pytest.raises(LinesideError, match="lost its memory"):
        runtime.update_box(ctx, "line-2", path=sound)


def test_a_box_without_a_launcher_is_told_to_be_enrolled_again(ctx: Context, box: LaunchedBox, sound: Path) -> None:
    (box.prefix / "site-root.json").unlink()
    with pytest.raises(LinesideError, match="keeps no root of this box's site") as told:
        runtime.plan_update(ctx, "line-2", path=sound)
    assert "boxes enrol ssh://" in told.value.hint
    assert wait_for(ctx, "1.0.0")


@needed[0]
@needed[1]
def test_a_full_disk_costs_the_new_version_alone(tmp_path: Path, ctx: Context, base: Path, sound: Path) -> None:
    disk = SmallDisk(tmp_path / "disk")
    box = LaunchedBox(tmp_path, base, ctx.repository().root_bytes)
    trust_desktop(box.home, desktop_pem=ctx.identity.certificate_pem, roots=[ctx.repository().root_bytes])
    found = read_home(box.home)
    box.put_home_on(disk)
    try:
        box.start()
        address = f"127.0.0.1:{box.port}"
        boxes.enter_box(ctx, box=found.box, name=found.name, address=address, certificate=found.certificate_pem)
        with pytest.raises(RuntimeRolledBack, match="MiB are free"):
            runtime.update_box(ctx, "line-2", path=sound)
        disk.fill()
        box.kill()
        wait_for(ctx, "1.0.0")
    finally:
        box.stop()
        disk.close()
