"""What a new configuration can do to a box whose line runs: never more than bring it back to the one before.

Afterwards the box has one configuration wholly, the committed model answers, and every frame was answered.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.configuring.store import ConfigStore
from edge_runtime.configuring.versions import CUT_DURING_TRIAL
from edge_runtime.contracts.configuring import ConfigChange, ConfigVersion
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, DiskFull
from edge_runtime.contracts.rows import AlertRow, AuditRow, ResultRow
from edge_runtime.identity import Identity
from tests.fakes.box_process import CONFIG, BoxProcess
from tests.fakes.config_box import COMMITTING, RETURNING
from tests.fakes.drilled_site import running_line
from tests.fakes.small_disk import SmallBox, SmallDisk, free_port, needed
from tests.faults.conftest import Committed
from tests.waiting import wait_until

CUTS = [(2, "after"), (3, "middle"), (3, "after")]
RETURN_CUTS = [(3, "before")]
if "LINESIDE_FAULT_ROUNDS" in os.environ:
    moments = ("before", "middle", "after")
    CUTS = [(step, moment) for step in range(1, len(COMMITTING) + 1) for moment in moments]
    RETURN_CUTS = [(step, moment) for step in (2, 3) for moment in moments]


@pytest.fixture
def box(committed: Committed, tmp_path: Path) -> Iterator[BoxProcess]:
    box = committed.copy(tmp_path / "box", tmp_path / "frames", CONFIG)
    try:
        yield box
    finally:
        box.end()


def begin(box: BoxProcess, step: int = 0, moment: str = "") -> None:
    command = [sys.executable, "-m", "tests.fakes.config_box", str(box.home), str(step), moment]
    box.process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2])
    wait_until((box.home / "run" / "address.json").exists, 30, "the box's address file")


def send(client: BoxClient, text: str) -> ConfigVersion:
    trial = client.set_config(ConfigChange(toml=text, base=client.config().digest)).in_state("trial")
    assert trial is not None
    return trial


def at_work(client: BoxClient, frames: int) -> None:
    wait_until(lambda: client.status().pipelines[0].frames >= frames, 30, "the line to be at work")


def alerts(client: BoxClient) -> list[AlertRow]:
    return [row for row in client.page("alerts", 0).rows if isinstance(row, AlertRow)]


def audits(client: BoxClient) -> list[AuditRow]:
    """About the configuration."""
    rows = (row for row in client.page("audits", 0).rows if isinstance(row, AuditRow))
    return [row for row in rows if row.kind.startswith("config.")]


def ended(box: BoxProcess, desktop: Identity, number: int) -> ConfigVersion:
    """What became of a trial; the box may be away meanwhile."""

    def judged() -> list[ConfigVersion]:
        with suppress(BoxUnreachable, BoxRefused, FileNotFoundError), box.client(desktop) as client:
            versions = client.config_history().versions
            return [one for one in versions if one.number == number and one.state != "trial"]
        return []

    (version,) = wait_until(judged, 60, "the end of the trial")
    return version


def check_whole(box: BoxProcess, client: BoxClient, old: bytes, new: bytes) -> bool:
    """Whether the new one is in force; either of them is, and it runs."""
    stands = (box.home / "edge.toml").read_bytes()
    assert stands in (old, new)
    history = client.config_history()
    assert history.in_state("trial") is history.in_state("waiting") is None
    in_force = history.in_state("in-force")
    assert in_force is not None
    assert in_force.digest == ConfigStore(box.home).digest(stands) == client.config().digest
    status = client.status()
    assert [slot.state for slot in status.slots if slot.active] == ["COMMITTED"]
    at_work(client, status.pipelines[0].frames + 5)
    return stands == new


def check_answered(box: BoxProcess, client: BoxClient) -> None:
    """Every frame that was put there was answered."""
    put = {path.name for path in box.frames.iterdir() if path.suffix == ".png"}

    def answered() -> bool:
        return put <= {row.frame for row in client.page("results", 0, 10_000).rows if isinstance(row, ResultRow)}

    wait_until(answered, 60, "an answer to every frame")


def cut(box: BoxProcess, desktop: Identity, new: bytes, step: int, moment: str) -> None:
    """Send a configuration, have the power cut on its way, and start the box again."""
    begin(box, step, moment)
    assert box.process is not None
    with box.client(desktop) as client:
        at_work(client, 5)
        with suppress(BoxUnreachable, BoxRefused):
            send(client, new.decode())
    assert box.process.wait(60) == -signal.SIGKILL
    (box.home / "run" / "address.json").unlink()
    begin(box)


@pytest.mark.parametrize(("step", "moment"), CUTS, ids=[f"{moment} {COMMITTING[step - 1]}" for step, moment in CUTS])
def test_a_power_cut_leaves_one_configuration_wholly(
    box: BoxProcess, desktop: Identity, step: int, moment: str
) -> None:
    old = (box.home / "edge.toml").read_bytes()
    new = old.replace(b"keep_random = 1.0", b"keep_random = 0.5")
    with running_line(box.frames):
        cut(box, desktop, new, step, moment)
        with box.client(desktop) as client:
            # Once it stands in edge.toml it counts; until then it never did.
            assert check_whole(box, client, old, new) == (step == 4 or (step, moment) == (3, "after"))
            tried = [one for one in client.config_history().versions if one.origin == "sent"]
            if (step, moment) in ((2, "after"), (3, "before"), (3, "middle")):
                assert [(one.state, one.reason) for one in tried] == [("returned", CUT_DURING_TRIAL)]
            # The same text again, and nothing is in its way.
            if (box.home / "edge.toml").read_bytes() == old:
                trial = send(client, new.decode())
                assert ended(box, desktop, trial.number).state == "in-force"
    with box.client(desktop) as client:
        check_answered(box, client)
        assert not list((box.home / "config").glob(".*"))


@pytest.mark.parametrize(
    ("step", "moment"), RETURN_CUTS, ids=[f"{moment} {RETURNING[step - 1]}" for step, moment in RETURN_CUTS]
)
def test_a_power_cut_on_the_way_back_leads_back(
    box: BoxProcess, desktop: Identity, tmp_path: Path, step: int, moment: str
) -> None:
    old = (box.home / "edge.toml").read_bytes()
    new = old.replace(str(box.frames).encode(), str(tmp_path / "nothing-comes").encode())
    with running_line(box.frames):
        cut(box, desktop, new, step, moment)
        with box.client(desktop) as client:
            assert not check_whole(box, client, old, new)
    with box.client(desktop) as client:
        check_answered(box, client)


def test_a_line_that_does_not_deliver_any_more_brings_the_old_one_back(
    box: BoxProcess, desktop: Identity, tmp_path: Path
) -> None:
    old = (box.home / "edge.toml").read_bytes()
    new = old.replace(str(box.frames).encode(), str(tmp_path / "nothing-comes").encode())
    begin(box)
    with running_line(box.frames):
        with box.client(desktop) as client:
            at_work(client, 5)
            trial = send(client, new.decode())
        version = ended(box, desktop, trial.number)
        assert version.state == "returned"
        assert "The line camera was at work before" in version.reason
        with box.client(desktop) as client:
            assert not check_whole(box, client, old, new)
            # The reason can be read in one place, and who did what.
            wait_until(lambda: [one for one in alerts(client) if one.kind == "config.returned"], 30, "an alert")
            told = wait_until(lambda: t if len(t := audits(client)) == 3 else [], 30, "the audits")
            assert [(row.kind, row.who) for row in told] == [
                # It was copied with another file than it had run with.
                ("config.edited", "box"),
                ("config.received", desktop.fingerprint),
                ("config.returned", "box"),
            ]
            assert ConfigStore(box.home).digest(new) in told[2].message
            # The line did not stand still for it: the old one ran on beside the new one.
            rows = client.page("results", 0, 10_000).rows
            during = [row for row in rows if isinstance(row, ResultRow) and told[1].at_ms < row.at_ms < told[2].at_ms]
            assert len(during) > 10
    with box.client(desktop) as client:
        check_answered(box, client)


def test_no_frame_is_answered_twice_or_left_out_where_a_line_changes_hands(
    box: BoxProcess, desktop: Identity, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    begin(box)
    folders = [box.frames, other]
    with running_line(box.frames), running_line(other):
        with box.client(desktop) as client:
            at_work(client, 5)
        for change in (("keep_random = 1.0", "keep_random = 0.5"), (f"folder:{box.frames}", f"folder:{other}")):
            with box.client(desktop) as client:
                trial = send(client, (box.home / "edge.toml").read_text().replace(*change))
            assert ended(box, desktop, trial.number).state == "in-force"
    with box.client(desktop) as client:
        # Frames of both folders have the same names: it counts how often each was answered.
        last = max(path.name for path in other.iterdir() if path.suffix == ".png")

        def answers() -> Counter[str]:
            rows = client.page("results", 0, 10_000).rows
            return Counter(row.frame for row in rows if isinstance(row, ResultRow))

        wait_until(lambda: answers()[last] > 0, 60, "the last frame")
        wait_until(lambda: client.status().pipelines[0].frames == sum(answers().values()), 30, "the figures to agree")
        most = {name: sum((folder / name).exists() for folder in folders) for name in answers()}
        assert all(count <= most[name] for name, count in answers().items())
        put = sorted(path.name for path in other.iterdir() if path.suffix == ".png")
        assert set(put) <= set(answers())
        assert [answers()[name] for name in put[:5]] == [2] * 5


def test_a_box_that_no_desktop_finds_any_more_comes_back(box: BoxProcess, desktop: Identity) -> None:
    old = (box.home / "edge.toml").read_bytes()
    new = old.replace(b'"127.0.0.1:0"', f'"127.0.0.1:{free_port()}"'.encode())
    begin(box)
    with running_line(box.frames):
        before = box.port
        with box.client(desktop) as client:
            at_work(client, 5)
            trial = send(client, new.decode())
        wait_until(lambda: box.port != before, 30, "the listener to move")
        # Somebody who does not ask about it may have found it by chance: that is not enough.
        wait_until(lambda: box.port == before, 60, "the listener to come back")
        version = ended(box, desktop, trial.number)
        assert (version.state, version.reason[:22]) == ("returned", "No desktop came back f")
        with box.client(desktop) as client:
            assert not check_whole(box, client, old, new)
    with box.client(desktop) as client:
        check_answered(box, client)


def test_an_edit_by_hand_in_the_middle_of_a_trial_is_not_overwritten(box: BoxProcess, desktop: Identity) -> None:
    old = (box.home / "edge.toml").read_bytes()
    by_hand = old.replace(b"keep_random = 1.0", b"keep_random = 0.25")
    begin(box)
    with running_line(box.frames):
        with box.client(desktop) as client:
            at_work(client, 5)
            trial = send(client, old.replace(b"keep_random = 1.0", b"keep_random = 0.5").decode())
            (box.home / "edge.toml").write_bytes(by_hand)
            version = ended(box, desktop, trial.number)
            assert version.state == "returned"
            assert "edited on the box meanwhile" in version.reason
            wait_until(lambda: client.config_history().in_state("waiting"), 30, "the edit to be noticed")
        assert box.stop() == 0
        begin(box)
        with box.client(desktop) as client:
            assert check_whole(box, client, old, by_hand)
    with box.client(desktop) as client:
        check_answered(box, client)


def test_limits_of_the_spool_let_nothing_go_before_the_commit(
    box: BoxProcess, desktop: Identity, tmp_path: Path
) -> None:
    old = (box.home / "edge.toml").read_bytes()
    tight = b"[spool.results]\nmax_bytes = 1\n"
    bad = old.replace(str(box.frames).encode(), str(tmp_path / "nothing-comes").encode()) + tight
    begin(box)
    with running_line(box.frames):
        with box.client(desktop) as client:
            at_work(client, 5)
            trial = send(client, bad.decode())
        assert ended(box, desktop, trial.number).state == "returned"
        with box.client(desktop) as client:
            assert client.status().spool.losses == 0
            trial = send(client, (old + tight).decode())
        assert ended(box, desktop, trial.number).state == "in-force"
        with box.client(desktop) as client:
            wait_until(lambda: client.status().spool.losses, 60, "what is over the limit to go")


def test_a_file_that_is_gone_is_put_back_as_it_was_in_force(box: BoxProcess, desktop: Identity) -> None:
    old = (box.home / "edge.toml").read_bytes()
    begin(box)
    (box.home / "edge.toml").unlink()
    wait_until((box.home / "edge.toml").exists, 30, "the running box to put it back")
    assert (box.home / "edge.toml").read_bytes() == old
    assert box.stop() == 0
    (box.home / "edge.toml").unlink()
    begin(box)
    assert (box.home / "edge.toml").read_bytes() == old
    with running_line(box.frames), box.client(desktop) as client:
        at_work(client, 5)
        wait_until(lambda: len([one for one in alerts(client) if one.kind == "config.lost"]) == 2, 30, "both alerts")
        assert [one.state for one in client.config_history().versions].count("in-force") == 1


class TestOnASmallDisk:
    pytestmark = needed

    def test_a_full_disk_takes_no_new_configuration_and_keeps_the_old_one(
        self, committed: Committed, disk: SmallDisk, tmp_path: Path
    ) -> None:
        port = free_port()
        config = CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}")
        made = committed.copy(disk.view / "box", disk.view / "frames", config)
        old = CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}").format(frames=disk.folder / "frames")
        (made.home / "edge.toml").write_text(old)
        box = SmallBox(made.home, made.frames, made.facts, own_port=port)
        try:
            box.run_on(disk, committed.desktop)
            disk.fill()
            with box.client(committed.desktop) as client, disk.filled_for_ever():
                with pytest.raises((DiskFull, BoxRefused)):
                    send(client, old.replace("keep_random = 1.0", "keep_random = 0.5"))
                assert client.config_history().in_state("trial") is None
                assert (box.home / "edge.toml").read_text() == old
            disk.clear()
            with box.client(committed.desktop) as client:
                trial = send(client, old.replace("keep_random = 1.0", "keep_random = 0.5"))
                assert ended(box, committed.desktop, trial.number).state == "in-force"
        finally:
            box.end()
