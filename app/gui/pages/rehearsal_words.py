"""What a rehearsal found, in words."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.gui import formats
from app.gui.i18n import QT_TRANSLATE_NOOP
from app.gui.pages.entries import Entry, Line
from app.gui.states import State
from app.store.records import SubjectKind
from app.usecases.rehearsal import BoxRehearsal, RefusalKind, Rehearsal

_REFUSALS: dict[RefusalKind, str] = {
    "not-released": QT_TRANSLATE_NOOP("rehearsal", "Not released"),
    "blacklist": QT_TRANSLATE_NOOP("rehearsal", "Blacklisted"),
    "hold": QT_TRANSLATE_NOOP("rehearsal", "Held from this box"),
    "floor": QT_TRANSLATE_NOOP("rehearsal", "Older than what it has run"),
    "rolled-back": QT_TRANSLATE_NOOP("rehearsal", "Rolled back there before"),
    "on-trial": QT_TRANSLATE_NOOP("rehearsal", "Something else is on trial there"),
    "runtime": QT_TRANSLATE_NOOP("rehearsal", "Its runtime is too old"),
    "disk": QT_TRANSLATE_NOOP("rehearsal", "Not enough room on its disk"),
    "other-rollout": QT_TRANSLATE_NOOP("rehearsal", "Part of another rollout"),
    "unsuitable": QT_TRANSLATE_NOOP("rehearsal", "Not for this box"),
    "clock": QT_TRANSLATE_NOOP("rehearsal", "Its clock is past the end of the signatures"),
}
_MEASURED = {
    "now": QT_TRANSLATE_NOOP("rehearsal", "measured now"),
    "earlier": QT_TRANSLATE_NOOP("rehearsal", "measured earlier"),
    "never": QT_TRANSLATE_NOOP("rehearsal", "never measured"),
}
_TOTAL = QT_TRANSLATE_NOOP("rehearsal", "{size} to send in all; boxes: {n}. Nothing was changed on them.")
_MOST = QT_TRANSLATE_NOOP("rehearsal", "Up to {size} where boxes cannot hand it on.")
_MINUTES = QT_TRANSLATE_NOOP("rehearsal", "{minutes} min at most, without the rests.")
_POINTS: dict[SubjectKind, str] = {
    "model": QT_TRANSLATE_NOOP(
        "rehearsal",
        "Until a box commits the model, a cut, an abort or a bad trial brings back what runs there now. Once it has "
        "committed, releases older than this one are refused there.",
    ),
    "configuration": QT_TRANSLATE_NOOP(
        "rehearsal",
        "Until a box commits it, a cut or a bad trial brings back the configuration that it has now; a trial that is "
        "under way comes to its own end. Afterwards an older version is taken back in the box's own panel.",
    ),
    "program": QT_TRANSLATE_NOOP(
        "rehearsal",
        "Until a box commits it, a cut or a bad trial brings back the program that it runs now; a trial that is under "
        "way comes to its own end. Afterwards the version before is taken back in the box's own panel.",
    ),
}
_SENDS = QT_TRANSLATE_NOOP("rehearsal", "{size} to send, {minutes} min ({rate}, {measured})")
_SENDS_UNKNOWN = QT_TRANSLATE_NOOP("rehearsal", "{size} to send; how long it takes is not known yet")
_NOTHING = QT_TRANSLATE_NOOP("rehearsal", "It has all of it: nothing to send")
_HANDED_ON = QT_TRANSLATE_NOOP("rehearsal", "A neighbour hands it over: nothing to send from here")
_DISK = QT_TRANSLATE_NOOP("rehearsal", "Disk: {peak} more at the worst moment, {free} free")
_RATE = QT_TRANSLATE_NOOP("rehearsal", "{size} a second")
_WAVE = QT_TRANSLATE_NOOP("rehearsal", "{box}, wave {n}")
_READY = QT_TRANSLATE_NOOP("rehearsal", "Would take it")
_AWAY = QT_TRANSLATE_NOOP("rehearsal", "Away: it gets its turn when it is seen")
_REFUSES = QT_TRANSLATE_NOOP("rehearsal", "Would not take it")


def total_words(found: Rehearsal, kind: SubjectKind) -> str:
    """The sum, and from where on there is no way back."""
    said = [_say(_TOTAL).format(size=formats.size(found.bytes), n=len(found.boxes))]
    if found.most_bytes > found.bytes:
        said.append(_say(_MOST).format(size=formats.size(found.most_bytes)))
    if found.minutes is not None:
        said.append(_say(_MINUTES).format(minutes=_figure(found.minutes)))
    return " ".join([*said, _say(_POINTS[kind])])


def entry_of(box: BoxRehearsal) -> Entry:
    """One box of it."""
    lines = [Line(text=_sends(box))]
    if box.bytes and box.free_disk_bytes is not None:
        peak, free = formats.size(box.peak_disk_bytes), formats.size(box.free_disk_bytes)
        lines.append(Line(text=_say(_DISK).format(peak=peak, free=free)))
    if box.problem is not None:
        lines.append(Line(text=box.problem))
    for refusal in box.refusals:
        lines.append(Line(text=_say(_REFUSALS[refusal.kind]), role="bad"))
        lines.append(Line(text=refusal.words))
    return Entry(
        key=box.box,
        title=_say(_WAVE).format(box=box.name, n=box.wave + 1),
        lines=tuple(lines),
        chip=_verdict(box),
    )


def _sends(box: BoxRehearsal) -> str:
    if not box.bytes:
        return _say(_HANDED_ON if box.way == "neighbour" else _NOTHING)
    size = formats.size(box.bytes)
    if box.minutes is None or box.bytes_per_s is None:
        return _say(_SENDS_UNKNOWN).format(size=size)
    rate = _say(_RATE).format(size=formats.size(round(box.bytes_per_s)))
    return _say(_SENDS).format(
        size=size, minutes=_figure(box.minutes), rate=rate, measured=_say(_MEASURED[box.measured])
    )


def _figure(minutes: float) -> str:
    return "< 0.1" if 0 < minutes < 0.1 else f"{minutes:.1f}"


def _verdict(box: BoxRehearsal) -> State:
    if box.refusals:
        return State("bad", "bad", _say(_REFUSES))
    if box.problem is not None:
        return State("cloud-off", "warn", _say(_AWAY))
    return State("ok", "ok", _say(_READY))


def _say(text: str) -> str:
    return QCoreApplication.translate("rehearsal", text)
