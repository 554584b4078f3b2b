"""Who may look after the boxes: the site's desktops, the root key, and which boxes still have to hear of a change."""

from __future__ import annotations

import time
from functools import partial

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.gui import formats
from app.gui.dialogs import Confirm
from app.gui.pages.base import Page
from app.gui.pages.key_dialogs import (
    AdmitDesktop,
    ExportRoot,
    IntroduceToBoxes,
    KeyDialog,
    NewKeys,
    ReplaceRoot,
    StrikeOff,
)
from app.gui.widgets import Button, Facts, IconLabel, clear, column, label, row
from app.usecases import boxes, trust
from app.usecases.trust import DesktopRow, Trust


class KeySettings(QWidget):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self.known: Trust | None = None
        self._desktops: QVBoxLayout = column(gap=8)
        self._facts = Facts()
        self.admit = Button(self.tr("Admit a desktop…"), "plus", clicked=self.ask_admit)
        self.export = Button(self.tr("Export the root key…"), "key", clicked=self.ask_export)
        self.new_keys = Button(self.tr("New keys for this desktop…"), "refresh", clicked=self.ask_new_keys)
        self.replace = Button(self.tr("Replace the root key…"), "shield", clicked=self.ask_replace)
        self.introduce = Button(self.tr("Introduce to boxes…"), "boxes", clicked=self.ask_introduce)
        self.date = Button(self.tr("The date is right…"), "wait", clicked=self.ask_date)
        for button in (self.introduce, self.date):
            button.hide()
        words = self.tr(
            "Only the desktops in this list can talk to the boxes and sign releases. Every change is signed with the "
            "site's root key; each box learns of it the next time that any desktop reaches it, with or without a "
            "network."
        )
        self.setLayout(
            column(
                label(words, "muted", wrap=True),
                self._desktops,
                self._facts,
                row(self.admit, self.export, 1),
                row(self.new_keys, self.replace, 1),
                row(self.introduce, self.date, 1),
                gap=16,
            )
        )

    def reload(self) -> None:
        context = self._page.context
        self._page.query("keys", lambda: trust.get_trust(context), self.show_trust)

    def show_trust(self, known: Trust) -> None:
        if known == self.known:
            return
        self.known = known
        clear(self._desktops)
        for desktop in known.desktops:
            self._desktops.addWidget(self._entry(desktop, last=len(known.desktops) == 1))
        if not known.desktops:
            words = self.tr("This site's keys are of an earlier version; the first change begins the list.")
            self._desktops.addWidget(label(words, wrap=True))
        facts = [
            (self.tr("Number of the site"), known.site_number),
            (self.tr("State of the keys"), self.tr("No. {number}").format(number=known.root)),
        ]
        self.introduce.setVisible(bool(known.pending))
        self.date.setVisible(known.date_doubt is not None)
        if known.date_doubt:
            facts.append((self.tr("Nothing is signed for now"), known.date_doubt))
        if known.pending:
            facts.append((self.tr("Boxes that have not heard of it"), ", ".join(known.pending)))
        if not known.listed_here:
            facts.append((self.tr("This desktop"), self.tr("Struck off: boxes refuse it. Have it admitted again.")))
        if known.root_key and known.root_key_replaced:
            where = self.tr("One that was replaced lies on this desktop. It signs nothing any more: delete it.")
        elif known.root_key:
            where = self.tr("On this desktop, encrypted. Export it to a stick in a safe.")
        else:
            where = self.tr("Not on this desktop, as it should be.")
        facts.append((self.tr("Root key"), where))
        self._facts.show_facts(facts)

    def ask_admit(self) -> KeyDialog:
        return self._ask(AdmitDesktop(self._page.session, self._page, done=self._changed))

    def ask_export(self) -> KeyDialog:
        return self._ask(ExportRoot(self._page.session, self._page, done=self._changed))

    def ask_new_keys(self) -> KeyDialog:
        return self._ask(NewKeys(self._page.session, self._page, done=self._changed))

    def ask_replace(self) -> KeyDialog:
        return self._ask(ReplaceRoot(self._page.session, self._page, done=self._changed))

    def ask_introduce(self) -> KeyDialog:
        boxes = self.known.pending if self.known else ()
        return self._ask(IntroduceToBoxes(self._page.session, self._page, boxes, done=self._changed))

    def ask_date(self) -> Confirm:
        """A person's word that the clock is right, however long nothing was signed here."""
        context = self._page.context
        dialog = Confirm(
            self.tr("Is the date right?"),
            self.tr(
                "This desktop's clock says {date}. The releases are signed as of this date, and boxes take nothing "
                "older from then on."
            ).format(date=time.strftime("%Y-%m-%d", time.gmtime())),
            [],
            self.tr("The date is right"),
            self._page,
        )
        dialog.accepted.connect(
            lambda: self._page.session.tasks.run_command(
                self.tr("Confirm the date"),
                lambda _progress, _cancel: trust.confirm_date(context),
                lambda _none: self.reload(),
                owner=self,
            )
        )
        dialog.open()
        return dialog

    def ask_strike_off(self, desktop: DesktopRow) -> KeyDialog:
        return self._ask(StrikeOff(self._page.session, self._page, desktop, done=self._changed))

    def _ask(self, dialog: KeyDialog) -> KeyDialog:
        dialog.open()
        return dialog

    def _changed(self) -> None:
        """Boxes that answer hear of it now; the others at their next contact."""
        self.reload()
        context = self._page.context
        self._page.session.tasks.run_background(
            lambda: boxes.refresh(context), lambda _boxes: self.reload(), owner=self
        )

    def _entry(self, desktop: DesktopRow, *, last: bool) -> QWidget:
        said = self.tr("This desktop") if desktop.here else ""
        name = row(label(desktop.name), gap=8)
        if said:
            name.addWidget(label(said, "caption"))
        name.addStretch(1)
        words = column(name, label(formats.short(desktop.fingerprint, 32), "mono", selectable=True), gap=0)
        strike = Button(self.tr("Strike off…"), kind="ghost", clicked=partial(self.ask_strike_off, desktop))
        strike.setAccessibleName(f"{strike.text()} {desktop.name}")
        strike.setEnabled(not last)
        if last:
            strike.setToolTip(self.tr("The site's only desktop cannot be struck off."))
        entry = row(IconLabel("ok", "ok"), gap=12)
        entry.addLayout(words, 1)
        entry.addWidget(strike)
        made = QWidget()
        made.setLayout(entry)
        return made
