"""Every state as an icon and a word, never as a colour alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from app.gui.i18n import QT_TRANSLATE_NOOP
from app.gui.theme import Tone
from app.store.boxes import SUSPICIOUS
from app.store.records import Box, Model
from edge_runtime.contracts.status import BoxStatus, SlotStatus


@dataclass(frozen=True, slots=True)
class State:
    """What a person sees of a state."""

    icon: str
    tone: Tone
    word: str


_WORDS: dict[str, tuple[str, Tone, str]] = {
    # rollouts and their boxes
    "running": ("busy", "info", QT_TRANSLATE_NOOP("states", "Running")),
    "done": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Done")),
    "stopped": ("stop", "warn", QT_TRANSLATE_NOOP("states", "Stopped")),
    "waiting": ("wait", "idle", QT_TRANSLATE_NOOP("states", "Waiting")),
    "sending": ("send", "info", QT_TRANSLATE_NOOP("states", "Sending")),
    "installing": ("busy", "info", QT_TRANSLATE_NOOP("states", "Installing")),
    "trial": ("gauge", "info", QT_TRANSLATE_NOOP("states", "On trial")),
    "committed": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Committed")),
    "failed": ("bad", "bad", QT_TRANSLATE_NOOP("states", "Failed")),
    "rolled-back": ("undo", "warn", QT_TRANSLATE_NOOP("states", "Rolled back")),
    "paused": ("pause", "warn", QT_TRANSLATE_NOOP("states", "Paused")),
    "aborted": ("stop", "warn", QT_TRANSLATE_NOOP("states", "Aborted")),
    "held": ("pause", "idle", QT_TRANSLATE_NOOP("states", "Held")),
    "withdrawn": ("undo", "idle", QT_TRANSLATE_NOOP("states", "Withdrawn")),
    "overtaken": ("warn", "warn", QT_TRANSLATE_NOOP("states", "Overtaken")),
    "away": ("cloud-off", "warn", QT_TRANSLATE_NOOP("states", "Away")),
    # drills: what they are, and how they ended
    "config.trial": ("busy", "info", QT_TRANSLATE_NOOP("states", "On trial")),
    "config.in-force": ("ok", "ok", QT_TRANSLATE_NOOP("states", "In force")),
    "config.waiting": ("wait", "warn", QT_TRANSLATE_NOOP("states", "From the next start")),
    "config.replaced": ("idle", "idle", QT_TRANSLATE_NOOP("states", "Replaced")),
    "config.returned": ("undo", "warn", QT_TRANSLATE_NOOP("states", "Given up")),
    "drill.cut": ("cloud-off", "idle", QT_TRANSLATE_NOOP("states", "Network cut")),
    "drill.kill": ("stop", "idle", QT_TRANSLATE_NOOP("states", "Process killed")),
    "drill.fill": ("database", "idle", QT_TRANSLATE_NOOP("states", "Disk filled")),
    "drill.clock": ("wait", "idle", QT_TRANSLATE_NOOP("states", "Clock put off")),
    "drill.open": ("busy", "info", QT_TRANSLATE_NOOP("states", "Not ended yet")),
    "drill.running": ("busy", "info", QT_TRANSLATE_NOOP("states", "Under way")),
    "drill.recovered": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Recovered")),
    "drill.not-recovered": ("bad", "bad", QT_TRANSLATE_NOOP("states", "Did not recover")),
    "drill.given-up": ("warn", "warn", QT_TRANSLATE_NOOP("states", "Given up")),
    # models
    "candidate": ("idle", "idle", QT_TRANSLATE_NOOP("states", "Candidate")),
    "gated": ("shield", "info", QT_TRANSLATE_NOOP("states", "Passed the gate")),
    "proved": ("gauge", "info", QT_TRANSLATE_NOOP("states", "Proved")),
    "refused": ("bad", "bad", QT_TRANSLATE_NOOP("states", "Refused")),
    "released": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Released")),
    # bursts
    "DRAFT": ("idle", "idle", QT_TRANSLATE_NOOP("states", "Draft")),
    "QUOTED": ("idle", "idle", QT_TRANSLATE_NOOP("states", "Quoted")),
    "QUEUED_OFFLINE": ("cloud-off", "warn", QT_TRANSLATE_NOOP("states", "Queued, offline")),
    "STAGED": ("wait", "info", QT_TRANSLATE_NOOP("states", "Staged")),
    "LAUNCHING": ("busy", "info", QT_TRANSLATE_NOOP("states", "Launching")),
    "BOOTING": ("busy", "info", QT_TRANSLATE_NOOP("states", "Booting")),
    "RUNNING": ("busy", "info", QT_TRANSLATE_NOOP("states", "Training")),
    "FINISHING": ("busy", "info", QT_TRANSLATE_NOOP("states", "Finishing")),
    "IMPORTED": ("collect", "ok", QT_TRANSLATE_NOOP("states", "Finished")),
    "GATED": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Gated")),
    "CLOSED": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Closed")),
    "CAPACITY_WAIT": ("wait", "warn", QT_TRANSLATE_NOOP("states", "No machine free")),
    "PREEMPTED": ("undo", "warn", QT_TRANSLATE_NOOP("states", "Preempted")),
    "CANCELLING": ("stop", "warn", QT_TRANSLATE_NOOP("states", "Cancelling")),
    "CANCELLED": ("stop", "idle", QT_TRANSLATE_NOOP("states", "Cancelled")),
    "FAILED": ("bad", "bad", QT_TRANSLATE_NOOP("states", "Failed")),
    "UNKNOWN": ("question", "warn", QT_TRANSLATE_NOOP("states", "Unknown")),
    # slots
    "EMPTY": ("idle", "idle", QT_TRANSLATE_NOOP("states", "Empty")),
    "VERIFIED": ("shield", "info", QT_TRANSLATE_NOOP("states", "Verified")),
    "PROBED": ("gauge", "info", QT_TRANSLATE_NOOP("states", "Probed")),
    "TRIAL": ("gauge", "info", QT_TRANSLATE_NOOP("states", "On trial")),
    "COMMITTED": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Committed")),
    "REJECTED": ("bad", "bad", QT_TRANSLATE_NOOP("states", "Rejected")),
    "ROLLED_BACK": ("undo", "warn", QT_TRANSLATE_NOOP("states", "Rolled back")),
    "answers": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Answers now")),
    "kept": ("idle", "idle", QT_TRANSLATE_NOOP("states", "Kept")),
    # pipelines and boxes
    "waiting-for-model": ("wait", "warn", QT_TRANSLATE_NOOP("states", "Waiting for a model")),
    "no-input": ("warn", "warn", QT_TRANSLATE_NOOP("states", "No input")),
    "failing": ("bad", "bad", QT_TRANSLATE_NOOP("states", "Failing")),
    "drift": ("drift", "warn", QT_TRANSLATE_NOOP("states", "Drift")),
    "steady": ("ok", "ok", QT_TRANSLATE_NOOP("states", "Steady")),
    "unreachable": ("bad", "bad", QT_TRANSLATE_NOOP("states", "Not answering")),
    "box.wrong-key": ("key", "bad", QT_TRANSLATE_NOOP("states", "Another key")),
    "box.refuses-desktop": ("stop", "bad", QT_TRANSLATE_NOOP("states", "Refuses us")),
    "new": ("idle", "idle", QT_TRANSLATE_NOOP("states", "Not heard yet")),
    "last-known": ("question", "idle", QT_TRANSLATE_NOOP("states", "Last known")),
    "no-pipeline": ("idle", "idle", QT_TRANSLATE_NOOP("states", "No pipeline")),
    # shadow models
    "shadow.running": ("play", "info", QT_TRANSLATE_NOOP("states", "Watching")),
    "shadow.given-up": ("stop", "warn", QT_TRANSLATE_NOOP("states", "Given up")),
    "shadow.none": ("idle", "idle", QT_TRANSLATE_NOOP("states", "None")),
    # the object store
    "store.none": ("cloud-off", "idle", QT_TRANSLATE_NOOP("states", "No object store")),
    "store.offline": ("cloud-off", "warn", QT_TRANSLATE_NOOP("states", "Offline")),
    "store.pending": ("cloud-up", "info", QT_TRANSLATE_NOOP("states", "Waiting to sync")),
    "store.synced": ("cloud", "ok", QT_TRANSLATE_NOOP("states", "Synced")),
}

STEPS: dict[str, str] = {
    "collect": QT_TRANSLATE_NOOP("steps", "Collecting"),
    "import": QT_TRANSLATE_NOOP("steps", "Importing"),
    "export": QT_TRANSLATE_NOOP("steps", "Exporting"),
    "changes": QT_TRANSLATE_NOOP("steps", "Exchanging changes"),
    "gate": QT_TRANSLATE_NOOP("steps", "Judging at the gate"),
    "pack": QT_TRANSLATE_NOOP("steps", "Packing"),
    "send": QT_TRANSLATE_NOOP("steps", "Sending"),
    "prove": QT_TRANSLATE_NOOP("steps", "Proving on the box"),
    "rehearse": QT_TRANSLATE_NOOP("steps", "Rehearsing"),
    "sync": QT_TRANSLATE_NOOP("steps", "Syncing"),
    "train": QT_TRANSLATE_NOOP("steps", "Training"),
    "upload": QT_TRANSLATE_NOOP("steps", "Uploading"),
    "download": QT_TRANSLATE_NOOP("steps", "Downloading"),
    # enrolment and release over SSH
    "connect": QT_TRANSLATE_NOOP("steps", "Connecting"),
    "preflight": QT_TRANSLATE_NOOP("steps", "Looking whether it can become a box"),
    "user": QT_TRANSLATE_NOOP("steps", "Making the box's user"),
    "install": QT_TRANSLATE_NOOP("steps", "Installing"),
    "service": QT_TRANSLATE_NOOP("steps", "Seeing to its start at boot"),
    "keys": QT_TRANSLATE_NOOP("steps", "Exchanging keys"),
    "start": QT_TRANSLATE_NOOP("steps", "Starting"),
    "confirm": QT_TRANSLATE_NOOP("steps", "Waiting for the box's answer"),
    "look": QT_TRANSLATE_NOOP("steps", "Looking what is there"),
    "stop": QT_TRANSLATE_NOOP("steps", "Stopping the box"),
    "remove": QT_TRANSLATE_NOOP("steps", "Removing"),
    "look-again": QT_TRANSLATE_NOOP("steps", "Looking for what is left"),
    "forget": QT_TRANSLATE_NOOP("steps", "Striking it off the list"),
}

DEMO_STEPS: dict[str, str] = {
    "site": QT_TRANSLATE_NOOP("steps", "Site"),
    "label": QT_TRANSLATE_NOOP("steps", "Label"),
    "train": QT_TRANSLATE_NOOP("steps", "Train"),
    "gate": QT_TRANSLATE_NOOP("steps", "Gate"),
    "prove": QT_TRANSLATE_NOOP("steps", "Prove"),
    "rollout": QT_TRANSLATE_NOOP("steps", "Roll out"),
    "watch": QT_TRANSLATE_NOOP("steps", "Watch"),
    "change": QT_TRANSLATE_NOOP("steps", "Change"),
    "drift": QT_TRANSLATE_NOOP("steps", "Drift"),
    "collect": QT_TRANSLATE_NOOP("steps", "Collect"),
    "measure": QT_TRANSLATE_NOOP("steps", "Measure"),
    "done": QT_TRANSLATE_NOOP("steps", "Done"),
}


def state(key: str) -> State:
    """The state called ``key`` in the records; one that a newer version invented is shown as it is called."""
    icon, tone, word = _WORDS.get(key, ("question", "idle", key))
    return State(icon, tone, QCoreApplication.translate("states", word))


def step(key: str) -> str:
    """A use-case's step in words."""
    return QCoreApplication.translate("steps", STEPS[key]) if key in STEPS else key


def demo_step(key: str) -> str:
    """A step of the demo's story in a word."""
    return QCoreApplication.translate("steps", DEMO_STEPS[key]) if key in DEMO_STEPS else key


def pipelines_state(status: BoxStatus) -> State:
    """The worst that any pipeline of a box says."""
    states = [pipeline.state for pipeline in status.pipelines]
    if not states:
        return state("no-pipeline")
    if "failing" in states:
        return state("failing")
    if any(pipeline.drift for pipeline in status.pipelines):
        return state("drift")
    return state(next((one for one in ("waiting-for-model", "no-input") if one in states), "running"))


PIPELINE_STATES = ("running", "waiting-for-model", "no-input", "failing", "drift")
BOX_STATES = (*PIPELINE_STATES, "unreachable", *SUSPICIOUS, "new", "no-pipeline")
MODEL_STATES = ("candidate", "gated", "proved", "refused", "released")
ROLLOUT_STATES = ("running", "paused", "done", "stopped", "aborted")
BURST_STATES = (
    *("DRAFT", "QUOTED", "QUEUED_OFFLINE", "STAGED", "LAUNCHING", "BOOTING", "RUNNING", "FINISHING", "IMPORTED"),
    *("GATED", "CLOSED", "CAPACITY_WAIT", "PREEMPTED", "CANCELLING", "CANCELLED", "FAILED", "UNKNOWN"),
)


def slot_state(slot: SlotStatus, *, heard: bool) -> State:
    """The slot that answers stands out; the other committed one is only kept to go back to.

    :param heard: the box answers; otherwise nobody knows whether the slot still does.
    """
    if slot.state != "COMMITTED":
        return state(slot.state)
    if not slot.active:
        return state("kept")
    return state("answers" if heard else "last-known")


def box_state(box: Box) -> State:
    if box.problem is not None:
        return state(box.problem_code if box.problem_code in SUSPICIOUS else "unreachable")
    return state("new") if box.status is None else pipelines_state(box.status)


def with_strangers(said: str, known: Iterable[Box]) -> str:
    """What is said of how many boxes answer, and for how many somebody answers otherwise than they should."""
    codes = Counter(box.problem_code for box in known if box.problem is not None)
    for code in SUSPICIOUS:
        if codes[code]:
            said = QCoreApplication.translate("states", "{said}; {state}: {n}").format(
                said=said, state=state(code).word, n=codes[code]
            )
    return said


def model_state(model: Model) -> State:
    """As recorded, but a gated model that some box has tried and liked is already *proved*."""
    if model.state == "gated" and model.proofs and all(proof.passed for proof in model.proofs.values()):
        return state("proved")
    return state(model.state)
