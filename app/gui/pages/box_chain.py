"""Whether the collected audits of a box are what the box wrote: a button, and the verdict in words."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QWidget

from app.gui import formats
from app.gui.i18n import QT_TRANSLATE_NOOP
from app.gui.session import Session
from app.gui.states import State
from app.gui.widgets import Button, Chip, column, label, row
from app.usecases import activity
from app.usecases.activity import BoxChain

_BREAKS = {
    "changed": QT_TRANSLATE_NOOP("chain", "Entry {entry} was changed."),
    "removed": QT_TRANSLATE_NOOP("chain", "Entry {entry} was removed."),
    "out-of-order": QT_TRANSLATE_NOOP("chain", "Entry {entry} does not follow the one before it."),
    "added": QT_TRANSLATE_NOOP("chain", "Entry {entry} was put in."),
    "taken-back": QT_TRANSLATE_NOOP(
        "chain",
        "The box does not know of entry {entry} any more: it was put back to an older state, or a copy of it answers.",
    ),
}
_GAPS = {
    "ledger": QT_TRANSLATE_NOOP(
        "chain", "Entries {first} to {last} are not here: the box had to let them go, as its loss ledger says."
    ),
    "before": QT_TRANSLATE_NOOP(
        "chain", "Entries {first} to {last} are not here: they had left the box before this desktop came."
    ),
    "memory": QT_TRANSLATE_NOOP(
        "chain",
        "Entries {first} to {last} have no seal: they came while the box's disk took nothing.",
    ),
}
_BROKEN = QT_TRANSLATE_NOOP("chain", "Broken")
_VERIFIED = QT_TRANSLATE_NOOP("chain", "Verified")
_NOTHING = QT_TRANSLATE_NOOP("chain", "Nothing sealed")
_ENTRIES = QT_TRANSLATE_NOOP("chain", "Entries: {n}.")
_UNSEALED = QT_TRANSLATE_NOOP("chain", "Without a seal: {n}.")
_COPIED = QT_TRANSLATE_NOOP("chain", "Two histories: this box and its copy, which has an identity of its own by now.")


def verdict_state(chain: BoxChain) -> State:
    """In a word."""
    if chain.report.broken is not None:
        return State("bad", "bad", _say(_BROKEN))
    if chain.report.entries:
        return State("ok", "ok", _say(_VERIFIED))
    return State("idle", "idle", _say(_NOTHING))


def verdict_words(chain: BoxChain) -> list[str]:
    """In sentences."""
    report = chain.report
    words = [_say(_ENTRIES).format(n=formats.count(report.entries))]
    if report.broken is not None:
        words = [_say(_BREAKS[report.broken.kind]).format(entry=formats.count(report.broken.entry)), *words]
    if report.unsealed:
        words.append(_say(_UNSEALED).format(n=formats.count(report.unsealed)))
    words += [
        _say(_GAPS[gap.kind]).format(first=formats.count(gap.first), last=formats.count(gap.last))
        for gap in report.gaps
    ]
    if report.copied:
        words.append(_say(_COPIED))
    return words


class ChainBar(QWidget):
    """Verifies the chain of one box."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._box: str | None = None
        self.verdict = Chip()
        self.words = label("", "muted", wrap=True, selectable=True)
        self.verify = Button(self.tr("Verify"), "shield", clicked=self.verify_chain)
        said = row(self.verify, gap=12)
        said.addWidget(self.verdict, 0, Qt.AlignmentFlag.AlignVCenter)
        said.addStretch(1)
        self.setLayout(column(said, self.words, gap=4))

    def show_box(self, box: str) -> None:
        """A verdict stands for the box that it was given of."""
        if box != self._box:
            self._box = box
            self.verdict.hide()
            self.words.hide()

    def verify_chain(self) -> None:
        """Recompute every digest of what was collected of this box."""
        context, box = self._session.context, self._box
        if box is None:
            return
        self.verify.setEnabled(False)
        self._session.tasks.run_background(
            lambda: activity.verify_boxes(context, box)[0], self._verified, owner=self, failed=self._failed
        )

    def _verified(self, chain: BoxChain) -> None:
        self.verify.setEnabled(True)
        if chain.box != self._box:
            return
        self.verdict.set_state(verdict_state(chain))
        self.verdict.show()
        self.words.setText(" ".join(verdict_words(chain)))
        self.words.show()

    def _failed(self, error: BaseException) -> None:
        self.verify.setEnabled(True)
        self._session.tasks.report(error)


def _say(words: str) -> str:
    return QCoreApplication.translate("chain", words)
