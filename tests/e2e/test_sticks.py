"""Three desktops with keys of their own, as processes, that meet by stick alone; and a stick that is full."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.context import open_context
from app.usecases import samples, trust
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.small_disk import SmallDisk, needed
from tests.unit.app.rows import write_images

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Apart:
    """Three homes; each desktop was admitted by the first, and has heard of nobody since."""

    homes: dict[str, Path]
    root_key: Path

    def add(self, name: str, folder: Path, **labels: int) -> None:
        write_images(folder, labels, first_seed=sum(name.encode()))
        with open_context(self.homes[name]) as ctx:
            samples.import_folder(ctx, folder)

    def labels(self, name: str) -> dict[str, str | None]:
        with open_context(self.homes[name]) as ctx:
            found = {one.sample: one.label for one in samples.page_samples(ctx, limit=500).rows}
            assert ctx.blobs.missing(found) == []
            return found

    def run(self, name: str, *words: str | Path, inside: tuple[str, ...] = ()) -> dict[str, Any]:
        """The answer of ``lineside sync``, or its error."""
        command = [*inside, sys.executable, "-m", "app", "sync", *words, "--home", self.homes[name], "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) == ("error" not in answer)
        return answer


@pytest.fixture
def apart(tmp_path: Path, first_desktop: Path) -> Iterator[Apart]:
    with ExitStack() as stack:
        office = stack.enter_context(open_context(Path(shutil.copytree(first_desktop, tmp_path / "office"))))
        homes = {"office": office.home}
        for name in ("second", "third"):
            homes[name] = admitted(office, tmp_path, stack, name).home
        root_key = office.places.root_key
    yield Apart(homes, root_key)


def test_three_desktops_meet_by_stick_alone(apart: Apart, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("a passphrase of the site\n")
    secret.chmod(0o600)
    given = ("--passphrase-file", secret)
    for number, name in enumerate(apart.homes):
        apart.add(name, tmp_path / f"{name}-images", dent=2 + number)
    # Whoever joined last comes first: nobody else has heard of that desktop but the first one.
    out = apart.run("third", "export", stick, "--encrypt", *given)["exported"]
    assert (out["files"], out["problems"]) == (4, [])
    assert apart.run("second", "import", stick)["error"]["code"] == "input.invalid", "there is no terminal to ask on"
    for name in ("second", "office", "third", "second", "office"):
        assert apart.run(name, "import", stick, *given)["imported"]["problems"] == []
        assert apart.run(name, "export", stick, *given)["exported"]["problems"] == []
    assert apart.labels("office") == apart.labels("second") == apart.labels("third")
    assert len(apart.labels("office")) == 9
    assert apart.run("third", "import", stick, *given)["imported"]["files"] == 0
    secret.write_text("another one\n")
    for verb in ("import", "export"):
        assert apart.run("office", verb, stick, *given)["error"]["code"] == "stick.passphrase"
    status = apart.run("office", "status")["sync"]
    assert status["problems"] == []


def test_a_desktop_that_was_struck_off_brings_nothing(apart: Apart, tmp_path: Path) -> None:
    stick, other = tmp_path / "stick", tmp_path / "other"
    stick.mkdir()
    other.mkdir()
    with open_context(apart.homes["office"]) as office:
        trust.strike_off(office, "third", root_key=apart.root_key, passphrase=PASSPHRASE)
    apart.add("third", tmp_path / "images", dent=3)
    apart.run("third", "export", stick)
    assert apart.run("office", "import", stick)["error"]["code"] == "stick.unsigned"
    # The second one has not heard of it yet, and takes what a desktop that it knows has brought.
    assert apart.run("second", "import", stick)["imported"]["files"] == 3
    apart.run("office", "export", other)
    told = apart.run("second", "import", other)["imported"]
    assert (told["problems"], told["root"] > 1, told["admitted"], told["struck_off"]) == ([], True, [], ["third"])
    assert apart.run("second", "import", other)["imported"]["root"] == 0
    assert apart.run("second", "import", stick)["error"]["code"] == "stick.unsigned"
    assert apart.labels("office") == {}


@needed[0]
@needed[1]
def test_a_full_stick_says_what_is_missing_and_keeps_what_fits(apart: Apart, tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "stick")
    try:
        inside = tuple(disk.inside)
        disk.fill()
        assert apart.run("office", "export", disk.folder, inside=inside)["error"]["code"] == "disk.full"
        disk.clear()
        apart.add("office", tmp_path / "images", dent=3)
        # Room for the changes and little else.
        with (disk.view / "filler-0").open("wb") as filler:
            filler.write(b"\0" * (disk.free - 2**20))
        error = apart.run("office", "export", disk.folder, inside=inside)["error"]
        assert error["code"] == "stick.full"
        assert "are missing" in error["message"]
        assert "3 files" in error["message"]
        took = apart.run("second", "import", disk.folder, inside=inside)["imported"]
        assert (took["files"], took["missing"], took["problems"]) == (0, 3, [])
        disk.clear()
        assert apart.run("office", "export", disk.folder, inside=inside)["exported"]["files"] == 3
        assert apart.run("second", "import", disk.folder, inside=inside)["imported"]["files"] == 3
        assert apart.labels("second") == apart.labels("office")
    finally:
        disk.close()
