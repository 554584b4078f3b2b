"""Whether the collected audits of a box are what the box wrote: a button, and the verdict in words."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QWidget

from app.gui import formats
from app.gui.i18n import QT_TRANSLATE_NOOP
from app.gui.session import Session
from app.gui.states import State
from app.gui.widgets import Button, Chip, column, label, row
from app.store.audit_chain import ChainReport
from app.usecases import activity
from app.usecases.activity import BoxChain, Verdict

MOST_WITNESSES = 6
"""Told of one by one, those that contradict first."""
_BREAKS = {
    "changed": QT_TRANSLATE_NOOP("chain", "Entry {entry} was changed."),
    "removed": QT_TRANSLATE_NOOP("chain", "Entry {entry} was removed."),
    "out-of-order": QT_TRANSLATE_NOOP("chain", "Entry {entry} does not follow the one before it."),
    "added": QT_TRANSLATE_NOOP("chain", "Entry {entry} was put in."),
    "unsealed": QT_TRANSLATE_NOOP(
        "chain",
        "A row has no seal, though the box has a chain: it was put in, or an entry lost its seal.",
    ),
    "told": QT_TRANSLATE_NOOP("chain", "What the box told of the end of its chain, entry {entry}, was changed here."),
    "taken-back": QT_TRANSLATE_NOOP(
        "chain",
        "The box does not know of entry {entry} any more: it was put back to an older state, or a copy of it answers.",
    ),
}
_GAPS = {
    "lost": QT_TRANSLATE_NOOP(
        "chain", "Entries {first} to {last} are not here: the box lost them, as its chain itself says."
    ),
    "before": QT_TRANSLATE_NOOP(
        "chain", "Entries {first} to {last} are not here: they had left the box before this desktop came."
    ),
}
_BESIDE = QT_TRANSLATE_NOOP("chain", "A row beside the chain, from before it, was removed.")
_WITNESSES = {
    "confirms": QT_TRANSLATE_NOOP("chain", "{box} has witnessed entry {entry} of this desktop's chain."),
    "contradicts": QT_TRANSLATE_NOOP(
        "chain",
        "{box} has witnessed another entry {entry}, signed with this desktop's key, than the one here.",
    ),
    "forged": QT_TRANSLATE_NOOP(
        "chain",
        "{box} claims an entry {entry} that this desktop's key did not sign: look at that box, not at this chain.",
    ),
    "nothing": QT_TRANSLATE_NOOP("chain", "{box} has not witnessed any entry yet: collect from it."),
    "silent": QT_TRANSLATE_NOOP("chain", "{box} could not be asked what it has witnessed."),
}
_MORE = QT_TRANSLATE_NOOP("chain", "Further boxes that were asked: {n}.")
_AS_FAR_AS = QT_TRANSLATE_NOOP("chain", "Intact as far as entry {entry}")
_NEWER = QT_TRANSLATE_NOOP("chain", "No box has witnessed the newest entries yet: {n}.")
_UNWITNESSED = QT_TRANSLATE_NOOP("chain", "Not witnessed")
_FITS = QT_TRANSLATE_NOOP(
    "chain",
    "This desktop's chain fits together, but no box that answers has witnessed it: if all of it was written anew, "
    "nothing here shows that.",
)
_URGENCY = {"contradicts": 0, "forged": 1, "confirms": 2, "nothing": 3, "silent": 4}
_OWN_BROKEN = QT_TRANSLATE_NOOP(
    "chain", "This desktop's own chain is broken, so what it noted of this box proves nothing."
)
_BROKEN = QT_TRANSLATE_NOOP("chain", "Broken")
_AS_IT_CAME = QT_TRANSLATE_NOOP("chain", "As it came")
_NOTHING = QT_TRANSLATE_NOOP("chain", "Nothing sealed")
_ENTRIES = QT_TRANSLATE_NOOP("chain", "Entries: {n}.")
_UNSEALED = QT_TRANSLATE_NOOP("chain", "From before there was a chain, without a seal: {n}.")
_COPIED = QT_TRANSLATE_NOOP("chain", "Two histories: this box and its copy, which has an identity of its own by now.")


def verdict_state(chain: BoxChain) -> State:
    """In a word."""
    if chain.report.broken is not None:
        return State("bad", "bad", _say(_BROKEN))
    if chain.report.entries:
        return State("ok", "ok", _say(_AS_IT_CAME))
    return State("idle", "idle", _say(_NOTHING))


def verdict_words(chain: BoxChain) -> list[str]:
    """In sentences."""
    report = chain.report
    words = [_say(_ENTRIES).format(n=formats.count(report.entries))]
    if report.broken is not None:
        broken = _BESIDE if not report.broken.entry and report.broken.kind == "removed" else _BREAKS[report.broken.kind]
        words = [_say(broken).format(entry=formats.count(report.broken.entry)), *words]
    if report.unsealed:
        words.append(_say(_UNSEALED).format(n=formats.count(report.unsealed)))
    words += [
        _say(_GAPS[gap.kind]).format(first=formats.count(gap.first), last=formats.count(gap.last))
        for gap in report.gaps
    ]
    if report.copied:
        words.append(_say(_COPIED))
    return words


def own_state(verdict: Verdict) -> State:
    """How this desktop's own chain stands, in a word."""
    match verdict.standing:
        case "broken":
            return State("bad", "bad", _say(_BROKEN))
        case "witnessed":
            return State("ok", "ok", _say(_AS_FAR_AS).format(entry=formats.count(verdict.witnessed)))
        case "unwitnessed":
            return State("idle", "idle", _say(_UNWITNESSED))


def own_words(verdict: Verdict) -> list[str]:
    """What speaks for this desktop's own chain, and what does not, in sentences; who says it is named."""
    words = []
    if verdict.problem is None and not verdict.witnessed:
        words.append(_say(_FITS))
    if verdict.witnessed and (newer := verdict.entries - verdict.witnessed) > 0:
        words.append(_say(_NEWER).format(n=formats.count(newer)))
    by_urgency = sorted(verdict.witnesses, key=lambda one: _URGENCY[one.says])
    words += [
        _say(_WITNESSES[one.says]).format(box=one.name, entry=formats.count(one.entry))
        for one in by_urgency[:MOST_WITNESSES]
    ]
    if (rest := len(by_urgency) - MOST_WITNESSES) > 0:
        words.append(_say(_MORE).format(n=formats.count(rest)))
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
            lambda: activity.verify_activity(context),
            lambda verdict: self._verified(box, verdict),
            owner=self,
            failed=self._failed,
        )

    def _verified(self, box: str, verdict: Verdict) -> None:
        self.verify.setEnabled(True)
        if box != self._box:
            return
        nothing = BoxChain(box=box, name="", report=ChainReport(entries=0, unsealed=0))
        chain = next((one for one in verdict.boxes if one.box == box), nothing)
        words = verdict_words(chain)
        if verdict.problem is None:
            self.verdict.set_state(verdict_state(chain))
        else:
            # What this desktop noted of the box stands in that chain.
            self.verdict.set_state(own_state(verdict))
            words.insert(0, _say(_OWN_BROKEN))
        self.verdict.show()
        self.words.setText(" ".join([*words, *own_words(verdict)]))
        self.words.show()

    def _failed(self, error: BaseException) -> None:
        self.verify.setEnabled(True)
        self._session.tasks.report(error)


def _say(words: str) -> str:
    return QCoreApplication.translate("chain", words)
