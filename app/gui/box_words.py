"""What boxes tell, in words: the kinds of alerts and audits, the streams, and why rows were let go."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication

from app.gui.i18n import QT_TRANSLATE_NOOP
from app.gui.states import State
from app.gui.theme import Tone

_KINDS: dict[str, tuple[str, Tone, str]] = {
    # alerts
    "drift.confidence": ("drift", "warn", QT_TRANSLATE_NOOP("boxes", "Drift: less sure")),
    "drift.classes": ("drift", "warn", QT_TRANSLATE_NOOP("boxes", "Drift: other answers")),
    "drift.value": ("drift", "warn", QT_TRANSLATE_NOOP("boxes", "Drift: other values")),
    "input.brightness": ("warn", "warn", QT_TRANSLATE_NOOP("boxes", "Input: brightness")),
    "input.blur": ("warn", "warn", QT_TRANSLATE_NOOP("boxes", "Input: out of focus")),
    "input.blind": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Input: sees nothing")),
    "input.frozen": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Input: frozen picture")),
    "input.unreadable": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Input: unreadable")),
    "model.failing": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Model fails")),
    "model.damaged": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Model damaged")),
    "model.unusable": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Model unusable")),
    "model.crashing": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Model crashes")),
    "model.fallback": ("warn", "warn", QT_TRANSLATE_NOOP("boxes", "Slower provider")),
    "update.refused": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Update refused")),
    "shadow.given-up": ("stop", "warn", QT_TRANSLATE_NOOP("boxes", "Shadow given up")),
    "pipeline.failing": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Pipeline fails")),
    "source.hangs": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Source hangs")),
    "config.invalid": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Configuration refused")),
    "disk.full": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Disk full")),
    "disk.refused": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Disk takes nothing")),
    "spool.damaged": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Spool damaged")),
    "spool.missing": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Spool missing")),
    "inference.hangs": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Hangs on a program's request")),
    "inference.crashed": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Crashed by a program's request")),
    "inference.not-listening": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Answers no programs")),
    "management.not-listening": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Cannot be managed")),
    "frame.given-up": ("warn", "warn", QT_TRANSLATE_NOOP("boxes", "Frame left out")),
    "state.unreadable": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Update state damaged")),
    # audits; the first is an alert too
    "update.rolled-back": ("undo", "warn", QT_TRANSLATE_NOOP("boxes", "Rolled back")),
    "update.asked": ("rollouts", "info", QT_TRANSLATE_NOOP("boxes", "Update asked for")),
    "update.committed": ("ok", "ok", QT_TRANSLATE_NOOP("boxes", "Model committed")),
    "update.withdrawn": ("undo", "warn", QT_TRANSLATE_NOOP("boxes", "Called back")),
    "update.forgotten": ("rollouts", "info", QT_TRANSLATE_NOOP("boxes", "May come again")),
    "runtime.asked": ("send", "info", QT_TRANSLATE_NOOP("boxes", "New program asked for")),
    "runtime.switch": ("send", "info", QT_TRANSLATE_NOOP("boxes", "Program changes")),
    "runtime.on-trial": ("busy", "info", QT_TRANSLATE_NOOP("boxes", "Program on trial")),
    "runtime.committed": ("ok", "ok", QT_TRANSLATE_NOOP("boxes", "Program committed")),
    "runtime.rolled-back": ("undo", "warn", QT_TRANSLATE_NOOP("boxes", "Program rolled back")),
    "runtime.unsigned": ("bad", "warn", QT_TRANSLATE_NOOP("boxes", "Program not signed any more")),
    "runtime.refused": ("bad", "warn", QT_TRANSLATE_NOOP("boxes", "Program refused")),
    "shadow.chosen": ("gauge", "info", QT_TRANSLATE_NOOP("boxes", "Shadow chosen")),
    "config.changed": ("settings", "info", QT_TRANSLATE_NOOP("boxes", "Configured")),
    "config.received": ("settings", "info", QT_TRANSLATE_NOOP("boxes", "Configuration on trial")),
    "config.edited": ("settings", "warn", QT_TRANSLATE_NOOP("boxes", "Edited on the box")),
    "config.lost": ("settings", "warn", QT_TRANSLATE_NOOP("boxes", "Configuration put back")),
    "config.returned": ("undo", "warn", QT_TRANSLATE_NOOP("boxes", "Configuration given up")),
    "clock.set": ("wait", "info", QT_TRANSLATE_NOOP("boxes", "Clock set")),
    "identity.renewed": ("key", "info", QT_TRANSLATE_NOOP("boxes", "New identity")),
    "trust.root-accepted": ("key", "info", QT_TRANSLATE_NOOP("boxes", "Keys changed")),
    "audits.lost": ("warn", "warn", QT_TRANSLATE_NOOP("boxes", "Audits lost")),
    "audits.begun-anew": ("warn", "warn", QT_TRANSLATE_NOOP("boxes", "Chain begun anew")),
    "witness.lost": ("warn", "warn", QT_TRANSLATE_NOOP("boxes", "No witness any more")),
    "drill.begun": ("shield", "info", QT_TRANSLATE_NOOP("boxes", "Drill begun")),
    "drill.ended": ("shield", "info", QT_TRANSLATE_NOOP("boxes", "Drill ended")),
    "box.crashed": ("bad", "bad", QT_TRANSLATE_NOOP("boxes", "Crashed")),
    "box.started": ("play", "info", QT_TRANSLATE_NOOP("boxes", "Started")),
}
_STREAMS = {
    "results": QT_TRANSLATE_NOOP("boxes", "Results"),
    "samples": QT_TRANSLATE_NOOP("boxes", "Samples"),
    "alerts": QT_TRANSLATE_NOOP("boxes", "Alerts"),
    "audits": QT_TRANSLATE_NOOP("boxes", "Audits"),
    "shadows": QT_TRANSLATE_NOOP("boxes", "Shadow answers"),
    "rollups": QT_TRANSLATE_NOOP("boxes", "Minutes"),
    "losses": QT_TRANSLATE_NOOP("boxes", "Losses"),
    "frames": QT_TRANSLATE_NOOP("boxes", "Frames"),
}
_REASONS = {
    "limit.bytes": QT_TRANSLATE_NOOP("boxes", "Its class had no room left on the box."),
    "limit.total": QT_TRANSLATE_NOOP("boxes", "The spool had no room left."),
    "limit.age": QT_TRANSLATE_NOOP("boxes", "Nobody collected it in time."),
    "disk.reserve": QT_TRANSLATE_NOOP("boxes", "The disk ran short."),
    "disk.full": QT_TRANSLATE_NOOP("boxes", "The disk was full, and memory could not hold it either."),
    "disk.read-only": QT_TRANSLATE_NOOP("boxes", "The disk was read-only: it is often damaged then."),
    "disk.denied": QT_TRANSLATE_NOOP("boxes", "The box's program was not allowed to write to the disk."),
    "disk.error": QT_TRANSLATE_NOOP("boxes", "The disk failed to write: look at the box's log, and replace it."),
    "push.dropped": QT_TRANSLATE_NOOP("boxes", "Pushed frames were not taken up before the box stopped."),
    "line.behind": QT_TRANSLATE_NOOP("boxes", "The camera gave more pictures than the line could take."),
    "power.cut": QT_TRANSLATE_NOOP("boxes", "The power went while it was being written."),
    "sample.damaged": QT_TRANSLATE_NOOP("boxes", "A sample's file was damaged."),
    "spool.damaged": QT_TRANSLATE_NOOP("boxes", "The spool's file was damaged."),
    "spool.missing": QT_TRANSLATE_NOOP("boxes", "The spool's file was not there any more."),
    "spool.fault": QT_TRANSLATE_NOOP("boxes", "A fault of the program: please report it."),
    "frame.given-up": QT_TRANSLATE_NOOP("boxes", "A frame that hung or crashed the box twice was left out."),
    "frame.unreadable": QT_TRANSLATE_NOOP("boxes", "The frame was not a readable picture."),
}
_STAGES = {
    "read": QT_TRANSLATE_NOOP("boxes", "read"),
    "decode": QT_TRANSLATE_NOOP("boxes", "decode"),
    "preprocess": QT_TRANSLATE_NOOP("boxes", "prepare"),
    "infer": QT_TRANSLATE_NOOP("boxes", "infer"),
    "postprocess": QT_TRANSLATE_NOOP("boxes", "interpret"),
    "spool": QT_TRANSLATE_NOOP("boxes", "keep"),
    "watch": QT_TRANSLATE_NOOP("boxes", "watch"),
}


def kind_state(kind: str) -> State:
    """What an alert or an audit is about; one that a newer box invented is shown as it is called."""
    icon, tone, word = _KINDS.get(kind, ("info", "idle", kind))
    return State(icon, tone, _translated(word))


def stream_word(stream: str) -> str:
    return _translated(_STREAMS.get(stream, stream))


def loss_reason(reason: str) -> str:
    """A sentence for the reason in a loss ledger."""
    return _translated(_REASONS.get(reason, reason))


def stages_words(stages_ms: Mapping[str, float]) -> str:
    """Milliseconds by stage, in the order of a frame's way through a pipeline."""
    order = list(_STAGES)
    stages = sorted(stages_ms, key=lambda stage: order.index(stage) if stage in order else len(order))
    return " · ".join(f"{_translated(_STAGES.get(stage, stage))} {stages_ms[stage]:.1f}" for stage in stages)


def kind_words() -> list[str]:
    """Every word that :func:`kind_state` may give, to measure a column by."""
    return [_translated(word) for _icon, _tone, word in _KINDS.values()]


def _translated(word: str) -> str:
    return QCoreApplication.translate("boxes", word)
