"""The whole edge bundle: built from real wheels, installed by a Python that has no package, by a user without rights
and without a network; then the box runs from it as it would from a virtual environment."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.fleet.edge_bundle import open_edge_bundle
from app.usecases.release import Rows
from edge_runtime.identity import create_identity
from tests.fakes import models
from tests.fakes.bare_machine import SSHD
from tests.fakes.box_process import BoxProcess, install, make_box, wait_for_slot
from tests.fakes.edge_bundles import EDGE, INTERPRETER, PYTHON, run_installer
from tests.fakes.serve_process import ServeProcess
from tests.fakes.site import FakeSite
from tests.fakes.visits import visit
from tests.unit.serving import onnx_models
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="another user needs root"),
    pytest.mark.skipif(not shutil.which("setpriv") or not shutil.which("unshare"), reason="needs setpriv and unshare"),
]
ASK = """
import sys, numpy as np, tritonclient.grpc as grpc, tritonclient.http as http
for kind, address in ((http, sys.argv[1]), (grpc, sys.argv[2])):
    inputs = []
    for name, value in (("left", 5), ("right", 3)):
        tensor = kind.InferInput(name, [1, 3], "INT32")
        tensor.set_data_from_numpy(np.full((1, 3), value, np.int32))
        inputs.append(tensor)
    with kind.InferenceServerClient(address) as client:
        print(client.infer("pair", inputs).as_numpy("sum").ravel().tolist())
"""


@dataclass(frozen=True)
class Offline:
    """A network namespace that has nothing but its loopback, and a user who may write to one folder alone."""

    folder: Path
    enter: tuple[str, ...]
    """Puts a command into the namespace."""
    drop: tuple[str, ...] = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

    @property
    def prefix(self) -> Path:
        return self.folder / "opt"

    @property
    def program(self) -> Path:
        return self.prefix / "bin" / "lineside-edge"

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.enter, *self.drop, *command], capture_output=True, text=True, timeout=120, check=False, cwd="/"
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dist = tmp_path_factory.mktemp("dist")
    begun = int(time.time())
    build = str(EDGE / "build.py")
    command = [sys.executable, build, "--arch", platform.machine(), "--pythons", PYTHON, "--dist", str(dist)]
    environment = {**os.environ, "PYTHONPATH": str(EDGE.parent)}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    (path,) = dist.glob("*.zip")
    (wheel,) = dist.glob("*/wheels/lineside-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        assert begun <= int(opened.read("edge_runtime/build_time.txt")) <= time.time()
    return path


@pytest.fixture(scope="module")
def offline(built: Path) -> Iterator[Offline]:
    """With the bundle installed, as it comes from a desktop: only what this Python needs."""
    keeper = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == b"up\n"
    # pytest's own folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="lineside-offline-"))
    try:
        bundle = open_edge_bundle(built)
        files = bundle.files_for(PYTHON)
        bundle.check(files)
        sent = folder / "sent"
        (sent / "wheels").mkdir(parents=True)
        (sent / "manifest.json").write_bytes(bundle.manifest_bytes)
        for file in files:
            with bundle.open(file) as source, (sent / file.path).open("wb") as target:
                shutil.copyfileobj(source, target)
        for path in (folder, sent, sent / "wheels"):
            path.chmod(0o755)
        os.chown(folder, 65534, 65534)
        machine = Offline(folder, ("nsenter", "--target", str(keeper.pid), "--net"))
        done = run_installer(sent, machine.prefix, before=(*machine.enter, *machine.drop))
        assert done == {"installed": bundle.manifest.version, "changed": True, "python": str(INTERPRETER)}
        yield machine
    finally:
        keeper.communicate()
        shutil.rmtree(folder)


def test_it_has_everything_and_again_changes_nothing(offline: Offline) -> None:
    again = run_installer(offline.folder / "sent", offline.prefix, before=(*offline.enter, *offline.drop))
    assert again["changed"] is False
    code = """
import sys; sys.path.insert(0, sys.argv[1])
from importlib.metadata import entry_points, version
import onnxruntime, cv2, grpc, numpy, uvloop, httptools, cryptography, msgspec, zeroconf, tuf.api.metadata
loaded = {each.name: each.load().__module__ for each in entry_points(group="lineside.sources")}
print(version("lineside"), sorted(loaded))
strangers = [name for name, module in sys.modules.items() if "-packages" in str(getattr(module, "__file__", ""))]
print(strangers)
"""
    said = offline.run(INTERPRETER, "-IS", "-c", code, offline.prefix / "current" / "lib")
    assert said.returncode == 0, said.stderr
    first, strangers = said.stdout.splitlines()
    sources = ["camera", "folder", "lines", "push", "replay", "signals", "stream", "video"]
    assert first == f"{open_edge_bundle(offline.folder / 'sent').manifest.version} {sources}"
    assert strangers == "[]"


def test_it_serves_a_model_over_http_and_grpc(offline: Offline) -> None:
    model = offline.folder / "pair.onnx"
    model.write_bytes(onnx_models.parsed(onnx_models.PAIR))
    model.chmod(0o644)
    command = [*offline.enter, *offline.drop, str(offline.program), "serve", str(model), "--json"]
    complaints = offline.folder / "serve.err"
    with (
        complaints.open("w") as err,
        subprocess.Popen(
            [*command, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=err, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, complaints.read_text()
            server = ServeProcess(json.loads(line), process, complaints)
            asked = [*offline.enter, sys.executable, "-c", ASK, server.url, server.facts["grpc"]]
            said = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
            assert said.stdout == "[8, 8, 8]\n[8, 8, 8]\n", said.stderr
            assert server.stop() == 0
        finally:
            process.kill()


def test_helpers_of_it_find_its_modules(offline: Offline) -> None:
    model = offline.folder / "model.onnx"
    model.write_bytes(onnx_models.parsed(onnx_models.PAIR))
    model.chmod(0o644)
    said = offline.run(offline.program, "bench", model, "--seconds", "2", "--json")
    assert said.returncode == 0, said.stderr
    # The others may lack time.
    assert json.loads(said.stdout)["rows"][0]["problem"] is None


class InstalledBox(BoxProcess):
    """A box that runs from the bundle."""

    program: Path

    def run(self) -> None:
        self.process = subprocess.Popen([self.program, "run", "--home", str(self.home)])


def test_a_box_takes_a_model_through_probe_and_trial(offline: Offline, tmp_path: Path) -> None:
    site, desktop = FakeSite(tmp_path / "site"), create_identity(tmp_path / "desktop", "laptop")
    made = make_box(tmp_path, desktop, site)
    box = InstalledBox(made.home, made.frames, made.facts)
    box.program = offline.program
    try:
        box.start()
        with box.client(desktop) as client:
            install(client, site, site.release("1.0.0"))
            wait_for_slot(client, "1.0.0", "TRIAL")
            for number in range(6):
                box.put_frame(f"frame-{number}.png", models.frame(number))
            wait_for_slot(client, "1.0.0", "COMMITTED")
            wait_until(lambda: len(client.page("results", 0).rows) == 6, 10, "the answers")
        assert box.stop() == 0
    finally:
        box.end()


@pytest.mark.skipif(not Path(SSHD).exists() or not shutil.which("sudo"), reason="needs openssh-server and sudo")
def test_a_bare_machine_becomes_a_box_with_it_over_ssh_and_is_bare_again(
    built: Path, first_desktop: Path, tmp_path: Path
) -> None:
    with visit(tmp_path, built, first_desktop) as bare:
        before = bare.machine.written()
        report = bare.enrol()
        assert report.changed == ("upload", "user", "install", "service", "keys", "start")
        assert report.box.status is not None
        again = bare.enrol()
        assert (again.changed, again.sent_bytes) == ((), 0)
        bare.release(Rows.COLLECT)
        assert bare.machine.changes(before) == {}


def test_an_offline_box_is_made_and_runs(offline: Offline) -> None:
    home = offline.folder / "home"
    made = offline.run(offline.program, "init", "--home", home, "--name", "line-2", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["name"] == "line-2"
    process = subprocess.Popen([*offline.enter, *offline.drop, offline.program, "run", "--home", home])
    try:
        wait_until((home / "run" / "address.json").exists, 30, "the box's address file")
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
