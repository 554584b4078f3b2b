"""`lineside-edge pipeline`, as it is typed."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud_sync.release.pack import pack_bundle
from edge_runtime.__main__ import main
from edge_runtime.commands.pipeline import NAMED
from edge_runtime.commands.pipeline_model import PipelineModel
from edge_runtime.commands.pipeline_results import KEEP_ALL
from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.counters import STAGES
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.inputs import Prepared
from edge_runtime.model_files import read_model_file
from edge_runtime.service.spool_limits import DAY_MS, choose_cuts, oldest_age_ms
from tests.fakes import models, tasks
from tests.unit.edge.nobody import as_nobody
from tests.waiting import is_gone, wait_until

KEYS = ["frames", "errors", "frames_per_s", "stages_ms", "results"]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, brightness in enumerate((10, 100, 200, 250)):
        (folder / f"frame-{number}.png").write_bytes(models.frame(brightness))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "brightness.onnx"
    path.write_bytes(models.brightness_model())
    return path


@pytest.fixture
def nobody() -> Iterator[Path]:
    with as_nobody() as folder:
        yield folder


def run(*arguments: object) -> int:
    return main(["pipeline", *map(str, arguments)])


def results(path: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM results ORDER BY id")]


def test_a_folder_once(frames: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (frames / "junk.jpg").write_bytes(b"this is no image")
    out = tmp_path / "out"
    assert run("--source", f"folder:{frames}", "--model", model, "--once", "--json", "--out", out) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert list(report) == KEYS
    assert (report["frames"], report["errors"], report["results"]) == (4, 1, str(out / "spool.db"))
    assert report["frames_per_s"] > 0
    assert tuple(report["stages_ms"]) == STAGES
    assert "junk.jpg" in said.err
    rows = results(report["results"])
    assert {row["frame"]: row["label"] for row in rows} == {
        "frame-0.png": "0",
        "frame-1.png": "0",
        "frame-2.png": "1",
        "frame-3.png": "1",
    }
    assert [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()] == rows
    assert sorted(path.name for path in frames.iterdir())[0] == "frame-0.png", "the frames are left alone"


def test_what_a_person_reads(
    frames: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = tmp_path / "labels.txt"
    labels.write_text("dark\n\nbright\n")
    assert run("--source", "folder:frames", "--model", model, "--once", "--labels", labels, "--workers", 1) == 0
    text = capsys.readouterr().out
    assert text.startswith("4 frames in ")
    assert "with 1 worker." in text
    assert all(f"\n{stage} " in text for stage in STAGES)
    (folder,) = tmp_path.glob("lineside-results-*")
    assert str(folder / "spool.db") in text
    assert {row["label"] for row in results(str(folder / "spool.db"))} == {"dark", "bright"}


def test_a_bundle_says_for_itself(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = tmp_path / "parts.bundle"
    digest, _ = pack_bundle(bundle, models.manifest(), models.brightness_model(), models.GOLDEN)
    source = f"folder:{frames}"
    assert run("--source", source, "--model", bundle, "--once", "--json", "--out", tmp_path / "out") == 0
    rows = results(json.loads(capsys.readouterr().out)["results"])
    assert ({row["label"] for row in rows}, {row["model"] for row in rows}) == ({"dark", "bright"}, {digest})
    assert run("--source", source, "--model", bundle, "--once", "--mean", "0.5") == 1
    assert "A bundle says for itself" in capsys.readouterr().err


def test_many_that_cannot_be_read_are_counted_and_some_are_named(
    frames: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(NAMED + 15):
        (frames / f"junk-{number}.png").write_bytes(b"junk")
    assert run("--source", f"folder:{frames}", "--model", model, "--once", "--out", tmp_path / "out") == 0
    said = capsys.readouterr()
    assert f"{NAMED + 15} could not be answered" in said.out
    assert len([line for line in said.err.splitlines() if line.startswith("junk-")]) == NAMED
    assert "! A frame cannot be read" in said.out, "the alert is shown as well"


@pytest.mark.parametrize("content", [b"junk", None])
def test_nothing_to_read_is_an_error_and_leaves_nothing_behind(
    content: bytes | None, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    if content:
        (folder / "junk.png").write_bytes(content)
    assert run("--source", f"folder:{folder}", "--model", model, "--once", "--json", "--out", tmp_path / "out") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == ("frame.unreadable" if content else "item.not-found")
    assert ("junk.png" in error["message"]) == bool(content)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"--source": "folder:nowhere-at-all"}, "input.invalid", "nowhere-at-all"),
        ({"--source": "nowhere"}, "input.invalid", "kind:location"),
        ({"--source": "folder:"}, "input.invalid", "--source wants kind:location, for instance folder:/var/lib/"),
        ({"--source": "carrier-pigeon:loft"}, "input.invalid", "carrier-pigeon"),
        ({"--model": "missing.onnx"}, "item.not-found", "missing.onnx"),
        ({"--mean": "0.5"}, "input.invalid", "uint8"),
        ({"--std": "0.2,x"}, "input.invalid", "--std"),
        ({"--size": "224"}, "input.invalid", "WIDTHxHEIGHT"),
        ({"--size": "9000x9"}, "input.invalid", "8192 at most"),
        ({"--size": "7x7"}, "input.invalid", "not of the --size"),
        ({"--workers": "0"}, "input.invalid", "--workers takes a whole number of at least 1 and at most 64, not 0."),
        ({"--labels": "missing.txt"}, "input.invalid", "missing.txt"),
        ({"--workers": "65"}, "input.invalid", "--workers"),
        ({"--fps": "3"}, "input.invalid", "fps"),
        ({"--source": "replay:frames", "--fps": "nan"}, "input.invalid", "--fps"),
        ({"--source": "replay:frames", "--fps": "-5"}, "input.invalid", "--fps"),
        ({"--source": "replay:frames", "--fps": "0"}, "input.invalid", "--fps"),
        ({"--source": "signals:frames", "--window": "0"}, "input.invalid", "--window"),
        ({"--source": "signals:frames", "--window": "64", "--hop": "-3"}, "input.invalid", "--hop"),
        ({"--source": "signals:frames", "--window": "64", "--hop": "0"}, "input.invalid", "--hop"),
        ({"--source": "signals:frames"}, "input.invalid", "window"),
    ],
)
def test_what_cannot_be_used_is_refused(
    changes: dict[str, str],
    code: str,
    words: str,
    frames: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    options = {"--source": f"folder:{frames}", "--model": str(model), **changes}
    assert run("--once", "--json", *(word for pair in options.items() for word in pair)) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], words in error["message"]) == (code, True), error
    assert sorted(tmp_path.iterdir()) == before


def test_each_bad_frame_is_told_once(frames: Path, model: Path, tmp_path: Path) -> None:
    (frames / "junk.png").write_bytes(b"junk")
    command = [sys.executable, "-m", "edge_runtime", "pipeline", "--source", f"folder:{frames}", "--model", str(model)]
    said = subprocess.run(
        [*command, "--once", "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0
    assert len([line for line in said.stderr.splitlines() if "junk.png" in line]) == 1, said.stderr


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_that_may_not_be_read_is_not_an_empty_one(
    mode: int, nobody: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_model = nobody / "model.onnx"
    run_model.write_bytes(models.brightness_model())
    folder = nobody / "frames"
    folder.mkdir()
    (folder / "frame.png").write_bytes(models.frame(10))
    folder.chmod(mode)
    out = nobody / "out"
    try:
        assert run("--source", f"folder:{folder}", "--model", run_model, "--once", "--json", "--out", out) == 1
    finally:
        folder.chmod(0o700)
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], "cannot be read: Permission denied" in error["message"]) == ("input.invalid", True), error
    assert not out.exists()


def test_what_is_wrong_with_a_source_that_gave_nothing_is_told(
    nobody: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, log = nobody / "model.onnx", nobody / "machine.log"
    model.write_bytes(tasks.text_strings().model)
    log.write_text("all is well\n")
    log.chmod(0o000)
    assert run("--source", f"lines:{log}", "--model", model, "--once", "--json", "--out", nobody / "out") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], "Permission denied" in error["message"]) == ("input.invalid", True), error


def test_why_a_signal_cannot_be_answered_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tasks.signal()
    model, folder = tmp_path / "signal.onnx", tmp_path / "runs"
    model.write_bytes(case.model)
    folder.mkdir()
    (folder / "short.csv").write_text("1\n2\n")
    np.save(folder / "cube.npy", np.zeros((2, 2, 2)))
    np.save(folder / "objects.npy", np.array([None, {}], object), allow_pickle=True)
    source = f"signals:{folder}"
    assert run("--source", source, "--model", model, "--once", "--window", 8, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    for words in ("2 points, a window takes 8", "cube.npy: The NumPy file's array has 3 dim", "objects.npy: The NumPy"):
        assert words in said
    assert "The window is empty" not in said


def test_results_never_go_among_other_files(
    frames: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--source", f"folder:{frames}", "--model", model, "--once", "--out", frames) == 1
    assert "is not empty" in capsys.readouterr().err
    assert len(list(frames.iterdir())) == 4


def test_a_model_that_fails_says_so_before_the_first_frame(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "failing.onnx"
    path.write_bytes(models.failing_model())
    assert run("--source", f"folder:{frames}", "--model", path, "--once", "--json", "--out", tmp_path / "out") == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "model.unusable"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the model crashes on x86")
def test_a_model_that_crashes_the_runtime_is_a_plain_error(frames: Path, tmp_path: Path) -> None:
    path = tmp_path / "crashing.onnx"
    path.write_bytes(models.crashing_model())
    command = [sys.executable, "-m", "edge_runtime", "pipeline", "--source", f"folder:{frames}", "--model", str(path)]
    out = tmp_path / "out"
    said = subprocess.run([*command, "--once", "--out", str(out)], capture_output=True, text=True, timeout=60)
    assert said.returncode == 1
    assert "crashing.onnx was tried in a process of its own first, and it crashed with SIGFPE." in said.stderr
    assert "[model.unusable]" in said.stderr
    assert not out.exists()


def test_a_model_is_tried_with_as_many_frames_at_a_time_as_it_will_be_given(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one frame takes in memory there may be room for, and not for several."""
    together, infer = threading.Barrier(3), Engine.infer

    def infer_together(engine: Engine, prepared: Prepared) -> Prediction:
        together.wait(60)
        return infer(engine, prepared)

    monkeypatch.setattr(Engine, "infer", infer_together)
    what, file = PipelineModel(path=str(model), workers=3), read_model_file(model)
    what.try_out(file)
    together.abort()
    with pytest.raises(ModelUnusable, match="failed on an empty input"):
        what.try_out(file)


def test_a_model_that_loops_for_ever_is_a_plain_error(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.commands.pipeline.LOAD_S", 3.0)
    path = tmp_path / "endless.onnx"
    path.write_bytes(models.endless_model())
    assert run("--source", f"folder:{frames}", "--model", path, "--once", "--json", "--out", tmp_path / "out") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], "it did not end within 3 s" in error["message"]) == ("model.unusable", True), error


def test_without_once_it_follows_the_folder_until_it_is_told_to_stop(frames: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edge_runtime", "pipeline", "--source", f"folder:{frames}", "--model", str(model)]
    with subprocess.Popen([*command, "--json", "--out", str(out)], stdout=subprocess.PIPE, text=True) as process:
        try:
            database = out / "spool.db"

            def answered() -> int:
                try:
                    return len(results(str(database)))
                except sqlite3.OperationalError:
                    return 0  # it is just being made

            wait_until(lambda: answered() == 4, 120, "the first frames")
            rng = np.random.default_rng(1)
            for number in rng.integers(0, 256, 3):
                part = frames / f"late-{number}.png.part"
                part.write_bytes(models.frame(int(number)))
                part.rename(part.with_suffix(""))
            wait_until(lambda: answered() == 7, 120, "what came later")
            process.send_signal(signal.SIGINT)
            report = json.loads(process.communicate(timeout=60)[0])
        finally:
            process.kill()
    assert (process.returncode, report["frames"], report["errors"]) == (0, 7, 0)
    assert len((out / "results.jsonl").read_text().splitlines()) == 7


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file that is always full")
def test_answers_are_kept_where_the_disk_is_full_at_the_end(frames: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edge_runtime", "pipeline", "--source", f"folder:{frames}", "--model", str(model)]
    process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:

        def answered() -> int:
            try:
                return len(results(str(out / "spool.db")))
            except sqlite3.OperationalError:
                return 0  # it is just being made

        wait_until(lambda: answered() == 4, 30, "the frames")
        (out / "results.jsonl").symlink_to("/dev/full")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "The disk is full: results.jsonl could not be written" in said
    assert str(out / "spool.db") in said
    assert len(results(str(out / "spool.db"))) == 4
    assert not os.path.lexists(out / "results.jsonl"), "half of them would look like all"


def test_no_result_makes_room_for_another() -> None:
    """A run of months, and more than any disk of a box holds."""
    assert choose_cuts({"results": 2**45}, KEEP_ALL, free_bytes=0) == ()
    assert oldest_age_ms("results", KEEP_ALL, age_ms=3650 * DAY_MS) < 0


def catches(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    """Whether a handler of the process's own is installed."""
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    assert caught is not None
    return bool(int(caught[1], 16) >> (number - 1) & 1)


def busy_s(process: subprocess.Popen[str]) -> float:
    """Seconds of a processor's time that the process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks into /proc")
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_frame_that_hangs_is_given_up_at_the_second_signal(
    first: signal.Signals, frames: Path, tmp_path: Path
) -> None:
    model, out = tmp_path / "trapped.bundle", tmp_path / "out"
    pack_bundle(model, models.manifest(), models.trapped_model(), models.GOLDEN)
    (frames / "frame-3.png").unlink()
    command = [sys.executable, "-m", "edge_runtime", "pipeline", "--source", f"folder:{frames}", "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--workers", "1", "--json", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:

        def answered() -> int:
            try:
                return len(results(str(out / "spool.db")))
            except sqlite3.OperationalError:
                return 0  # it is just being made

        wait_until(lambda: answered() == 3, 30, "the frames before the one that hangs")
        before = busy_s(process)
        (frames / "white.png").write_bytes(models.frame(255))
        wait_until(lambda: busy_s(process) > before + 1, 30, "the model to be lost in its loop")
        process.send_signal(first)
        assert process.stderr is not None
        assert "a second Ctrl+C" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, json.loads(said[0])["frames"]) == (1, 3), said
    assert "given up" in said[1]
    assert len((out / "results.jsonl").read_text().splitlines()) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks into /proc")
def test_a_model_that_hangs_while_it_is_loaded_is_ended_by_ctrl_c(frames: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "endless.onnx", tmp_path / "out"
    model.write_bytes(models.endless_model())
    command = [sys.executable, "-m", "edge_runtime", "pipeline", "--source", f"folder:{frames}", "--model", str(model)]
    process = subprocess.Popen([*command, "--out", str(out)])
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        [child] = wait_until(lambda: children.read_text().split(), 30, "the process in which it is tried")
        assert not catches(process, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
        wait_until(lambda: is_gone(int(child)), 30, "that process to be gone")
    finally:
        process.kill()
        process.wait()
    assert not out.exists()


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be made")
def test_a_files_name_cannot_command_the_terminal(
    frames: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (frames / "\x1b[2Jjunk\nforged.png").write_bytes(b"junk")
    assert run("--source", f"folder:{frames}", "--model", model, "--once", "--out", tmp_path / "out") == 0
    said = capsys.readouterr()
    assert " [2Jjunk forged.png: " in said.err
    for path in frames.glob("frame-*"):
        path.unlink()
    assert run("--source", f"folder:{frames}", "--model", model, "--once", "--out", tmp_path / "none") == 1
    said = capsys.readouterr()
    assert " [2Jjunk forged.png: " in said.err
    assert "\x1b" not in said.err
