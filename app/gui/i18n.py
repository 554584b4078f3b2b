"""The window's language: Qt's own translations, loaded beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PySide6.QtCore import QLibraryInfo, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

Language = Literal["auto", "en", "zh"]


def QT_TRANSLATE_NOOP(_context: str, text: str) -> str:
    """Mark ``text`` for the translation tools, which know this name, and leave it as it is."""
    return text


def folder() -> Path:
    """Where our translations lie."""
    return Path(__file__).resolve().parents[2] / "resources" / "translations"


def resolve(language: Language) -> Literal["en", "zh"]:
    """What ``auto`` means on this machine."""
    if language != "auto":
        return language
    return "zh" if QLocale.system().language() == QLocale.Language.Chinese else "en"


class Translations:
    """Installs and removes the translators of one application; windows are rebuilt by the caller."""

    def __init__(self, application: QApplication) -> None:
        self._application = application
        self._installed: list[QTranslator] = []

    def use(self, language: Language) -> None:
        """Switch to ``language`` for every window built from now on."""
        for translator in self._installed:
            self._application.removeTranslator(translator)
        self._installed = []
        chinese = resolve(language) == "zh"
        QLocale.setDefault(QLocale(QLocale.Language.Chinese if chinese else QLocale.Language.English))
        if not chinese:
            return
        qt = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        for name, where in (("qtbase_zh_CN", qt), ("lineside_zh_CN", str(folder()))):
            translator = QTranslator(self._application)
            if translator.load(name, where):
                self._application.installTranslator(translator)
                self._installed.append(translator)
