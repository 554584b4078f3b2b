"""The command line as people and programs meet it: a process of its own."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main
from app.cli import clocks, text
from app.context import open_context
from app.store import boxes
from app.store.records import Box
from app.usecases.clocks import ClockReading
from edge_runtime.contracts.errors import BoxRefusesDesktop, BoxUnreachable, BoxWrongKey, Cancelled
from tests.unit.app.rows import write_images
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


class Shell:
    """Runs ``lineside`` for one site, far away from the person's own settings."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")},
            "LINESIDE_HOME": str(home),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "PYTHONWARNINGS": "error",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }

    def run(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout, done.stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        stdout, stderr = self.run(*arguments, "--json", status=status)
        assert stderr == ""
        return json.loads(stdout)


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> Shell:
    return Shell(home, tmp_path)


def test_help_and_version_need_no_site(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "nothing", tmp_path)
    assert shell.run("--version")[0].startswith("lineside 0.")
    for topic in ("site", "boxes", "samples", "datasets", "bursts", "models", "rollouts", "sync", "activity", "demo"):
        assert topic in shell.run("--help")[0]
        assert "usage: lineside" in shell.run(topic, "--help")[0]


def test_commands_load_nothing_heavy(shell: Shell) -> None:
    code = (
        "import sys; from app.__main__ import main; main(['boxes', 'list', '--json']);"
        "heavy = {'PySide6', 'torch', 'boto3', 'obstore', 'numpy', 'cv2', 'onnxruntime', 'sqlite_utils', 'tuf'};"
        "sys.exit(sorted(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=shell.environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_site_is_made_with_a_passphrase_from_a_file(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "site", tmp_path)
    (tmp_path / "passphrase").write_text("correct horse\n")
    body = shell.json("site", "create", "North plant", "--passphrase-file", str(tmp_path / "passphrase"))
    assert body["site"]["name"] == "North plant"
    assert body["home"] == str(tmp_path / "site")
    assert shell.json("site", "show") == body
    assert shell.json("--home", str(tmp_path / "site"), "site", "show") == body
    out, _ = shell.run("site", "show")
    assert "North plant" in out


def test_a_passphrase_is_never_an_argument_and_never_guessed(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "site", tmp_path)
    error = shell.json("site", "create", "North plant", status=1)["error"]
    assert error["code"] == "input.invalid"
    assert "--passphrase-file" in error["hint"]
    missing = shell.json("site", "create", "x", "--passphrase-file", str(tmp_path / "no"), status=1)["error"]
    assert missing["code"] == "input.invalid"
    shell.run("site", "create", "x", "--passphrase", "secret word", status=2)
    assert not (tmp_path / "site").exists()


def test_errors_have_a_title_a_hint_and_a_code(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "nothing", tmp_path)
    out, err = shell.run("boxes", "list", status=1)
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("There is no site here yet: ")
    assert lines[1].startswith("  Create one with ")
    assert lines[2] == "  [site.missing]"
    body = shell.json("boxes", "list", status=1)
    assert set(body["error"]) == {"code", "title", "message", "hint"}
    assert body["error"]["code"] == "site.missing"


@pytest.mark.parametrize("arguments", [("boxes",), ("boxes", "fly"), ("nothing",), ("samples", "list", "--limit", "x")])
def test_misuse_is_told_from_failure(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert "usage: lineside" in shell.run(*arguments, status=2)[1]
    assert shell.json(*arguments, status=2)["error"]["code"] == "input.invalid"


@pytest.mark.parametrize(
    ("arguments", "key", "empty"),
    [
        (("boxes", "list"), "boxes", "No box is enrolled yet"),
        (("boxes", "alerts"), "alerts", "No alerts"),
        (("boxes", "audits"), "audits", "Nothing was done"),
        (("boxes", "rollups"), "rollups", "No roll-ups"),
        (("boxes", "shadows"), "shadows", "No disagreement"),
        (("boxes", "losses"), "losses", "Nothing was lost"),
        (("samples", "list"), "samples", "No samples"),
        (("datasets", "list"), "datasets", "No dataset yet"),
        (("bursts", "list"), "bursts", "No burst yet"),
        (("models", "list"), "models", "No model yet"),
        (("rollouts", "list"), "rollouts", "No rollout yet"),
        (("rollouts", "conflicts"), "conflicts", "No box was promised"),
        (("rollouts", "decisions"), "decisions", "Nothing was decided"),
    ],
)
def test_an_empty_list_says_what_to_do(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], key: str, empty: str
) -> None:
    assert main(["--home", str(home), *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[key] == []
    assert main(["--home", str(home), *arguments]) == 0
    assert empty in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("boxes", "show", "x"),
        ("boxes", "forget", "x"),
        ("samples", "show", "0" * 64),
        ("datasets", "show", "x"),
        ("bursts", "show", "x"),
        ("bursts", "logs", "x"),
        ("bursts", "cancel", "x"),
        ("models", "show", "1.0.0"),
        ("models", "release", "x@1.0.0"),
        ("rollouts", "show", "x"),
        ("rollouts", "pause", "x"),
        ("rollouts", "resume", "x"),
        ("rollouts", "abort", "x"),
        ("rollouts", "decide", "x", "y", "hold"),
        ("rollouts", "rehearse", "x", "--to", "label:press"),
        ("boxes", "label", "x", "--add", "press"),
    ],
)
def test_what_is_not_there_is_not_found(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main(["--home", str(home), *arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "item.not-found"


def test_from_a_folder_to_a_frozen_dataset(shell: Shell, tmp_path: Path) -> None:
    write_images(tmp_path / "images", {"cat": 14, "dog": 12})
    (tmp_path / "images" / "notes.txt").write_text("no image")
    report = shell.json("samples", "import", str(tmp_path / "images"))["import"]
    assert (report["imported"], report["labelled"], len(report["skipped"])) == (26, 26, 1)
    out, err = shell.run("samples", "import", str(tmp_path / "images"))
    assert "26 were here before, 1 left out" in out
    assert "left out: notes.txt: " in out
    assert "import" in err
    page = shell.json("samples", "list", "--limit", "10", "--labelled")
    assert (len(page["samples"]), page["total"]) == (10, 26)
    assert len(shell.json("samples", "list", "--limit", "100", "--cursor", page["cursor"])["samples"]) == 16
    assert shell.json("samples", "list", "--unlabelled")["samples"] == []
    assert "(more: --cursor " in shell.run("samples", "list", "--limit", "3")[0]
    one = page["samples"][0]["sample"]
    assert shell.json("samples", "label", f"{one[:10]}=fish") == {"labelled": 1}
    assert shell.json("samples", "show", one[:10])["sample"]["label"] == "fish"
    assert shell.json("samples", "label", f"{one}=") == {"labelled": 1}
    assert shell.json("samples", "counts")["counts"]["unlabelled"] == 1
    shell.run("samples", "export", one, str(tmp_path / "one.jpg"))
    assert (tmp_path / "one.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert shell.json("samples", "export", one, str(tmp_path / "one.jpg"), status=1)["error"]["code"] == "input.invalid"
    frozen = shell.json("datasets", "freeze", "first")["dataset"]
    assert frozen["train"] + frozen["held_out"] == 25
    shown = shell.json("datasets", "show", "first")
    assert shown["dataset"] == frozen
    assert len(shown["items"]) == 25
    assert frozen["dataset"][:12] in shell.run("datasets", "list")[0]


def test_the_activity_is_listed_and_verified(shell: Shell) -> None:
    entries = shell.json("activity", "list")["activity"]
    assert [entry["what"] for entry in entries] == ["site.created"]
    verdict = shell.json("activity", "verify")
    assert (verdict["entries"], verdict["intact"], verdict["boxes"]) == (1, True, [])
    with open_context(shell.home) as ctx:
        ctx.database.write(lambda writer: writer.execute("UPDATE activity SET message = 'Nothing.'"))
    verdict = shell.json("activity", "verify", status=1)
    assert (verdict["intact"], verdict["error"]["code"]) == (False, "database.damaged")
    assert "BROKEN" in shell.run("activity", "verify", status=1)[0]


def test_a_box_is_shown_without_its_control_characters(shell: Shell, box: Box) -> None:
    with open_context(shell.home) as ctx:
        boxes.put_box(ctx.database, dataclasses.replace(box, name="line\x1b[31m 2"))
        boxes.set_status(ctx.database, box.box, problem=BoxUnreachable("no answer"))
    out, _ = shell.run("boxes", "list")
    assert "\x1b" not in out
    assert "not reachable" in out
    for problem, words in ((BoxWrongKey("x"), "another key answers"), (BoxRefusesDesktop("x"), "refuses this desktop")):
        with open_context(shell.home) as ctx:
            boxes.set_status(ctx.database, box.box, problem=problem)
        assert words in shell.run("boxes", "list")[0]
    assert shell.json("boxes", "show", box.box[:12])["box"]["name"] == "line\x1b[31m 2"
    assert shell.json("boxes", "forget", box.box[:12]) == {"forgotten": box.box}


def test_the_clock_of_a_box_that_does_not_answer_is_told_of_and_not_asked_about(shell: Shell, box: Box) -> None:
    with open_context(shell.home) as ctx:
        boxes.put_box(ctx.database, box)
    person, terminal = os.openpty()
    try:
        os.write(person, b"n\n")
        done = subprocess.run(
            [sys.executable, "-m", "app", "boxes", "clock", "line-2", "--set"],
            env=shell.environment,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=terminal,
        )
    finally:
        os.close(person)
        os.close(terminal)
    assert done.returncode == 1
    assert "not reachable" in done.stdout
    assert done.stderr == ""


def test_the_question_about_a_clock_names_the_box_and_how_far_it_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    wrong = ClockReading(box="a" * 64, name="line\x1b-2", skew_ms=-90_000.0, error_ms=1.0, matters=True)
    with pytest.raises(Cancelled):
        clocks.ask([wrong], suspect=False)
    asked = capsys.readouterr().err
    assert asked.startswith("line -2 is 90.0 s behind.\nSet line -2 to this desktop's time? [y/N]")


def test_sync_says_what_waits(shell: Shell, tmp_path: Path) -> None:
    write_images(tmp_path / "images", {"cat": 3})
    shell.run("samples", "import", str(tmp_path / "images"))
    status = shell.json("sync", "status")["sync"]
    assert (status["store"], status["pending_objects"], status["objects"]) == (None, 3, 0)
    error = shell.json("sync", "now", status=1)["error"]
    assert "sync setup" in error["hint"]


def test_the_access_policy_is_json_of_its_own(shell: Shell, tmp_path: Path) -> None:
    error = shell.json("sync", "policy", status=1)["error"]
    assert "no object store yet" in error["message"]
    assert "--bucket" in error["hint"]
    shell.run("sync", "setup", str(tmp_path / "store"))
    error = shell.json("sync", "policy", status=1)["error"]
    assert "Only a bucket has an access policy" in error["message"]
    policy = shell.json("sync", "policy", "--bucket", "s3://plant/north")["policy"]
    assert {one["Sid"] for one in policy["Statement"]} == {"Objects", "List", "Uploads"}
    printed, _said = shell.run("sync", "policy", "--bucket", "s3://plant/north")
    assert json.loads(printed) == policy


def test_ctrl_c_stops_an_import_and_keeps_what_it_has(shell: Shell, tmp_path: Path) -> None:
    write_images(tmp_path / "images", {"cat": 120})
    with subprocess.Popen(
        [sys.executable, "-m", "app", "samples", "import", str(tmp_path / "images")],
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        # The first word of progress comes from inside the work.
        assert process.stderr.read(1)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        status = process.wait(60)
    if status != 0:
        # It may have been done before the signal came; otherwise it says that it was stopped.
        assert status == 130
        assert "[task.cancelled]" in rest
    assert wait_until(lambda: shell.json("samples", "counts"), 30, "the database to answer")


def test_a_reader_that_leaves_early_is_no_error(shell: Shell) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m app activity list; echo status=$? >&2"],
        env=shell.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.stderr == "status=0\n"
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        broken = subprocess.run(
            [sys.executable, "-m", "app", "activity", "list"],
            env=shell.environment,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert (broken.returncode, broken.stderr) == (0, "")


def test_columns_line_up_also_in_chinese() -> None:
    lines = text.table(("NAME", "N"), [("a", 5), ("产线二", 12), (None, 3)])
    assert lines == ["NAME     N", "a        5", "产线二  12", "-        3"]
    assert text.facts([("a", 1), ("long", "x\ny")]) == ["a     1", "long  x y"]


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (2_000_000, "2.0 MB"), (10**16, "10000.0 TB")]
)
def test_sizes_are_readable(count: int, shown: str) -> None:
    assert text.size(count) == shown


def test_an_address_without_its_beginning_is_no_home_folder(shell: Shell) -> None:
    error = shell.json("boxes", "enrol", "engineer@192.0.2.7", status=1)["error"]
    assert "ssh://engineer@192.0.2.7" in error["hint"]
    assert "as whom to sign in" in shell.json("boxes", "enrol", "SSH://192.0.2.7", status=1)["error"]["message"]
