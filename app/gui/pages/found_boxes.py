"""Boxes on the network: looked for from this machine or through a box, and why one may be missing."""

from __future__ import annotations

import re

from msgspec import UNSET
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from app.gui.dialogs import refusal
from app.gui.reason_texts import told
from app.gui.session import Session
from app.gui.widgets import Button, IconLabel, OneLine, clear, column, dropdown, label, row
from app.store.records import Box
from app.usecases import boxes, finding
from app.usecases.finding import Found, Looked, ScanReport, ScanRequest
from edge_runtime.config import join_address
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.finding import FoundBox, Reason
from edge_runtime.contracts.text import one_line

LISTEN_S = 2.0
MOST_SHOWN = 40
NAMES_TOLD, NAME_WIDTH = 3, 40
"""Of those under which somebody announces one box."""


class FoundBoxes(QWidget):
    """``taken`` carries the address of a box, ``code_offered`` the one at which it takes its one-time code."""

    taken = Signal(str)
    code_offered = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.where = QLineEdit()
        self.where.setPlaceholderText("192.168.1.20, 192.168.2.0/24")
        self.where.setAccessibleName(self.tr("Look at these addresses too"))
        self.where.returnPressed.connect(self.look)
        self.via = dropdown(self.tr("Look from"))
        self.via.addItem(self.tr("From this machine"), None)
        self.look_again = Button(self.tr("Look again"), "refresh", kind="ghost", clicked=self.look)
        self._list: QVBoxLayout = column(gap=8)
        hint = self.tr("Announcements do not cross routers: name addresses or a subnet on the other side.")
        places = row(self.where, self.via)
        places.setStretch(0, 1)
        self.setLayout(
            column(
                row(label(self.tr("Boxes on the network"), "section"), 1, self.look_again),
                column(places, label(hint, "caption", wrap=True), gap=4),
                self._list,
                1,
            )
        )
        context = session.context
        session.tasks.run_query(lambda: boxes.list_boxes(context), self._offer_ways, owner=self)

    def look(self) -> None:
        """Listen for two seconds, ask the named addresses, and list what was found."""
        context = self._session.context
        named = [word for word in re.split(r"[\s,;]+", self.where.text()) if word]
        request = ScanRequest(
            seconds=LISTEN_S,
            addresses=tuple(word for word in named if "/" not in word),
            subnets=tuple(word for word in named if "/" in word),
            via=self.via.currentData(),
            explain=True,
        )
        self.look_again.setEnabled(False)
        self._show([label(self.tr("Looking…"), "muted")])
        self._session.tasks.run_background(
            lambda: finding.scan(context, request), self._seen, owner=self, failed=self._failed
        )

    def _offer_ways(self, enrolled: list[Box]) -> None:
        for box in enrolled:
            self.via.addItem(self.tr("Through {box}").format(box=box.name), box.box)
        self.via.setVisible(bool(enrolled))

    def _failed(self, error: BaseException) -> None:
        self.look_again.setEnabled(True)
        if isinstance(error, LinesideError):
            self._show([label(refusal(error), "bad", wrap=True, selectable=True)])
        else:
            self._show([])
            self._session.tasks.report(error)

    def _seen(self, report: ScanReport) -> None:
        self.look_again.setEnabled(True)
        entries: list[QWidget] = [self._entry(found) for found in report.found[:MOST_SHOWN]]
        if not entries:
            entries.append(label(self.tr("No box was found."), "muted"))
        if len(report.found) > MOST_SHOWN:
            rest = len(report.found) - MOST_SHOWN
            entries.append(
                label(self.tr("{n} more: name the address of the one that you want.").format(n=rest), "muted")
            )
        if report.reasons:
            entries.append(label(self.tr("Why a box may be missing"), "section"))
        entries.extend(_reason(reason) for reason in report.reasons[:MOST_SHOWN])
        entries.append(label(self._how_far(report.looked), "caption", wrap=True))
        self._show(entries)

    def _how_far(self, looked: Looked) -> str:
        swept = (*looked.swept, *looked.swept_via)
        listened = self.tr("Listened for {s} s.").format(s=f"{looked.seconds:g}")
        if not swept:
            return listened
        return listened + " " + self.tr("Asked every address of {networks}.").format(networks=", ".join(swept))

    def _show(self, widgets: list[QWidget]) -> None:
        clear(self._list)
        for widget in widgets:
            self._list.addWidget(widget)

    def _entry(self, found: Found) -> QWidget:
        """One box, and what to do about it."""
        seen, address = found.seen, found.seen.addresses[0]
        icon = IconLabel("ok", "ok") if found.known_as else IconLabel("info", "info")
        if not seen.proved:
            icon = IconLabel("question", "warn")
        caption = label(self._advice(found), "caption", wrap=True)
        words = column(OneLine(f"{seen.name}  ·  {address}"), caption, gap=0)
        if seen.pair:
            where = join_address(address.rpartition(":")[0].strip("[]"), seen.pair)
            take = Button(self.tr("Enter its code"), "key", kind="ghost", clicked=lambda: self.code_offered.emit(where))
        else:
            take = Button(self.tr("Take address"), kind="ghost", clicked=lambda: self.taken.emit(address))
        take.setAccessibleName(f"{take.text()}: {seen.name}")
        take.setVisible(found.known_as is None)
        line = row(icon, words, gap=12)
        line.setStretch(1, 1)
        line.addWidget(take)
        entry = QWidget()
        entry.setLayout(line)
        entry.setToolTip(self.tr("Id: {id}").format(id=seen.box))
        return entry

    def _advice(self, found: Found) -> str:
        seen = found.seen
        if found.moved_from:
            return self.tr("Enrolled on this desktop. It was at {address}, and is asked here from now on.").format(
                address=found.moved_from
            )
        if found.known_as:
            return self.tr("Enrolled on this desktop.")
        parts = []
        if not seen.proved and found.vouched:
            parts.append(
                self.tr("Not proved from here: {box} says that its key answers there.").format(box=found.vouched)
            )
        elif not seen.proved:
            parts.append(self.tr("Only announced: its key does not answer there."))
        others = [name for name in seen.announced_as if name != seen.name]
        if others:
            names = ", ".join(one_line(name)[:NAME_WIDTH] for name in others[:NAMES_TOLD])
            parts.append(self.tr("Announced under other names, too: {names}.").format(names=names))
        if seen.pair:
            parts.append(self.tr("Not enrolled yet: it takes its one-time code."))
        elif seen.enrolled:
            parts.append(self.tr("Trusts another desktop. Add it here only if it belongs to this site."))
        elif seen.enrolled is UNSET:
            parts.append(self.tr("Not on this desktop's list. Whether it belongs to another site is not known."))
        else:
            parts.append(self.tr("Not on this desktop's list."))
        parts.extend(_whence(seen))
        return " ".join(parts)


def _whence(seen: FoundBox) -> list[str]:
    return [f"({', '.join((*seen.interfaces, *seen.told_by))})"] if seen.interfaces or seen.told_by else []


def _reason(reason: Reason) -> QWidget:
    message, hint = told(reason)
    words = column(label(message, wrap=True), label(hint, "caption", wrap=True), gap=0)
    line = row(IconLabel("info", "info"), words, gap=12)
    line.setStretch(1, 1)
    entry = QWidget()
    entry.setLayout(line)
    return entry
