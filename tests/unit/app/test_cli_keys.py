"""Desktops and keys on the command line, from the first request to the recovery of the site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main
from tests.unit.app.conftest import PASSPHRASE

Run = Callable[..., Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command's answer as data, or the code of its error."""

    def once(home: Path, *arguments: object) -> Any:
        capsys.readouterr()
        status = main(["site", *map(str, arguments), "--home", str(home), "--json"])
        said = capsys.readouterr()
        if status:
            return json.loads(said.out or said.err)["error"]["code"]
        return json.loads(said.out)

    return once


def test_a_desktop_strikes_itself_off_only_if_told_that_it_does(home: Path, tmp_path: Path, run: Run) -> None:
    secret, second = tmp_path / "passphrase", tmp_path / "second"
    secret.write_text(f"{PASSPHRASE}\n")
    opened = ("--passphrase-file", secret)
    (office,) = run(home, "desktops")["desktops"]
    run(second, "request-join", tmp_path / "r.request", "--name", "second")
    run(home, "admit", tmp_path / "r.request", *opened)
    assert run(home, "strike-off", office["name"], *opened) == "input.invalid"

    def at_terminal(answer: str) -> tuple[int, str]:
        ours, theirs = os.openpty()
        os.write(ours, answer.encode())
        command = [sys.executable, "-m", "app", "--home", home, "site", "strike-off", office["name"], *opened]
        ended = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=120, check=False)
        os.close(ours)
        os.close(theirs)
        return ended.returncode, ended.stdout + ended.stderr

    status, said = at_terminal("\n")
    assert (status, "is this desktop" in said, "Nobody was struck off" in said) == (130, True, True)
    assert run(home, "desktops")["listed_here"] is True
    status, said = at_terminal("yes\n")
    assert (status, "This desktop is struck off" in said) == (0, True)
    struck = run(home, "desktops")
    assert ([row["name"] for row in struck["desktops"]], struck["listed_here"]) == (["second"], False)


def test_the_whole_life_of_a_sites_keys(home: Path, tmp_path: Path, run: Run) -> None:
    secret, wrong, newer = tmp_path / "passphrase", tmp_path / "wrong", tmp_path / "newer"
    secret.write_text(f"{PASSPHRASE}\n")
    wrong.write_text("something else\n")
    newer.write_text("a newer passphrase\n")
    opened = ("--passphrase-file", secret)
    (office,) = run(home, "desktops")["desktops"]
    assert office["here"] is True
    second = tmp_path / "second"
    request = run(second, "request-join", tmp_path / "r.request", "--name", "second")
    assert run(second, "request-join", tmp_path / "r.request", "--name", "second") == request
    assert run(home, "admit", tmp_path / "r.request", "--passphrase-file", wrong) == "trust.passphrase"
    admitted = run(home, "admit", tmp_path / "r.request", *opened)
    assert {row["name"] for row in admitted["desktops"]} == {office["name"], "second"}
    assert run(home, "admit", tmp_path / "r.request", *opened)["root"] == admitted["root"] == 2, (
        "again: nothing happens"
    )
    assert run(second, "join", admitted["admission"]) == "input.invalid", "nobody compared the number"
    number = ("--site-number", admitted["site_number"])
    assert run(second, "join", admitted["admission"], "--site-number", "1" * 30) == "trust.refused"
    joined = run(second, "join", admitted["admission"], *number)
    assert joined["site_number"] == admitted["site_number"]
    assert [row["name"] for row in joined["desktops"] if row["here"]] == ["second"]
    assert run(second, "join", admitted["admission"], *number) == "item.exists"
    assert run(second, "strike-off", "nobody", *opened) == "item.not-found"
    key = ("--root-key", home / "root" / "root.key.pem")
    assert run(second, "desktops")["root_key"] is None
    assert run(second, "strike-off", office["name"], *key, *opened)["root"] == 3
    assert run(second, "strike-off", "second", "--yes", *key, *opened) == "input.invalid", "the last one"
    rotated = run(second, "rotate-key", *key, *opened)
    assert [row["here"] for row in rotated["desktops"]] == [True]
    assert rotated["desktops"][0]["fingerprint"] != request["fingerprint"]
    export = tmp_path / "root-key.json"
    assert run(second, "export-root", export, *key, *opened)["root"] == 4
    assert run(second, "export-root", tmp_path / "r.request", *key, *opened) == "item.exists"
    replaced = run(second, "rotate-root", "--root-key", export, *opened, "--new-passphrase-file", newer)
    assert replaced["root"] == 5
    assert run(second, "rotate-key", *key, *opened) == "trust.root-key"
    third = tmp_path / "third"
    assert run(third, "recover", export, *opened) == "trust.passphrase"
    assert run(third, "recover", admitted["admission"], "--passphrase-file", newer) == "trust.root-key"
    recovered = run(third, "recover", export, "--passphrase-file", newer, "--name", "third")
    assert [row["name"] for row in recovered["desktops"]] == ["third"]
    assert recovered["root"] == 6
    assert recovered["site"]["site"] == joined["site"]["site"]
    assert run(third, "introduce", "--root-key", export, "--passphrase-file", newer)["unreached"] == {}


def test_without_a_terminal_a_passphrase_is_not_waited_for(home: Path, tmp_path: Path, run: Run) -> None:
    assert run(home, "export-root", tmp_path / "out") == "input.invalid"
    assert not (tmp_path / "out").exists()
