"""The one style sheet, made of the theme's tokens. Sizes sit on an 8 px grid (4 px where it is tight)."""

from __future__ import annotations

from dataclasses import asdict
from string import Template
from typing import TYPE_CHECKING

from app.gui.icons import folder

if TYPE_CHECKING:
    from app.gui.theme import Tokens

_SHEET = Template("""
QWidget { color: $text; font-size: 14px; }
QMainWindow, QDialog, #page { background: $window; }
QToolTip { background: $surface; color: $text; border: 1px solid $border_strong; padding: 4px 8px; }
QLabel { background: transparent; }
QLabel[role="title"] { font-size: 22px; font-weight: 600; }
QLabel[role="headline"] { font-size: 28px; font-weight: 600; }
QLabel[role="section"] { font-size: 15px; font-weight: 600; }
QLabel[role="muted"], QLabel[role="caption"] { color: $muted; }
QLabel[role="caption"] { font-size: 12px; }
QLabel[role="figure"] { font-size: 24px; font-weight: 600; }
QLabel[role="mono"], QPlainTextEdit[role="log"], QPlainTextEdit[role="code"] { font-family: "$mono"; font-size: 12px; }
QLabel[role="bad"] { color: $bad; }
QLabel[tone="ok"] { color: $ok; } QLabel[tone="warn"] { color: $warn; } QLabel[tone="bad"] { color: $bad; }
QLabel[tone="info"] { color: $info; } QLabel[tone="idle"] { color: $idle; }
QFrame[role="card"] { background: $surface; border: 1px solid $border; border-radius: 8px; }
QFrame[role="line"] { background: $border; border: none; max-height: 1px; min-height: 1px; }
QFrame[role="upright-line"] { background: $border; border: none; max-width: 1px; min-width: 1px; }
QFrame[role="chip"] { border-radius: 12px; background: $idle_soft; }
QFrame[role="chip"][tone="ok"] { background: $ok_soft; } QFrame[role="chip"][tone="warn"] { background: $warn_soft; }
QFrame[role="chip"][tone="bad"] { background: $bad_soft; } QFrame[role="chip"][tone="info"] { background: $info_soft; }

#rail { background: $rail; border: none; border-right: 1px solid $border; }
#rail QPushButton { text-align: left; border: 2px solid transparent; border-radius: 8px; background: transparent;
  padding: 0 10px; min-height: 40px; font-weight: 500; color: $muted; }
#rail QPushButton:hover { background: $hover; color: $text; }
#rail QPushButton:checked { background: $accent_soft; color: $accent; font-weight: 600; }
#rail QPushButton:focus { border-color: $accent; }
#strip { background: $rail; border: none; border-top: 1px solid $border; }
#strip QPushButton { min-height: 28px; padding: 0 8px; border: 2px solid transparent; background: transparent;
  border-radius: 6px; color: $muted; font-size: 13px; }
#strip QPushButton:hover { background: $hover; color: $text; } #strip QPushButton:focus { border-color: $accent; }
#strip QLabel { font-size: 13px; color: $muted; }
#banner { background: $warn_soft; border: none; border-bottom: 1px solid $border; }
#demo { background: $accent_soft; border: none; border-bottom: 1px solid $border; }
#tray { background: $surface; border: none; border-top: 1px solid $border_strong; }

QPushButton { min-height: 42px; padding: 0 14px; border: 1px solid $border_strong; border-radius: 8px; font-weight: 500;
  background: $surface; }
QPushButton:hover { background: $hover; } QPushButton:pressed { background: $sunken; }
QPushButton:focus { border: 2px solid $accent; padding: 0 13px; min-height: 40px; }
QPushButton:disabled { color: $border_strong; background: $sunken; border-color: $border; }
QPushButton[kind="primary"] { background: $accent; color: $on_accent; border-color: $accent; font-weight: 600; }
QPushButton[kind="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[kind="primary"]:focus { border: 2px solid $text; }
QPushButton[kind="primary"]:disabled { background: $sunken; color: $border_strong; border-color: $border; }
QPushButton[kind="danger"] { color: $bad; }
QPushButton[kind="danger"]:disabled { color: $border_strong; }
QPushButton[kind="ghost"] { background: transparent; border-color: transparent; color: $muted; }
QPushButton[kind="ghost"]:hover { background: $hover; color: $text; }
QPushButton[kind="ghost"]:focus { border-color: $accent; }
QPushButton[kind="choice"] { text-align: left; padding: 16px; border-color: $border; border-radius: 12px; }
QPushButton[kind="choice"]:hover, QPushButton[kind="choice"]:focus { border-color: $accent; background: $surface; }
QPushButton[kind="segment"] { border-radius: 6px; border: 1px solid transparent; background: transparent; color: $muted;
  min-height: 42px; padding: 0 12px; }
QPushButton[kind="segment"]:hover { color: $text; }
QPushButton[kind="segment"]:checked { background: $surface; color: $text; font-weight: 600; border-color: $border; }
QPushButton[kind="segment"]:focus { border: 2px solid $accent; padding: 0 11px; min-height: 40px; }
QPushButton[kind="label"] { padding: 0 6px; } QPushButton[kind="label"]:focus { padding: 0 5px; }
QFrame[role="segments"] { background: $sunken; border: 1px solid $border; border-radius: 8px; }

QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox { min-height: 42px; padding: 0 12px; border: 1px solid $border_strong;
  border-radius: 8px; background: $surface; color: $text; selection-background-color: $accent;
  selection-color: $on_accent; }
QLineEdit:hover, QComboBox:hover, QSpinBox:hover, QDoubleSpinBox:hover { border-color: $muted; }
QLineEdit:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus { border: 2px solid $accent; padding: 0 11px;
  min-height: 40px; }
QLineEdit:disabled, QComboBox:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled { color: $border_strong;
  background: $sunken; }
QComboBox::drop-down { border: none; width: 28px; }
QComboBox::down-arrow { image: url("$icons/control-down.svg"); width: 16px; height: 16px; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $border_strong; padding: 4px; outline: none;
  selection-background-color: $accent_soft; selection-color: $text; }
QComboBox QAbstractItemView::item { min-height: 44px; padding: 0 8px; }
QSpinBox::up-button, QDoubleSpinBox::up-button { subcontrol-origin: border; width: 28px; border: none; }
QSpinBox::down-button, QDoubleSpinBox::down-button { subcontrol-origin: border; width: 28px; border: none; }
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url("$icons/control-up.svg"); width: 14px; height: 14px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: url("$icons/control-down.svg"); width: 14px; height: 14px; }
QCheckBox { spacing: 8px; min-height: 44px; }
QCheckBox::indicator { width: 20px; height: 20px; border: 2px solid $border_strong; border-radius: 5px;
  background: $surface; }
QCheckBox::indicator:hover, QCheckBox::indicator:focus { border-color: $accent; }
QCheckBox::indicator:checked { background: #1c4fd8; border-color: #1c4fd8; image: url("$icons/control-check.svg"); }
QPlainTextEdit { border: 1px solid $border; border-radius: 8px; background: $sunken; padding: 8px;
  selection-background-color: $accent; selection-color: $on_accent; }
QPlainTextEdit:focus { border-color: $accent; }

QTableView, QListView, QTreeView { background: $surface; border: 1px solid $border; border-radius: 8px; outline: none;
  selection-background-color: $accent_soft; selection-color: $text; alternate-background-color: $surface; }
QTableView:focus, QListView:focus, QTreeView:focus { border-color: $accent; }
QTableView::item { border: none; border-bottom: 1px solid $border; padding: 0 8px; }
QTableView::item:hover, QListView::item:hover { background: $sunken; }
QTableView::item:selected, QListView::item:selected { background: $accent_soft; color: $text; }
QListView::item { border-radius: 6px; }
QHeaderView { background: transparent; border: none; }
QHeaderView::section { background: transparent; color: $muted; border: none; border-bottom: 1px solid $border;
  padding: 0 11px; font-size: 12px; font-weight: 600; min-height: 36px; }
QTableCornerButton::section { background: $surface; border: none; }
QProgressBar { border: none; border-radius: 3px; background: $border; min-height: 6px; max-height: 6px; }
QProgressBar::chunk { border-radius: 3px; background: $accent; }
QProgressBar[tone="ok"]::chunk { background: $ok; } QProgressBar[tone="bad"]::chunk { background: $bad; }
QSplitter::handle { background: transparent; }
QScrollArea { border: none; background: transparent; }
QScrollArea > QWidget > QWidget { background: transparent; }
QScrollBar:vertical { width: 12px; background: transparent; margin: 2px; }
QScrollBar:horizontal { height: 12px; background: transparent; margin: 2px; }
QScrollBar::handle { background: $border_strong; border-radius: 4px; min-height: 32px; min-width: 32px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
#palette { background: $surface; border: 1px solid $border_strong; border-radius: 12px; }
#palette QLineEdit { border: none; border-bottom: 1px solid $border; border-radius: 0; font-size: 16px; }
#palette QListView { border: none; }
""")


def stylesheet(tokens: Tokens, *, mono: str) -> str:
    """The application's style sheet for ``tokens``; ``mono`` is the family of digests and logs."""
    return _SHEET.substitute({**asdict(tokens), "mono": mono, "icons": folder().as_posix()})
