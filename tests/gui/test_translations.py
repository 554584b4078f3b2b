"""Simplified Chinese is complete, and what is shipped was made of what is written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from app.gui.i18n import folder

ROOT = Path(__file__).resolve().parents[2]
TS, QM = folder() / "lineside_zh_CN.ts", folder() / "lineside_zh_CN.qm"
TOOLS = Path(sys.executable).parent


def _messages(path: Path) -> dict[tuple[str, str], ElementTree.Element]:
    found = {}
    for context in ElementTree.parse(path).getroot().iter("context"):
        name = context.findtext("name") or ""
        for message in context.iter("message"):
            translation = message.find("translation")
            assert translation is not None
            found[name, message.findtext("source") or ""] = translation
    return found


def _run(tool: str, *arguments: str) -> None:
    subprocess.run([str(TOOLS / tool), *arguments], cwd=ROOT, check=True, capture_output=True)


def test_nothing_is_unfinished() -> None:
    messages = _messages(TS)
    assert len(messages) > 400
    unfinished = [key for key, translation in messages.items() if translation.get("type") or not translation.text]
    assert unfinished == []


def test_placeholders_are_kept() -> None:
    for (context, source), translation in _messages(TS).items():
        names = sorted(re.findall(r"\{(\w+)", source))
        assert sorted(re.findall(r"\{(\w+)", translation.text or "")) == names, (context, source)


def test_every_string_of_the_window_is_in_it(tmp_path: Path) -> None:
    shutil.copy(TS, tmp_path / "now.ts")
    sources = sorted(str(path) for path in (ROOT / "app" / "gui").rglob("*.py"))
    _run("pyside6-lupdate", *sources, "-ts", str(tmp_path / "now.ts"), "-no-obsolete", "-locations", "none")
    assert _messages(tmp_path / "now.ts").keys() == _messages(TS).keys()


@pytest.mark.usefixtures("qapp")
def test_compiled_file_is_up_to_date(tmp_path: Path) -> None:
    _run("pyside6-lrelease", str(TS), "-qm", str(tmp_path / "now.qm"))
    assert (tmp_path / "now.qm").read_bytes() == QM.read_bytes()
