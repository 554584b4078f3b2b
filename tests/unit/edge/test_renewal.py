"""A new identity in a home that stays as it is, the marks of a machine, and a name that is changed in place."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from edge_runtime.config import TEMPLATE
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.enrolment import create_home, read_home
from edge_runtime.identity import CURRENT_NAME, load_identity
from edge_runtime.renewal import forget_others, former_ids, prepare, take
from edge_runtime.service.clock import may_set_clock, spell
from edge_runtime.service.machine import host_key_fingerprint, read_machine
from edge_runtime.toml_lines import with_name

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_home(tmp_path / "box", name="line-1")
    return tmp_path / "box"


def test_a_prepared_identity_changes_nothing_until_it_is_taken(home: Path) -> None:
    before = read_home(home).box
    prepared, name = prepare(home, ONE, "line-2")
    assert (prepare(home, ONE, "another")[0], name) == (prepared, "line-2")
    assert read_home(home).box == before != prepared.fingerprint
    assert former_ids(home) == ()
    forget_others(home)
    assert take(home, ONE).fingerprint == take(home, ONE).fingerprint == prepared.fingerprint
    assert read_home(home).box == prepared.fingerprint
    assert former_ids(home) == (before,)
    assert prepare(home, ONE, "line-2")[0].fingerprint == prepared.fingerprint
    assert not (home / "keys" / "identity.key").exists()


def test_a_box_can_be_renewed_again(home: Path) -> None:
    first = read_home(home).box
    prepare(home, ONE, "line-2")
    second = take(home, ONE).fingerprint
    prepare(home, TWO, "line-3")
    # It may still be asked for after a restart.
    forget_others(home)
    third = take(home, TWO).fingerprint
    assert former_ids(home) == (first, second)
    assert read_home(home).box == third
    assert {path.name for path in (home / "keys").iterdir()} == {CURRENT_NAME, TWO}


def test_what_was_never_prepared_cannot_be_taken(home: Path) -> None:
    with pytest.raises(NotFound):
        take(home, ONE)
    assert read_home(home).box


def test_a_lost_identity_is_told_of_and_no_third_one_takes_its_place(home: Path) -> None:
    prepare(home, ONE, "line-2")
    take(home, ONE)
    shutil.rmtree(home / "keys" / ONE)
    with pytest.raises(NotFound):
        create_home(home, name="line-2")
    (home / "keys" / CURRENT_NAME).write_text("../elsewhere")
    with pytest.raises(InputInvalid):
        load_identity(home / "keys")


@pytest.mark.parametrize(
    "text",
    [
        TEMPLATE.format(name='"line-1"'),
        "# a comment\n  name   =   'line-1'   # on the door\n[management]\nlisten = \"0.0.0.0:7443\"\n",
        '"name" = "line \\"1\\""\n[[pipeline]]\nname = "camera"\nsource = "folder:/x"\n',
    ],
)
def test_a_name_is_changed_and_nothing_else(text: str) -> None:
    changed = with_name(text, 'line "2" \\ 线')
    assert changed is not None
    before, after = tomllib.loads(text), tomllib.loads(changed)
    assert after == {**before, "name": 'line "2" \\ 线'}
    assert len(changed.splitlines()) == len(text.splitlines())
    assert [line for line in changed.splitlines() if "name" not in line] == [
        line for line in text.splitlines() if "name" not in line
    ]


def test_a_name_that_stands_nowhere_is_not_made_up() -> None:
    assert with_name("listen = 1\n", "x") is None


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
def test_the_host_key_is_told_as_ssh_keygen_tells_it(tmp_path: Path) -> None:
    key = tmp_path / "etc" / "ssh" / "ssh_host_ed25519_key"
    key.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    told = subprocess.run(["ssh-keygen", "-l", "-f", str(key)], check=True, capture_output=True, text=True).stdout
    assert read_machine(tmp_path).host_key == told.split()[1]


def test_marks_of_a_machine(tmp_path: Path) -> None:
    nothing = read_machine(tmp_path)
    assert (nothing.machine, nothing.host_key, nothing.kernel_boot) == ("", "", "")
    (tmp_path / "etc" / "ssh").mkdir(parents=True)
    (tmp_path / "etc" / "machine-id").write_text("uninitialized\n")
    (tmp_path / "etc" / "ssh" / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 this-is-none root@box\n")
    assert (read_machine(tmp_path).machine, read_machine(tmp_path).host_key) == ("", "")
    (tmp_path / "etc" / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    assert read_machine(tmp_path).machine == "97d14bc427cd2ef0babec9fce2a9dcfac430bc1b154562e765c57d32c948ea4a"
    assert host_key_fingerprint("ssh-rsa AAAA") == ""
    assert host_key_fingerprint("") == ""


def test_whether_the_clock_may_be_set(tmp_path: Path) -> None:
    status = tmp_path / "status"
    assert not may_set_clock(status)
    for rights, may in (("0000000000000000", False), ("0000000002000000", True), ("000001ffffffffff", True)):
        status.write_text(f"Name:\tx\nCapEff:\t{rights}\nSeccomp:\t0\n")
        assert may_set_clock(status) is may
    assert spell(0) == "1970-01-01T00:00:00Z"
