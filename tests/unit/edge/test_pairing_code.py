"""The one-time code and the file that it stands in; the pauses after one was used up; ``lineside-edge code``."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.__main__ import main
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.identity import create_identity
from edge_runtime.pairing.code import ALPHABET, TRIES, make_code, read_code
from edge_runtime.pairing.code_file import CodeFile
from edge_runtime.pairing.door import FIRST_PAUSE_S, LONGEST_PAUSE_S, Pace
from edge_runtime.service.trust import TrustStore


def test_a_code_is_eight_characters_in_two_groups() -> None:
    codes = {make_code() for _ in range(100)}
    assert len(codes) == 100
    for code in codes:
        assert len(code) == 9
        assert code[4] == "-"
        assert set(code) - {"-"} <= set(ALPHABET)


@pytest.mark.parametrize(
    "typed",
    ["7K3M-X901", "7k3m-x901", " 7K3MX901\n", "7k3m x9oi", "7K3M–X9Ol", "7-K-3-M-X-9-0-1", "7K3M\N{HYPHEN}X9OL"],
)
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    assert read_code(typed) == "7K3M-X901"


@pytest.mark.parametrize("typed", ["", "7K3M", "7K3M-X90", "7K3M-X9011", "7K3M-X90U", "7K3M-X90é", "7" * 10_000])
def test_what_is_no_code_is_said_without_repeating_it(typed: str) -> None:
    with pytest.raises(InputInvalid) as refused:
        read_code(typed)
    assert len(typed) < 5 or typed not in str(refused.value)


@given(st.text(max_size=20))
def test_any_text_is_a_code_or_refused(typed: str) -> None:
    try:
        code = read_code(typed)
    except InputInvalid:
        return
    assert read_code(code) == code


def test_a_code_stands_until_its_tries_are_gone(tmp_path: Path) -> None:
    codes = CodeFile(tmp_path)
    assert codes.read() is None
    first = codes.stand()
    for used in range(1, TRIES + 1):
        assert CodeFile(tmp_path).stand() == codes.read()
        counted = CodeFile(tmp_path).count(first.code)
        assert counted is not None
        assert (counted.code, counted.tries_left) == (first.code, TRIES - used)
    assert codes.count(first.code) is None
    second = codes.stand()
    assert second.code != first.code
    assert second.tries_left == TRIES
    assert codes.count(first.code) is None
    codes.remove()
    codes.remove()
    assert codes.read() is None


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    CodeFile(tmp_path).stand()
    CodeFile(tmp_path).count(CodeFile(tmp_path).stand().code)
    assert stat.S_IMODE((tmp_path / "trust" / "code").stat().st_mode) == 0o600


@pytest.mark.parametrize("body", [b"", b"{}", b'{"code":"x"}', b'{"code":"7K3M-X9PD","tries":"a"}', b"\xff" * 400])
def test_a_damaged_file_is_no_code_and_a_new_one_is_made(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "code").write_bytes(body)
    codes = CodeFile(tmp_path)
    assert codes.read() is None
    assert codes.stand().tries_left == TRIES


def test_tries_at_the_same_time_are_all_counted(tmp_path: Path) -> None:
    code = CodeFile(tmp_path).stand().code
    counted: list[bool] = []
    threads = [
        threading.Thread(target=lambda: counted.append(CodeFile(tmp_path).count(code) is not None)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counted) == TRIES


def test_pauses_grow_to_five_minutes() -> None:
    pace = Pace()
    assert pace.wait_s(1000.0) == 0
    pauses = []
    for _ in range(20):
        pace.used_up(1000.0)
        pauses.append(pace.wait_s(1000.0))
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pace.wait_s(1000.0 + LONGEST_PAUSE_S - 0.5) == 1
    assert pace.wait_s(1000.0 + LONGEST_PAUSE_S) == 0


def test_the_command_shows_the_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["code", "--home", str(tmp_path)]) == 1
    assert "item.not-found" in capsys.readouterr().err
    standing = CodeFile(tmp_path).stand()
    assert main(["code", "--home", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"code": standing.code, "tries_left": 3}
    assert main(["code", "--home", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{standing.code} (3 tries left)\n"


def test_a_label_printed_in_advance_is_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label, home = tmp_path / "label.txt", tmp_path / "home"
    label.write_text("7k3mx9pd\n")
    assert main(["code", "--home", str(home), "--preset", str(label)]) == 0
    assert "7K3M-X9PD" in capsys.readouterr().out
    standing = CodeFile(home).stand()
    assert (standing.code, standing.tries_left) == ("7K3M-X9PD", 3)
    for body in ("", "guess", "12345678901234567890"):
        label.write_text(body)
        assert main(["code", "--home", str(home), "--preset", str(label)]) == 1
    assert CodeFile(home).stand() == standing
    TrustStore(home).add_desktop(create_identity(tmp_path / "keys", "laptop").certificate_pem)
    label.write_text("7K3M-X9PE")
    assert main(["code", "--home", str(home), "--preset", str(label)]) == 1
    assert "item.exists" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else")
def test_what_root_presets_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    label = tmp_path / "label.txt"
    label.write_text("7K3M-X9PD")
    # Not under pytest's own folder, which only root may enter.
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.chown(home, 65534, 65534)
        assert main(["code", "--home", str(home), "--preset", str(label)]) == 0
        assert os.geteuid() == 0
        for path in (home / "trust", home / "trust" / "code"):
            assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
