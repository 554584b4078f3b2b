"""`lineside site introduce` where one box takes the root and another one is off."""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.__main__ import main
from app.context import open_context
from app.usecases import boxes
from edge_runtime.identity import create_identity
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.running_box import RunningBox


def test_its_status_says_whether_every_box_was_reached(
    tmp_path: Path, first_desktop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text(PASSPHRASE)
    with ExitStack() as stack:
        office = stack.enter_context(open_context(Path(shutil.copytree(first_desktop, tmp_path / "office"))))
        box = RunningBox(tmp_path, "press-4")
        box.start()
        stack.callback(box.stop)
        boxes.enrol_local(office, box.home)
        off = create_identity(tmp_path / "off", "press-9")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            address = f"127.0.0.1:{closed.getsockname()[1]}"
        boxes.enter_box(office, box=off.fingerprint, name="press-9", address=address, certificate=off.certificate_pem)
        second = admitted(office, tmp_path, stack)
        command = ["site", "introduce", "--root-key", str(office.places.root_key)]
        command += ["--passphrase-file", str(tmp_path / "secret"), "--home", str(second.home)]
        capsys.readouterr()
        assert main([*command, "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert list(told["unreached"]) == ["press-9"]
        assert "No connection" in told["unreached"]["press-9"]
        # The other one knows this desktop from now on.
        assert {one.name: one.problem is None for one in boxes.refresh(second)} == {"press-4": True, "press-9": False}
        assert main([*command, "press-4", "press-9"]) == 1
        said = capsys.readouterr()
        assert "press-9: The box does not answer: No connection" in said.out + said.err
        assert main([*command, "press-4", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["unreached"] == {}
        assert main([*command, "press-9", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "trust.not-introduced"
