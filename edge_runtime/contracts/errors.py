"""Every error that Lineside shows to a person.

A use-case raises only these. Each class has a stable ``code`` (never reused, safe to search for), a
``title`` of a few words and a default ``hint`` that says what to do next; the instance adds a ``message``
that names what happened and to what. The command line prints them, the window shows them, the box sends
them as JSON: none of the three words its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class LinesideError(Exception):
    """Base of all errors with a code.

    :param message: what happened, to what; one or two plain sentences without secrets.
    :param hint: what to do next, where the class's own hint is too general.
    """

    code: ClassVar[str] = "internal.bug"
    title: ClassVar[str] = "Something unexpected happened"
    default_hint: ClassVar[str] = "Copy the details and report them; nothing was changed by this step."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def to_dict(self) -> dict[str, str]:
        """The error as it travels: ``code``, ``title``, ``message``, ``hint``."""
        return {"code": self.code, "title": self.title, "message": self.message, "hint": self.hint}

    @staticmethod
    def from_dict(body: dict[str, Any], *, among: Sequence[type[LinesideError]]) -> LinesideError:
        """Rebuild an error that another program sent.

        :param among: what kinds it may name; any other becomes a plain LinesideError.
        """
        code = str(body.get("code", ""))
        cls = next((known for known in among if known.code == code), LinesideError)
        message = str(body.get("message", "no message was given"))[:2000]
        return cls(message, hint=str(body["hint"])[:2000] if body.get("hint") else None)

    def __str__(self) -> str:
        return f"{self.title}: {self.message}"


class InputInvalid(LinesideError):
    code = "input.invalid"
    title = "That value cannot be used"
    default_hint = "Correct the value and try again; nothing was changed."


class NotFound(LinesideError):
    code = "item.not-found"
    title = "Nothing by that name"
    default_hint = "List what exists and check the name."


class AlreadyExists(LinesideError):
    code = "item.exists"
    title = "That already exists"
    default_hint = "Choose another name, or use what is there."


class Cancelled(LinesideError):
    code = "task.cancelled"
    title = "Cancelled"
    default_hint = "Start it again when you are ready; what was finished is kept."


class ConfigInvalid(LinesideError):
    code = "config.invalid"
    title = "The configuration cannot be used"
    default_hint = "Correct what is named, then try again; nothing was changed."


class FrameUnreadable(LinesideError):
    code = "frame.unreadable"
    title = "A frame cannot be read"
    default_hint = "Check the camera or the program that writes the frames; the line goes on without this one."


class ModelUnusable(LinesideError):
    code = "model.unusable"
    title = "The model cannot be run"
    default_hint = "Export it again and check that the file arrived whole; the running model was not touched."


class ProbeFailed(LinesideError):
    code = "model.probe-failed"
    title = "The model failed its trial in the sandbox"
    default_hint = "The running model was not touched. Read the reason, mend the model and offer it again."


class BundleInvalid(LinesideError):
    code = "bundle.invalid"
    title = "The bundle is not a valid model bundle"
    default_hint = "Build it again with `lineside models`; the running model was not touched."


class BundleTampered(LinesideError):
    code = "bundle.tampered"
    title = "The bundle is not what was signed"
    default_hint = "Send it again; if it fails again, treat the copy's source as compromised."


class TrustRefused(LinesideError):
    code = "trust.refused"
    title = "The signature or version was refused"
    default_hint = "Check that this desktop belongs to the box's site and that no newer release was installed."


class PassphraseWrong(LinesideError):
    code = "trust.passphrase"
    title = "The passphrase does not open this key"
    default_hint = "Type the passphrase again; it cannot be recovered."


class RootKeyWrong(LinesideError):
    code = "trust.root-key"
    title = "This is not the site's root key"
    default_hint = "Use the file that `lineside site export-root` wrote last, or root.key.pem; nothing was changed."


class SignedInFuture(LinesideError):
    code = "trust.future"
    title = "The box's update state is from the future"
    default_hint = (
        "Look at this desktop's clock first. If it is right, a desktop with a wrong clock signed for this box, or the "
        "box is in other hands: give that desktop new keys, or strike it off."
    )


class NotIntroduced(LinesideError):
    code = "trust.not-introduced"
    title = "No box took the new root"
    default_hint = "Look at the reasons box by box; reach the boxes, and use the newest export of the root key."


class KeyFileUnwritable(LinesideError):
    code = "trust.unwritable"
    title = "The file cannot be written there"
    default_hint = "Check that the stick is plugged in and not write-protected, or choose another place."


class KeysBusy(LinesideError):
    code = "trust.busy"
    title = "The keys are being changed already"
    default_hint = "Wait until the other window or command has ended, then try again; nothing was changed by this one."


class ClockDoubtful(LinesideError):
    code = "clock.doubtful"
    title = "This desktop's date may be wrong"
    default_hint = (
        "Set the clock. If it is right, say so: `lineside site confirm-date`, or in Settings under Desktops and keys."
    )


class BoxUnreachable(LinesideError):
    code = "box.unreachable"
    title = "The box does not answer"
    default_hint = "Check its power and cable, then try again; what waits for it is kept."


class BoxWrongKey(LinesideError):
    code = "box.wrong-key"
    title = "The box at this address has another key"
    default_hint = "Do not continue until you know why: it is another box, a re-flashed one, or an impostor."


class BoxRefused(LinesideError):
    code = "box.refused"
    title = "The box refused the request"
    default_hint = "Check that this desktop is enrolled on the box."


class BoxRefusesDesktop(BoxRefused):
    code = "box.refuses-desktop"
    title = "The box refuses this desktop"
    default_hint = "This desktop was struck off, or the box was set up anew. Ask a colleague; or enrol the box again."


class BoxBusy(BoxRefused):
    code = "box.busy"
    title = "The box is trying something else"
    default_hint = "Wait until that has ended, then try again; nothing was changed."


class DrillRefused(BoxRefused):
    code = "drill.refused"
    title = "The drill cannot be held now"
    default_hint = "Nothing was done to the box. Do what is said, or wait, then try again."


class DrillNotRecovered(LinesideError):
    code = "drill.not-recovered"
    title = "The box did not recover as it should"
    default_hint = "Go and look at the box now: its lines, its model and its log. The fault itself has been taken back."


class ClockForbidden(LinesideError):
    code = "box.clock-forbidden"
    title = "The box may not set its clock"
    default_hint = (
        "Put its drop-in lineside-edge-clock.conf in place and restart it, or set the clock at the box by hand."
    )


class ClockRefused(LinesideError):
    code = "box.clock-refused"
    title = "The box refused this time"
    default_hint = "It is before what the box knows to have happened. Set this desktop's clock first, then try again."


class ClockNotKept(LinesideError):
    code = "box.clock-not-kept"
    title = "The box did not keep the time"
    default_hint = "Something on it sets its clock back, such as a time service with a wrong server. Mend that first."


class PairingCodeWrong(LinesideError):
    code = "pairing.code-wrong"
    title = "The code was not accepted"
    default_hint = "Compare it with the code that this box shows, letter by letter, and type it again."


class PairingNotOffered(LinesideError):
    code = "pairing.not-offered"
    title = "Nothing here takes a one-time code"
    default_hint = "A box takes one only until it trusts a desktop. Check the address; the box's log names the port."


class PairingPaused(LinesideError):
    code = "pairing.paused"
    title = "The box takes no code for a while"
    default_hint = "Somebody tried wrong codes, so there is a new one: wait, then type the code that the box shows now."


class PairingInterrupted(LinesideError):
    code = "pairing.interrupted"
    title = "The pairing was cut off"
    default_hint = "Pair again, with the code that the box shows now: it goes on from wherever it was cut off."


class StoreRefused(LinesideError):
    code = "store.refused"
    title = "The object store refused"
    default_hint = "Check the bucket's name, the credentials and their permissions; everything waits locally."


class StoreUnreachable(LinesideError):
    code = "store.unreachable"
    title = "The object store does not answer"
    default_hint = "Work on: everything waits locally and goes out when the store answers again."


class StoreCredentialsMissing(LinesideError):
    code = "store.credentials-missing"
    title = "No credentials for the object store"
    default_hint = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, or save them in Settings."


class ObjectMissing(LinesideError):
    code = "store.object-missing"
    title = "The object is not in the store"
    default_hint = "Sync the desktop that made it, then try again."


class ObjectCorrupt(LinesideError):
    code = "store.object-corrupt"
    title = "The object's content does not match its digest"
    default_hint = "It was not used. Sync again; if it stays, upload it again from the desktop that has it."


class PatchUnusable(LinesideError):
    code = "patch.unusable"
    title = "The patch cannot be used"
    default_hint = "Nothing was changed; the whole file is sent instead."


class NotHandedOver(LinesideError):
    code = "delivery.not-handed-over"
    title = "The neighbour did not hand it over"
    default_hint = "It is sent from the desktop instead."


class BurstFailed(LinesideError):
    code = "burst.failed"
    title = "The training burst failed"
    default_hint = "Read the burst's log; start it again when the cause is mended. Checkpoints are kept."


class TrainingUnavailable(LinesideError):
    code = "burst.training-unavailable"
    title = "This machine cannot train"
    default_hint = "Install the training extra (pip install 'lineside[train]') or choose another host."


class GateRefused(LinesideError):
    code = "gate.refused"
    title = "The gate refused the model"
    default_hint = "The reasons are in the gate report; nothing was sent to the line."


class BundleBlacklisted(LinesideError):
    code = "rollout.blacklisted"
    title = "This bundle is never offered again"
    default_hint = "Mend the model and release it as a new version."


class RolloutRefused(LinesideError):
    code = "rollout.refused"
    title = "The rollout cannot do that now"
    default_hint = "Look at its state first: `lineside rollouts show ROLLOUT`."


class SiteMissing(LinesideError):
    code = "site.missing"
    title = "There is no site here yet"
    default_hint = "Create one with `lineside site create NAME`, or start the window and follow the first page."


class DatabaseTooNew(LinesideError):
    code = "database.too-new"
    title = "The database was made by a newer Lineside"
    default_hint = "Install that version or a newer one; the database was not touched."


class DatabaseDamaged(LinesideError):
    code = "database.damaged"
    title = "The database cannot be read"
    default_hint = "Keep what is there and put your newest copy of the site's folder back; nothing else was touched."


class ProgramIncomplete(LinesideError):
    code = "program.incomplete"
    title = "This installation lacks a part"
    default_hint = "Install the desktop's parts: pip install 'lineside[desktop]'."


class NoDisplay(LinesideError):
    code = "program.no-display"
    title = "There is no display"
    default_hint = "Start it on a desktop, or use the commands: `lineside --help` lists them."


class DiskFull(LinesideError):
    code = "disk.full"
    title = "The disk is full"
    default_hint = "Free some space; nothing that was acknowledged is lost."


class BoxDiskFull(DiskFull):
    code = "box.disk-full"
    title = "The box's disk is full"
    default_hint = "Free some space on that box; nothing that was acknowledged is lost."


class HostUnreachable(LinesideError):
    code = "burst.host-unreachable"
    title = "The training host does not answer"
    default_hint = "Nothing is taken for lost: the burst goes on by itself and is asked again."


class SegmentRefused(LinesideError):
    code = "sync.segment-refused"
    title = "Another desktop's changes were refused"
    default_hint = "Nothing of them was taken over. Check who may write to the store, and that desktop's version."


class ReplicaCopied(LinesideError):
    code = "sync.replica-copied"
    title = "This desktop's journal has two writers"
    default_hint = (
        "The site's folder was copied, or put back from a backup. Sync: it goes on under another id by itself."
    )


class PackInvalid(LinesideError):
    code = "pack.invalid"
    title = "This is not a pack that can be used"
    default_hint = "Pack it again: `lineside visit pack DEST` goes on where it was. Nothing of it was taken over."


class PackTampered(LinesideError):
    code = "pack.tampered"
    title = "A file of the pack is not the one that was packed"
    default_hint = "Pack it again onto another stick. If it happens again, treat the stick as compromised."


class PackForeign(LinesideError):
    code = "pack.foreign"
    title = "The pack is not of a desktop of this site"
    default_hint = "Nothing of it was used. Have it packed by a desktop that `lineside site desktops` lists."


class PackUnwritable(LinesideError):
    code = "pack.unwritable"
    title = "The pack cannot be written there"
    default_hint = "Check that the stick is plugged in and not write-protected, then do the same again: it goes on."


class ReportTampered(LinesideError):
    code = "report.tampered"
    title = "The report is not what was signed"
    default_hint = "Have the report written again on the desktop that made it, and find out who changed this one."


class ReportForeign(LinesideError):
    code = "report.foreign"
    title = "The report is not of a desktop of this site"
    default_hint = "Do not rely on it, and ask where it comes from."


class ReportFontMissing(LinesideError):
    code = "report.no-font"
    title = "No font for the report"
    default_hint = "Install one, such as Noto Sans CJK (fonts-noto-cjk), or write the report as a page: FILE.html."
