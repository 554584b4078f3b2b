"""The headless demo, in real processes, as a person would start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.object_server import object_server
from tests.waiting import wait_until

DEMO_TIMEOUT_S = 280


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


@pytest.mark.timeout(DEMO_TIMEOUT_S + 20)
def test_the_headless_demo_shows_the_whole_loop(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    demo = _start("--dir", str(folder))
    _check(_finish(demo))
    assert (folder / "desktop" / "lineside.db").exists()
    assert _processes_of(folder) == []


@pytest.mark.timeout(DEMO_TIMEOUT_S + 20)
def test_the_demo_runs_against_a_real_s3_server_and_keeps_its_secrets_out_of_the_site(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with object_server(tmp_path / "server") as server:
        credentials = server.credentials
        demo = _start(
            "--dir",
            str(folder),
            "--bucket",
            f"s3://{server.bucket}/factory",
            "--endpoint-url",
            server.endpoint_url,
            environment={
                "AWS_ACCESS_KEY_ID": credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            },
        )
        report = _finish(demo)
    _check(report)
    assert report["sync"]["store"] == f"s3://{server.bucket}/factory"
    secret = credentials.secret_access_key.encode()
    leaks = [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert leaks == []


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
    rest, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130, rest[-2000:]
    assert _processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
