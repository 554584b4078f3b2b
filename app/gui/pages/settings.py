"""Settings: language, theme, the object store, and where things lie."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, cast

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QLayout, QWidget

from app.gui import formats
from app.gui.pages.base import Command, Page, scrolled
from app.gui.pages.key_settings import KeySettings
from app.gui.pages.metrics_settings import MetricsSettings
from app.gui.pages.stick_settings import StickSettings
from app.gui.pages.store_settings import StoreSettings
from app.gui.pages.support_settings import SupportSettings
from app.gui.pages.traffic_settings import TrafficSettings
from app.gui.pages.training_settings import TrainingSettings
from app.gui.session import Session
from app.gui.widgets import Button, Facts, Segments, card, column, dropdown, label, row
from app.usecases import trust

WIDTH = 760


class SettingsPage(Page):
    """``theme_chosen`` and ``language_chosen`` carry the new choice after it was saved."""

    tables: ClassVar[frozenset[str]] = frozenset({"sync", "objects", "boxes", "activity", "metric_files", "arrivals"})
    theme_chosen = Signal(str)
    language_chosen = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Settings"))
        self.subtitle.setText(self.tr("For this site, on this desktop."))
        settings = session.context.settings
        self.language = dropdown(self.tr("Language"))
        for text, value in ((self.tr("As the system"), "auto"), ("English", "en"), ("简体中文", "zh")):
            self.language.addItem(text, value)
        self.language.setCurrentIndex(self.language.findData(settings.language))
        self.language.setMinimumWidth(200)
        self.theme = Segments(
            self.tr("Theme"),
            ((self.tr("As the system"), "auto"), (self.tr("Light"), "light"), (self.tr("Dark"), "dark")),
        )
        self.theme.choose(settings.theme)
        self.store = StoreSettings(self)
        self.traffic = TrafficSettings(self)
        self.stick = StickSettings(self)
        self.metrics = MetricsSettings(self)
        self.training = TrainingSettings(self)
        self.keys = KeySettings(self)
        self.support = SupportSettings(self)
        self._site = Facts()
        self._places = column(gap=8)
        inside = QWidget()
        inside.setMaximumWidth(WIDTH)
        inside.setLayout(
            column(
                _section(
                    self.tr("Appearance"),
                    row(label(self.tr("Language")), 1, self.language),
                    row(label(self.tr("Theme")), 1, self.theme),
                ),
                _section(self.tr("Object store"), self.store, self.traffic),
                _section(self.tr("USB stick"), self.stick),
                _section(self.tr("Figures"), self.metrics),
                _section(self.tr("Training"), self.training),
                _section(self.tr("Desktops and keys"), self.keys),
                _section(self.tr("Support"), self.support),
                _section(self.tr("Site"), self._site),
                _section(self.tr("Where things lie"), self._places),
                1,
                gap=16,
            )
        )
        self.body.addWidget(scrolled(inside), 1)
        self._show_site()
        self.language.currentIndexChanged.connect(lambda _index: self._choose_language())
        self.theme.chosen.connect(self._choose_theme)

    def reload(self) -> None:
        self.store.reload()
        self.metrics.reload()
        self.keys.reload()

    def commands(self) -> list[Command]:
        theme, language = self.context.settings.theme, self.context.settings.language
        offered = [
            Command(title=self.tr("Sync now"), icon="cloud-up", run=self.store.sync),
            Command(title=self.tr("Copy the access policy"), icon="copy", run=self.store.copy_policy),
            Command(title=self.tr("Export to a stick…"), icon="send", run=self.stick.ask_export),
            Command(title=self.tr("Import from a stick…"), icon="collect", run=self.stick.ask_import),
            Command(title=self.tr("Write figures to the store"), icon="cloud-up", run=self.metrics.export),
            Command(title=self.tr("Admit a desktop"), icon="key", run=self.keys.ask_admit),
            Command(title=self.tr("Export the root key"), icon="key", run=self.keys.ask_export),
            Command(title=self.tr("Make a support bundle…"), icon="shield", run=self.support.ask),
        ]
        for value, title in (
            ("light", self.tr("Light theme")),
            ("dark", self.tr("Dark theme")),
            ("auto", self.tr("Theme as the system")),
        ):
            if value != theme:
                offered.append(Command(title=title, icon="contrast", run=partial(self._choose_theme, value)))
        for at in range(self.language.count()):
            if self.language.itemData(at) != language:
                title = self.tr("Language: {name}").format(name=self.language.itemText(at))
                offered.append(Command(title=title, icon="globe", run=partial(self.language.setCurrentIndex, at)))
        return offered

    def _choose_language(self) -> None:
        language = cast(Literal["auto", "en", "zh"], self.language.currentData())
        self.context.change_settings(replace(self.context.settings, language=language))
        self.language_chosen.emit(language)

    def _choose_theme(self, value: object) -> None:
        theme = cast(Literal["auto", "light", "dark"], value)
        self.context.change_settings(replace(self.context.settings, theme=theme))
        self.theme.choose(theme)
        self.theme_chosen.emit(theme)

    def _show_site(self) -> None:
        site, places = self.session.site, self.context.places
        root_key = self.tr("Move it to a USB stick in a safe: it is needed only to admit or strike off desktops.")
        if trust.is_root_key_replaced(self.context):
            root_key = self.tr("It was replaced and signs nothing any more: delete it.")
        self._site.show_facts(
            [
                (self.tr("Name"), site.name),
                (self.tr("Id"), formats.short(site.site, 32)),
                (self.tr("Created"), formats.clock(site.created_ms)),
                (self.tr("This desktop"), formats.short(site.replica, 32)),
            ]
        )
        for caption, path, advice in (
            (self.tr("Site folder"), places.home, ""),
            (self.tr("Database"), places.database, ""),
            (self.tr("Samples, datasets and bundles"), places.objects, ""),
            (self.tr("Offline root key (encrypted)"), places.root_key, root_key),
        ):
            self._places.addWidget(self._place(caption, path, advice))
        # Looking for the system's keyring may take a moment.
        secrets = self.context.secrets
        self.query(
            "secrets",
            lambda: secrets.place,
            lambda place: self._places.addWidget(self._place(self.tr("Secrets"), None, place)),
        )

    def _place(self, caption: str, path: Path | None, advice: str) -> QWidget:
        words = column(label(caption), gap=0)
        if path is not None:
            words.addWidget(label(str(path), "mono", wrap=True, selectable=True))
            if not path.exists():
                advice = self.tr("Not here any more: it was moved away.")
        if advice:
            words.addWidget(label(advice, "caption", wrap=True))
        made = QWidget()
        line = row(gap=16)
        line.addLayout(words, 1)
        if path is not None:
            folder = path if path.is_dir() else path.parent
            show = Button("", "folder", kind="ghost", tip=self.tr("Open the folder"), clicked=lambda: _open(folder))
            show.setAccessibleName(f"{self.tr('Open the folder')}: {caption}")
            line.addWidget(show, 0, Qt.AlignmentFlag.AlignTop)
        made.setLayout(line)
        return made


def _section(title: str, *items: QWidget | QLayout) -> QFrame:
    return card(label(title, "section"), *items, gap=16)


def _open(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
