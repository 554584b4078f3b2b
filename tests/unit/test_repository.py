"""What holds for the repository as a whole: sizes, codes, entry points, documents, and what start-up loads."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from app.cli import frame
from edge_runtime import __main__ as edge
from edge_runtime.contracts.errors import LinesideError

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [path.read_text(encoding="utf-8") for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])]
PARSERS: dict[str, Callable[[str], ArgumentParser]] = {
    "lineside": lambda _: frame.build_parser(),
    "lineside-edge": edge.build_parser,
}
"""Of the command that is asked for."""
MAX_LINES = 450
HEAVY = frozenset({"PySide6", "arro3", "boto3", "obstore", "onnx", "paramiko", "pyqtgraph", "torch"})


def error_classes(cls: type[LinesideError] = LinesideError) -> Iterator[type[LinesideError]]:
    for name in ("enrolment_errors", "runtime_errors", "stick_errors"):
        importlib.import_module(f"edge_runtime.contracts.{name}")
    yield cls
    for subclass in cls.__subclasses__():
        yield from error_classes(subclass)


def _blocks(text: str) -> list[str]:
    """The lines of a document's shell blocks."""
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def _inline(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def _commands(lines: list[str]) -> list[list[str]]:
    """Those lines that start one of our programs, as arguments; names like LABEL stay as they are."""
    return [shlex.split(line, comments=True) for line in lines if line.partition(" ")[0] in PARSERS and " " in line]


SHELL_COMMANDS = _commands([line for text in TEXTS for line in _blocks(text)])
HINTS = [cls.default_hint for cls in error_classes()]
INLINE_COMMANDS = _commands([code for text in (*TEXTS, *HINTS) for code in _inline(text)])


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
    code = "\n".join(line for text in TEXTS for line in (*_blocks(text), *_inline(text)))
    assert set(re.findall(r"\bmake ([a-z-]+)", code)) <= targets


@pytest.mark.parametrize("command", SHELL_COMMANDS, ids=" ".join)
def test_command_in_a_shell_block_is_valid(command: list[str]) -> None:
    assert PARSERS[command[0]](command[1]).parse_args(command[1:])


@pytest.mark.parametrize("command", INLINE_COMMANDS, ids=" ".join)
def test_command_in_a_sentence_exists(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in command[1:] if word.islower() and word.isalpha()]
    with pytest.raises(SystemExit) as ended:
        PARSERS[command[0]](command[1]).parse_args([*words, "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "module",
    ["app.__main__", "app.cli.frame", "cloud_sync.bursts.agent", "edge_runtime.__main__", "edge_runtime.service"],
)
def test_start_up_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert HEAVY & {name.partition(".")[0] for name in loaded.split()} == set()
