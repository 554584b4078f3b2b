"""What holds for the repository as a whole: sizes, codes, entry points, documents, and what start-up loads."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import EntryPoint, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edge_runtime.contracts.errors import LinesideError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MAX_LINES = 450
HEAVY = frozenset({"PySide6", "boto3", "obstore", "onnx", "paramiko", "pyqtgraph", "torch"})


def error_classes(cls: type[LinesideError] = LinesideError) -> Iterator[type[LinesideError]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from error_classes(subclass)


def test_no_file_is_too_long_to_read() -> None:
    files = [path for package in ("app", "cloud_sync", "edge_runtime") for path in (ROOT / package).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_error_code_is_used_once() -> None:
    codes = Counter(cls.code for cls in error_classes())
    assert [code for code, count in codes.items() if count > 1] == []


def test_every_error_code_is_in_the_operator_guide() -> None:
    guide = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
    assert [cls.code for cls in error_classes() if f"| `{cls.code}` |" not in guide] == []


@pytest.mark.parametrize("point", list(distribution("lineside").entry_points), ids=lambda point: point.name)
def test_entry_point_resolves(point: EntryPoint) -> None:
    assert point.load() is not None


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    lines = (ROOT / "packaging/constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {line.partition("==")[0]: line.partition("==")[2] for line in lines if not line.startswith("#")}
    for requirement in map(Requirement, wanted):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert requirement.specifier.contains(pins[name]), name


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for path in DOCUMENTS for name in re.findall(r"`?make ([a-z-]+)", _code(path))}
    assert named <= targets


def _code(document: Path) -> str:
    """Everything in a document that is set as code."""
    text = document.read_text(encoding="utf-8")
    return "\n".join([*re.findall(r"```sh\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize(
    "module", ["app.__main__", "app.cli", "cloud_sync.bursts.agent", "edge_runtime.__main__", "edge_runtime.service"]
)
def test_start_up_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert HEAVY & {name.partition(".")[0] for name in loaded.split()} == set()
