"""The headless demo, in real processes, as a person would start it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.enrolment import address_file, read_address
from edge_runtime.processes import python_command
from tests.object_server import object_server
from tests.waiting import wait_until

DEMO_TIMEOUT_S = 900


def _start(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app", "demo", "--headless", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def _finish(demo: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = demo.communicate(timeout=DEMO_TIMEOUT_S)
    assert demo.returncode == 0, err[-4000:]
    report: dict[str, Any] = json.loads(out.splitlines()[-1])
    return report


def _processes_of(folder: Path) -> list[str]:
    """Command lines of all processes that name the folder, whoever their parent is now."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found


def _check(report: dict[str, Any]) -> None:
    assert report["boxes"] == 2
    assert [burst["state"] for burst in report["bursts"]] == ["CLOSED", "CLOSED"]
    assert {burst["host"] for burst in report["bursts"]} == {"local"}
    first, second = report["models"]
    assert first["gate"] == second["gate"] == "passed"
    assert first["version"] != second["version"]
    for model in report["models"]:
        assert model["int8_bytes"] < model["fp32_bytes"]
        assert abs(model["fp32_accuracy"] - model["int8_accuracy"]) <= 0.02
    assert report["rollout"] == {"state": "done", "boxes": {"line-1": "committed", "line-2": "committed"}}
    line1, line2 = report["line1_accuracy"], report["line2_accuracy"]
    assert line2["before_change"] >= 0.85
    assert line2["after_update"] - line2["after_change"] >= 0.15
    assert line1["after_update"] >= line1["before_change"] - 0.05
    assert report["drift"]["alert"] is True
    assert 0 < report["drift"]["frames_until_alert"] <= 400
    samples = report["samples"]
    assert samples["seen"] > samples["kept"] >= samples["labelled"] > 50
    assert report["sync"]["pending"] == 0
    assert report["sync"]["objects"] > 900
    assert report["sync"]["bytes"] > 1_000_000


@dataclass(frozen=True)
class Kept:
    """A demo that has run, with its folder."""

    folder: Path
    report: dict[str, Any]

    def lineside(self, *arguments: str, status: int = 0, environment: dict[str, str] | None = None) -> dict[str, Any]:
        """A command on the demo's site, with --json."""
        command = [sys.executable, "-m", "app", "--json", "--home", str(self.folder / "desktop"), *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        assert done.returncode == status, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("demo") / "kept"
    report = _finish(_start("--dir", str(folder)))
    assert _processes_of(folder) == []
    return Kept(folder, report)


@pytest.mark.timeout(DEMO_TIMEOUT_S + 120)
def test_the_headless_demo_shows_the_whole_loop(kept: Kept) -> None:
    _check(kept.report)
    assert kept.report["sync"]["store"] == f"folder:{kept.folder / 'bucket'}"


@pytest.mark.timeout(DEMO_TIMEOUT_S + 120)
def test_what_the_demo_kept_is_a_site_like_any_other(kept: Kept) -> None:
    assert [box["name"] for box in kept.lineside("boxes", "list")["boxes"]] == ["line-1", "line-2"]
    assert {burst["state"] for burst in kept.lineside("bursts", "list")["bursts"]} == {"CLOSED"}
    newest, first = kept.lineside("models", "list")["models"]
    assert (newest["state"], first["state"]) == ("released", "released")
    assert set(newest["proofs"]) == {box["box"] for box in kept.lineside("boxes", "list")["boxes"]}
    assert {rollout["state"] for rollout in kept.lineside("rollouts", "list")["rollouts"]} == {"done"}
    alerts = kept.lineside("boxes", "alerts")["alerts"]
    assert {alert["kind"].split(".")[0] for alert in alerts} & {"drift", "input"}
    assert kept.lineside("activity", "verify")["entries"] > 10
    curve = kept.lineside("bursts", "show", kept.report["bursts"][1]["id"])["curve"]
    assert curve[-1]["loss"] < curve[0]["loss"]


@pytest.mark.timeout(DEMO_TIMEOUT_S + 120)
def test_what_was_synced_is_whole_in_the_store(kept: Kept) -> None:
    """Everything that was synced is whole in the store: every object has its digest."""
    objects = [path for path in (kept.folder / "bucket" / "objects").rglob("*") if path.is_file()]
    assert len(objects) >= kept.report["sync"]["objects"]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in objects)
    segments = list((kept.folder / "bucket" / "sites").rglob("*.jsonl.zst"))
    assert segments


@contextmanager
def _running(home: Path) -> Iterator[str]:
    """The box of a kept demo, started again; its address."""
    process = subprocess.Popen(python_command("edge_runtime", "run", "--home", str(home)))
    try:
        wait_until(address_file(home).exists, 20, "the box to listen")
        yield read_address(home)
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.timeout(DEMO_TIMEOUT_S + 60)
def test_a_box_that_is_off_and_one_with_another_key_are_named(kept: Kept) -> None:
    away = kept.lineside("boxes", "collect", "line-1", status=1)["error"]
    assert (away["code"], bool(away["hint"])) == ("box.unreachable", True)
    homes = kept.folder / "boxes"
    with _running(homes / "line-1") as address:
        kept.lineside("boxes", "enrol", str(homes / "line-1"))
        kept.lineside("boxes", "enrol", str(homes / "line-2"), "--address", address)
        assert kept.lineside("boxes", "collect", "line-2", status=1)["error"]["code"] == "box.wrong-key"
        everybody = kept.lineside("boxes", "collect", status=1)["collected"]
        assert everybody["unreachable"] == ["line-2"], "the others are still collected"
        before = kept.lineside("boxes", "show", "line-1")["box"]["status"]["slots"]
        active = next(slot for slot in before if slot["active"])
        back = kept.lineside("boxes", "rollback", "line-1", "--reason", "a test of the way back")["box"]
        after = next(slot for slot in back["status"]["slots"] if slot["active"])
        assert after["version"] != active["version"]


@pytest.mark.timeout(DEMO_TIMEOUT_S + 60)
def test_a_bundle_with_one_flipped_byte_is_noticed_and_fetched_again(kept: Kept) -> None:
    model = kept.lineside("models", "list")["models"][0]
    bundle = kept.folder / "desktop" / "objects" / model["sha256"][:2] / model["sha256"]
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    home = kept.folder / "boxes" / "line-1"
    with _running(home):
        kept.lineside("boxes", "enrol", str(home))
        prove = ("models", "prove", model["version"], "--box", "line-1")
        assert kept.lineside(*prove, status=1)["error"]["code"] == "store.object-corrupt"
        kept.lineside("sync", "now")
        assert bundle.read_bytes() == whole
        assert kept.lineside(*prove)["proof"]["passed"] is True


@pytest.mark.timeout(DEMO_TIMEOUT_S + 60)
def test_a_store_that_refuses_is_named_and_the_old_one_stays(kept: Kept, tmp_path: Path) -> None:
    with object_server(tmp_path / "server") as server:
        wrong = {"AWS_ACCESS_KEY_ID": server.credentials.access_key_id, "AWS_SECRET_ACCESS_KEY": "not-the-secret-key"}
        setup = ("sync", "setup", f"s3://{server.bucket}/x", "--endpoint-url", server.endpoint_url)
        refused = kept.lineside(*setup, status=1, environment=wrong)["error"]
    assert refused["code"] == "store.refused"
    assert "not-the-secret-key" not in json.dumps(refused)
    assert kept.lineside("sync", "status")["sync"]["store"] == f"folder:{kept.folder / 'bucket'}"


@pytest.mark.timeout(DEMO_TIMEOUT_S + 60)
def test_the_site_moves_to_a_real_s3_server_and_keeps_its_secrets_to_itself(kept: Kept, tmp_path: Path) -> None:
    with object_server(tmp_path / "server") as server:
        store = f"s3://{server.bucket}/factory"
        setup = ("sync", "setup", store, "--endpoint-url", server.endpoint_url)
        kept.lineside(*setup, environment=server.environment)
        assert kept.lineside("sync", "now", environment=server.environment)["synced"]["objects_sent"] > 900
        told = kept.lineside("sync", "status")["sync"]
        assert (told["store"], told["pending_objects"], told["pending_changes"]) == (store, 0, 0)
        objects = [path for path in (server.folder / server.bucket / "factory/objects").rglob("*") if path.is_file()]
        assert len(objects) >= kept.report["sync"]["objects"]
        assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in objects)
    secret = server.credentials.secret_access_key.encode()
    assert [path for path in kept.folder.rglob("*") if path.is_file() and secret in path.read_bytes()] == []


@pytest.mark.parametrize(
    "wrong",
    [("--dir", "/proc/no-such"), ("--dir", __file__), ("--bucket", "ftp://somewhere")],
)
def test_a_demo_that_cannot_begin_says_why(wrong: tuple[str, str]) -> None:
    demo = _start(*wrong)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 1, err
    assert json.loads(out)["error"]["code"] == "input.invalid"
    assert "Traceback" not in err


@pytest.mark.timeout(DEMO_TIMEOUT_S)
def test_ctrl_c_in_the_window_leaves_no_process_behind(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    demo = subprocess.Popen(
        [sys.executable, "-m", "app", "demo", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    wait_until(address_file(folder / "boxes" / "line-2").exists, 60, "the second box")
    for _impatient in range(3):
        demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, said
    assert _processes_of(folder) == []


@pytest.mark.timeout(DEMO_TIMEOUT_S)
def test_a_box_that_dies_ends_a_demo_on_a_real_s3_server_with_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with object_server(tmp_path / "server") as server:
        store = f"s3://{server.bucket}/factory"
        demo = _start(
            *("--dir", str(folder), "--bucket", store, "--endpoint-url", server.endpoint_url),
            environment=server.environment,
        )
        note = address_file(folder / "boxes" / "line-2")
        wait_until(note.exists, 60, "the second box")
        victim = json.loads(note.read_text())["pid"]
        wait_until(lambda: (folder / "training").exists(), 60, "the boxes to be enrolled")
        os.kill(victim, signal.SIGKILL)
        out, err = demo.communicate(timeout=DEMO_TIMEOUT_S - 20)
    assert demo.returncode == 1, err
    error = json.loads(out)["error"]
    assert error["code"] == "box.unreachable"
    assert _processes_of(folder) == []
    assert Kept(folder, {}).lineside("sync", "status")["sync"]["store"] == store


@pytest.mark.timeout(DEMO_TIMEOUT_S)
@pytest.mark.parametrize("step", ["site", "train", "rollout"])
def test_ctrl_c_leaves_no_process_and_no_folder_behind(tmp_path: Path, step: str) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "app", "demo", "--headless"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith(step):
            break
    wait_until(lambda: _processes_of(tmp_path), 20, "a process of the demo's own")
    demo.send_signal(signal.SIGINT)
    # An impatient person types it twice.
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, rest[-2000:]
    assert _processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
