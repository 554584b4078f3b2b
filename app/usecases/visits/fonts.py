"""Fonts of this machine for a report: one that has its words, and others for what that one lacks.

None is shipped: those with Chinese in them are larger than the whole program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge_runtime.contracts.errors import ReportFontMissing


@dataclass(frozen=True, slots=True)
class _Face:
    """A family by the names of its files; ``number``: which of a collection's fonts."""

    regular: str
    bold: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Font:
    """A family that is on this machine."""

    regular: Path
    bold: Path
    number: int
    has: frozenset[int]
    """Code points."""


_CHINESE = (
    _Face("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", 2),
    _Face("NotoSansSC-Regular.otf", "NotoSansSC-Bold.otf"),
    _Face("SourceHanSansSC-Regular.otf", "SourceHanSansSC-Bold.otf"),
    _Face("msyh.ttc", "msyhbd.ttc"),
    _Face("wqy-microhei.ttc", "wqy-microhei.ttc"),
    _Face("DroidSansFallbackFull.ttf", "DroidSansFallbackFull.ttf"),
    _Face("simhei.ttf", "simhei.ttf"),
    _Face("Arial Unicode.ttf", "Arial Unicode.ttf"),
)
_LATIN = (
    _Face("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    _Face("segoeui.ttf", "segoeuib.ttf"),
    _Face("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    _Face("Arial.ttf", "Arial Bold.ttf"),
)
_WIDE = (_Face("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),)
"""Has most of what others lack, and takes more room for it."""


def choose_fonts(texts: Iterable[str], wanted: str, folders: Sequence[Path] | None = None) -> list[Font]:
    """A main font that has all of ``wanted``, and after it those that have what it lacks.

    :param texts: everything that is drawn.
    :param wanted: words of the report itself, which must be readable.
    :param folders: where fonts lie; None: where this system keeps them.
    :raises ReportFontMissing: no font here has the characters of ``wanted``.
    """
    own = _code_points([wanted])
    found = [font for face in (*_LATIN, *_CHINESE, *_WIDE) if (font := _find(face, tuple(folders or usual_folders())))]
    main = next((font for font in found if own <= font.has), None)
    if main is None:
        raise ReportFontMissing("No font on this machine has the characters of the report.")
    chosen, left = [main], _code_points(texts) - main.has
    while left:
        best = max(found, key=lambda font: len(font.has & left))
        if not best.has & left:
            break
        chosen.append(best)
        left -= best.has
    return chosen


def _code_points(texts: Iterable[str]) -> set[int]:
    return {ord(character) for text in texts for character in text if not character.isspace()}


def drawable(text: str, fonts: Sequence[Font]) -> str:
    """``text`` with each character that none of the fonts has written as its number, such as ``[U+1F600]``."""
    return "".join(
        character
        if character == " " or any(ord(character) in font.has for font in fonts)
        else f"[U+{ord(character):04X}]"
        for character in text
    )


def usual_folders() -> tuple[Path, ...]:
    """Where this system keeps its fonts."""
    home = Path.home()
    if sys.platform == "win32":
        own = Path(os.environ.get("LOCALAPPDATA", home)) / "Microsoft" / "Windows" / "Fonts"
        return (Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts", own)
    if sys.platform == "darwin":
        return (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts")
    return (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local" / "share" / "fonts")


def _find(face: _Face, folders: tuple[Path, ...]) -> Font | None:
    files = _files(folders)
    regular = files.get(face.regular.lower())
    if regular is None:
        return None
    has = _characters(regular, face.number)
    bold = files.get(face.bold.lower(), regular)
    return Font(regular, bold, face.number, has) if has else None


@cache
def _files(folders: tuple[Path, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".ttf", ".otf", ".ttc"):
                found.setdefault(path.name.lower(), path)
    return found


@cache
def _characters(path: Path, number: int) -> frozenset[int]:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, fontNumber=number, lazy=True) as font:
            return frozenset(font.getBestCmap() or {})
    except (TTLibError, OSError):
        return frozenset()
