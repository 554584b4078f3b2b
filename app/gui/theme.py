"""Light and dark: the colours by name, Qt's palette and the one style sheet made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QToolTip

from app.gui.stylesheet import stylesheet

Choice = Literal["auto", "light", "dark"]
Tone = Literal["ok", "warn", "bad", "info", "idle", "text", "muted", "accent"]

# The first that is installed wins; the last ones hold the Chinese glyphs.
_FAMILIES = (
    "Inter",
    "Segoe UI Variable Text",
    "Segoe UI",
    "SF Pro Text",
    "Noto Sans",
    "Source Sans 3",
    "Ubuntu",
    "Cantarell",
    "Noto Sans CJK SC",
    "PingFang SC",
    "Microsoft YaHei UI",
    "DejaVu Sans",
)
_MONO_FAMILIES = ("JetBrains Mono", "Cascadia Mono", "SF Mono", "Noto Sans Mono", "DejaVu Sans Mono")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Every colour the window uses, as ``#rrggbb``."""

    name: Literal["light", "dark"]
    window: str
    rail: str
    surface: str
    sunken: str
    hover: str
    border: str
    border_strong: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    accent_soft: str
    on_accent: str
    ok: str
    ok_soft: str
    warn: str
    warn_soft: str
    bad: str
    bad_soft: str
    info: str
    info_soft: str
    idle: str
    idle_soft: str

    def tone(self, tone: Tone) -> str:
        """The colour of a tone."""
        colour: str = getattr(self, tone)
        return colour

    def soft(self, tone: Tone) -> str:
        """The quiet background that goes with a tone."""
        colour: str = getattr(self, f"{tone}_soft", self.sunken)
        return colour


LIGHT = Tokens(
    name="light",
    window="#f5f6f8",
    rail="#eceef2",
    surface="#ffffff",
    sunken="#f0f2f5",
    hover="#e6e9ee",
    border="#dde1e7",
    border_strong="#bcc3cd",
    text="#171b21",
    muted="#56606d",
    accent="#1c4fd8",
    accent_hover="#173fae",
    accent_soft="#e3ebff",
    on_accent="#ffffff",
    ok="#0f6b43",
    ok_soft="#dcf3e7",
    warn="#865300",
    warn_soft="#fdf0d2",
    bad="#b3232f",
    bad_soft="#fde5e6",
    info="#1c4fd8",
    info_soft="#e3ebff",
    idle="#56606d",
    idle_soft="#e9ecf0",
)
DARK = Tokens(
    name="dark",
    window="#13161a",
    rail="#0f1215",
    surface="#1b1f25",
    sunken="#15181d",
    hover="#272d35",
    border="#2c323b",
    border_strong="#454d59",
    text="#e8ebf0",
    muted="#9ea8b5",
    accent="#7ea6ff",
    accent_hover="#9dbbff",
    accent_soft="#1e2f57",
    on_accent="#0c1530",
    ok="#52cf95",
    ok_soft="#12352a",
    warn="#f0b84b",
    warn_soft="#3a2c10",
    bad="#ff8a8a",
    bad_soft="#421d22",
    info="#7ea6ff",
    info_soft="#1e2f57",
    idle="#9ea8b5",
    idle_soft="#272d35",
)


def tokens() -> Tokens:
    """The tokens of the palette in force; whoever paints asks at that moment."""
    return DARK if QGuiApplication.palette().color(QPalette.ColorRole.Window).name() == DARK.window else LIGHT


def contrast(first: str, second: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""

    def luminance(colour: str) -> float:
        made = QColor(colour)
        red, green, blue = (
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
            for part in (made.redF(), made.greenF(), made.blueF())
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _palette(chosen: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for which, colour in (
        (role.Window, chosen.window),
        (role.WindowText, chosen.text),
        (role.Base, chosen.surface),
        (role.AlternateBase, chosen.sunken),
        (role.Text, chosen.text),
        (role.Button, chosen.surface),
        (role.ButtonText, chosen.text),
        (role.BrightText, chosen.bad),
        (role.Highlight, chosen.accent_soft),
        (role.HighlightedText, chosen.text),
        (role.Link, chosen.accent),
        (role.PlaceholderText, chosen.muted),
        (role.ToolTipBase, chosen.surface),
        (role.ToolTipText, chosen.text),
        (role.Mid, chosen.border),
        (role.Dark, chosen.border_strong),
        (role.Light, chosen.surface),
    ):
        palette.setColor(which, QColor(colour))
    for which in (role.Text, role.WindowText, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(chosen.border_strong))
    return palette


class Theme(QObject):
    """The theme in force. ``changed`` comes after palette and style sheet were set."""

    changed = Signal()

    def __init__(self, application: QApplication, choice: Choice = "auto") -> None:
        super().__init__(application)
        self._application = application
        self._choice: Choice = choice
        installed = set(QFontDatabase.families())
        self._families = [family for family in _FAMILIES if family in installed]
        self._mono = next((family for family in _MONO_FAMILIES if family in installed), "monospace")
        application.setStyle("Fusion")
        font = QFont(application.font())
        if self._families:
            font.setFamilies(self._families)
        font.setPixelSize(14)
        application.setFont(font)
        hints = application.styleHints()
        hints.colorSchemeChanged.connect(self._on_system_change)
        self._in_force: Tokens | None = None
        self._apply()

    @property
    def choice(self) -> Choice:
        return self._choice

    def choose(self, choice: Choice) -> None:
        """Switch at once; ``auto`` follows the system."""
        self._choice = choice
        self._apply()

    def _on_system_change(self) -> None:
        if self._choice == "auto":
            self._apply()

    def _apply(self) -> None:
        system_dark = self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark
        dark = self._choice == "dark" or (self._choice == "auto" and system_dark)
        chosen = DARK if dark else LIGHT
        if chosen is self._in_force:
            # To style every widget once more takes a second where there are many.
            return
        self._in_force = chosen
        palette = _palette(chosen)
        self._application.setPalette(palette)
        QToolTip.setPalette(palette)
        self._application.setStyleSheet(stylesheet(chosen, mono=self._mono))
        self.changed.emit()
