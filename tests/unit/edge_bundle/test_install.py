"""The installer of an edge bundle, run by the system's own Python: what it installs, and what it leaves alone."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.fleet.ssh.machine import OF_A_MACHINE
from edge_runtime.contracts.errors import LinesideError
from tests.fakes.edge_bundles import (
    INTERPRETER,
    PYTHON,
    module,
    run_installer,
    small_bundle,
    start,
    tree,
    wheel,
)


def versions(prefix: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (prefix / "versions").iterdir())


def test_the_program_starts_with_its_own_modules_alone(bundle: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "opt"
    assert run_installer(bundle, prefix) == {"installed": "1.0.0", "changed": True, "python": str(INTERPRETER)}
    said = start(prefix, "run", "--home", "/nowhere")
    assert said["version"] == "1.0.0"
    assert sorted(said["others"]) == ["ifaddr", "lineside", "msgspec"]
    assert said["arguments"] == ["run", "--home", "/nowhere"]
    # What was compiled was compiled for where it lies now.
    cached = Path(said["cached"])
    assert cached.is_relative_to((prefix / "current").resolve())
    assert (
        str(cached.parents[1] / "__main__.py").encode() in (cached.parent / f"__main__.{_cache_tag()}.pyc").read_bytes()
    )
    launcher = prefix / "bin" / "lineside-edge"
    assert launcher.read_text().startswith(f"#!{INTERPRETER} -IS\n")
    assert {path.stat().st_mode & 0o777 for path in prefix.rglob("*") if path.is_file()} == {0o644, 0o755}


def _cache_tag() -> str:
    return "cpython-" + PYTHON.replace(".", "")


def test_again_it_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    run_installer(bundle, tmp_path / "opt")
    before = tree(tmp_path / "opt")
    assert run_installer(bundle, tmp_path / "opt")["changed"] is False
    assert tree(tmp_path / "opt") == before


def test_anybody_can_read_it_whatever_the_umask(bundle: Path, tmp_path: Path) -> None:
    run_installer(bundle, tmp_path / "opt", before=("sh", "-c", 'umask 077; exec "$@"', "sh"))
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (tmp_path / "opt").rglob("*"))


def test_one_version_before_is_kept_and_comes_back(bundle: Path, newer: Path, tmp_path: Path) -> None:
    prefix, third = tmp_path / "opt", small_bundle(tmp_path, version="1.2.0")
    run_installer(bundle, prefix)
    assert run_installer(newer, prefix)["changed"] is True
    assert (start(prefix)["version"], versions(prefix)) == ("1.1.0", ["1.0.0", "1.1.0"])
    assert run_installer(bundle, prefix)["changed"] is True
    assert (start(prefix)["version"], versions(prefix)) == ("1.0.0", ["1.0.0", "1.1.0"])
    run_installer(third, prefix)
    assert (start(prefix)["version"], versions(prefix)) == ("1.2.0", ["1.0.0", "1.2.0"])


def test_a_version_that_still_runs_is_not_taken_away(bundle: Path, newer: Path, tmp_path: Path) -> None:
    prefix, third = tmp_path / "opt", small_bundle(tmp_path, version="1.2.0")
    run_installer(bundle, prefix)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import msgspec; print('loaded', flush=True); sys.stdin.read()"
    library = str((prefix / "current").resolve() / "lib")
    with subprocess.Popen(
        [INTERPRETER, "-IS", "-c", code, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"loaded\n"
        run_installer(newer, prefix)
        run_installer(third, prefix)
        assert versions(prefix) == ["1.0.0", "1.1.0", "1.2.0"]
        running.communicate()
    run_installer(small_bundle(tmp_path, version="1.3.0"), prefix)
    assert versions(prefix) == ["1.2.0", "1.3.0"]


@pytest.mark.parametrize("where", ["lib/msgspec/__init__.py", f"lib/ifaddr/__pycache__/__init__.{_cache_tag()}.pyc"])
@pytest.mark.parametrize("how", ["other", "empty", "gone", "link"])
def test_what_is_damaged_is_replaced(bundle: Path, tmp_path: Path, where: str, how: str) -> None:
    prefix = tmp_path / "opt"
    run_installer(bundle, prefix)
    victim = prefix / "current" / where
    if how == "other":
        victim.write_bytes(b"x" + victim.read_bytes()[1:])
    elif how == "empty":
        victim.write_bytes(b"")
    else:
        victim.unlink()
        if how == "link":
            victim.symlink_to("/dev/null")
    assert run_installer(bundle, prefix)["changed"] is True
    assert start(prefix)["version"] == "1.0.0"
    before = tree(prefix)
    assert run_installer(bundle, prefix)["changed"] is False
    assert tree(prefix) == before


def test_a_version_that_does_not_start_is_not_taken(bundle: Path, tmp_path: Path) -> None:
    broken = small_bundle(
        tmp_path,
        version="2.0.0",
        changes={"edge_runtime/service/daemon.py": b"raise ImportError('libGL.so.1: cannot open shared object file')"},
    )
    crashing = small_bundle(
        tmp_path, version="2.1.0", changes={"edge_runtime/serving/grpc.py": b"import os; os.kill(os.getpid(), 4)"}
    )
    prefix = tmp_path / "opt"
    run_installer(bundle, prefix)
    for each, reason in ((broken, "libGL.so.1"), (crashing, "SIGILL")):
        error = run_installer(each, prefix)["error"]
        assert error["code"] == "edge-install.does-not-start"
        assert reason in error["message"]
        assert (start(prefix)["version"], versions(prefix)) == ("1.0.0", ["1.0.0"])


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"arch": "riscv64"}, "riscv64"),
        ({"pythons": ["3.99"]}, "3.99"),
        ({"glibc": "99.0"}, "glibc 99.0"),
    ],
)
def test_a_bundle_for_another_machine(tmp_path: Path, facts: dict[str, Any], reason: str) -> None:
    error = run_installer(small_bundle(tmp_path, **facts), tmp_path / "opt")["error"]
    assert error["code"] == "edge-install.unsuitable"
    assert reason in error["message"]
    assert not (tmp_path / "opt").exists()


def test_what_others_made_is_neither_replaced_nor_removed(bundle: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "local"
    (prefix / "bin").mkdir(parents=True)
    foreign = prefix / "bin" / "lineside-edge"
    foreign.write_text("somebody's own")
    assert run_installer(bundle, prefix)["error"]["code"] == "edge-install.refused"
    foreign.rename(prefix / "bin" / "other")
    run_installer(bundle, prefix)
    (prefix / "versions" / "notes").mkdir()
    left = ["bin", "bin/other", "versions", "versions/notes"]
    assert run_installer(bundle, prefix, "--uninstall") == {"installed": None, "changed": True, "left": left}
    assert sorted(tree(prefix)) == left


def test_everything_is_taken_off_again(bundle: Path, newer: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "opt"
    assert run_installer(bundle, prefix, "--uninstall") == {"installed": None, "changed": False, "left": []}
    run_installer(bundle, prefix)
    run_installer(newer, prefix)
    # What a killed installer may have left.
    (prefix / "versions" / ".part" / "lib").mkdir(parents=True)
    (prefix / ".current.new").symlink_to("nowhere")
    alone = tmp_path / "installer alone"
    alone.mkdir()
    (alone / "install.py").write_bytes((bundle / "install.py").read_bytes())
    assert run_installer(alone, prefix, "--uninstall") == {"installed": None, "changed": True, "left": []}
    assert not prefix.exists()


def test_one_at_a_time(bundle: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "opt"
    prefix.mkdir()
    handle = os.open(prefix, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        error = run_installer(bundle, prefix)["error"]
    finally:
        os.close(handle)
    assert "Another installer" in error["message"]
    assert list(prefix.iterdir()) == []


def test_data_and_libraries_of_a_wheel_go_to_their_places(tmp_path: Path) -> None:
    odd = wheel(
        tmp_path / "odd",
        "odd",
        {
            "odd-1.0.0.data/purelib/pure.py": b"",
            "odd-1.0.0.data/platlib/plat.py": b"",
            "odd-1.0.0.data/data/share/odd.txt": b"data",
            "odd-1.0.0.data/scripts/odd": b"#!python\n",
            "odd-1.0.0.data/headers/odd.h": b"",
            "broken.py": b"this is no Python",
        },
    )
    run_installer(small_bundle(tmp_path, odd), tmp_path / "opt")
    current = tmp_path / "opt" / "current"
    assert (current / "lib/pure.py").exists()
    assert (current / "lib/plat.py").exists()
    assert (current / "lib/broken.py").exists()
    assert (current / "data/share/odd.txt").read_bytes() == b"data"
    assert not [path for path in tree(current.resolve()) if path.endswith(("scripts", "odd", "odd.h"))]


def test_for_people_it_says_so_in_words(bundle: Path, tmp_path: Path) -> None:
    command = [str(INTERPRETER), "-I", str(bundle / "install.py"), "--prefix", str(tmp_path / "opt")]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert "lineside-edge 1.0.0 is now installed" in said[0]
    assert "nothing was changed" in said[1]
    (tmp_path / "opt" / "current").unlink()
    (tmp_path / "opt" / "current").write_text("")
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.endswith("[edge-install.refused]\n")


def test_its_errors_are_those_that_the_desktop_knows() -> None:
    for code, (title, hint) in module("install").CODES.items():
        known = LinesideError.from_dict({"code": code}, among=OF_A_MACHINE)
        assert (known.code, known.title, known.default_hint) == (code, title, hint)
