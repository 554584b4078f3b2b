"""The titles and hints of every error, where the translation tools find them.

The words are those of :mod:`edge_runtime.contracts.errors`; a test compares the two.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.gui import runtime_error_texts
from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
    "internal.bug": (
        QT_TRANSLATE_NOOP("errors", "Something unexpected happened"),
        QT_TRANSLATE_NOOP("errors", "Copy the details and report them; nothing was changed by this step."),
    ),
    "input.invalid": (
        QT_TRANSLATE_NOOP("errors", "That value cannot be used"),
        QT_TRANSLATE_NOOP("errors", "Correct the value and try again; nothing was changed."),
    ),
    "item.not-found": (
        QT_TRANSLATE_NOOP("errors", "Nothing by that name"),
        QT_TRANSLATE_NOOP("errors", "List what exists and check the name."),
    ),
    "item.exists": (
        QT_TRANSLATE_NOOP("errors", "That already exists"),
        QT_TRANSLATE_NOOP("errors", "Choose another name, or use what is there."),
    ),
    "task.cancelled": (
        QT_TRANSLATE_NOOP("errors", "Cancelled"),
        QT_TRANSLATE_NOOP("errors", "Start it again when you are ready; what was finished is kept."),
    ),
    "config.invalid": (
        QT_TRANSLATE_NOOP("errors", "The configuration cannot be used"),
        QT_TRANSLATE_NOOP("errors", "Correct the line that is named; the previous configuration stays in force."),
    ),
    "config.moved": (
        QT_TRANSLATE_NOOP("errors", "The configuration is another one by now"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Read it again, make your change in what stands there now, and send that. Nothing was changed.",
        ),
    ),
    "config.returned": (
        QT_TRANSLATE_NOOP("errors", "The box went back to its configuration of before"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Read the reason, correct the configuration and try again; the box runs as it did before.",
        ),
    ),
    "frame.unreadable": (
        QT_TRANSLATE_NOOP("errors", "A frame cannot be read"),
        QT_TRANSLATE_NOOP(
            "errors", "Check the camera or the program that writes the frames; the line goes on without this one."
        ),
    ),
    "model.unusable": (
        QT_TRANSLATE_NOOP("errors", "The model cannot be run"),
        QT_TRANSLATE_NOOP(
            "errors", "Export it again and check that the file arrived whole; the running model was not touched."
        ),
    ),
    "model.probe-failed": (
        QT_TRANSLATE_NOOP("errors", "The model failed its trial in the sandbox"),
        QT_TRANSLATE_NOOP(
            "errors", "The running model was not touched. Read the reason, mend the model and offer it again."
        ),
    ),
    "bundle.invalid": (
        QT_TRANSLATE_NOOP("errors", "The bundle is not a valid model bundle"),
        QT_TRANSLATE_NOOP("errors", "Build it again with `lineside models`; the running model was not touched."),
    ),
    "bundle.tampered": (
        QT_TRANSLATE_NOOP("errors", "The bundle is not what was signed"),
        QT_TRANSLATE_NOOP("errors", "Send it again; if it fails again, treat the copy's source as compromised."),
    ),
    "trust.refused": (
        QT_TRANSLATE_NOOP("errors", "The signature or version was refused"),
        QT_TRANSLATE_NOOP(
            "errors", "Check that this desktop belongs to the box's site and that no newer release was installed."
        ),
    ),
    "trust.passphrase": (
        QT_TRANSLATE_NOOP("errors", "The passphrase does not open this key"),
        QT_TRANSLATE_NOOP("errors", "Type the passphrase again; it cannot be recovered."),
    ),
    "trust.root-key": (
        QT_TRANSLATE_NOOP("errors", "This is not the site's root key"),
        QT_TRANSLATE_NOOP(
            "errors", "Use the file that `lineside site export-root` wrote last, or root.key.pem; nothing was changed."
        ),
    ),
    "trust.future": (
        QT_TRANSLATE_NOOP("errors", "The box's update state is from the future"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Look at this desktop's clock first. If it is right, a desktop with a wrong clock signed for this box, or "
            "the box is in other hands: give that desktop new keys, or strike it off.",
        ),
    ),
    "trust.not-introduced": (
        QT_TRANSLATE_NOOP("errors", "No box took the new root"),
        QT_TRANSLATE_NOOP(
            "errors", "Look at the reasons box by box; reach the boxes, and use the newest export of the root key."
        ),
    ),
    "trust.busy": (
        QT_TRANSLATE_NOOP("errors", "The keys are being changed already"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Wait until the other window or command has ended, then try again; nothing was changed by this one.",
        ),
    ),
    "clock.doubtful": (
        QT_TRANSLATE_NOOP("errors", "This desktop's date may be wrong"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Set the clock. If it is right, say so: `lineside site confirm-date`, or in Settings under Desktops and "
            "keys.",
        ),
    ),
    "box.unreachable": (
        QT_TRANSLATE_NOOP("errors", "The box does not answer"),
        QT_TRANSLATE_NOOP("errors", "Check its power and cable, then try again; what waits for it is kept."),
    ),
    "box.wrong-key": (
        QT_TRANSLATE_NOOP("errors", "The box at this address has another key"),
        QT_TRANSLATE_NOOP(
            "errors", "Do not continue until you know why: it is another box, a re-flashed one, or an impostor."
        ),
    ),
    "box.refused": (
        QT_TRANSLATE_NOOP("errors", "The box refused the request"),
        QT_TRANSLATE_NOOP("errors", "Check that this desktop is enrolled on the box."),
    ),
    "box.refuses-desktop": (
        QT_TRANSLATE_NOOP("errors", "The box refuses this desktop"),
        QT_TRANSLATE_NOOP(
            "errors",
            "This desktop was struck off, or the box was set up anew. Ask a colleague; or enrol the box again.",
        ),
    ),
    "drill.refused": (
        QT_TRANSLATE_NOOP("errors", "The drill cannot be held now"),
        QT_TRANSLATE_NOOP("errors", "Nothing was done to the box. Do what is said, or wait, then try again."),
    ),
    "drill.not-recovered": (
        QT_TRANSLATE_NOOP("errors", "The box did not recover as it should"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Go and look at the box now: its lines, its model and its log. The fault itself has been taken back.",
        ),
    ),
    "box.clock-forbidden": (
        QT_TRANSLATE_NOOP("errors", "The box may not set its clock"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Put its drop-in lineside-edge-clock.conf in place and restart it, or set the clock at the box by hand.",
        ),
    ),
    "box.clock-refused": (
        QT_TRANSLATE_NOOP("errors", "The box refused this time"),
        QT_TRANSLATE_NOOP(
            "errors",
            "It is before what the box knows to have happened. Set this desktop's clock first, then try again.",
        ),
    ),
    "box.clock-not-kept": (
        QT_TRANSLATE_NOOP("errors", "The box did not keep the time"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Something on it sets its clock back, such as a time service with a wrong server. Mend that first.",
        ),
    ),
    "pairing.code-wrong": (
        QT_TRANSLATE_NOOP("errors", "The code was not accepted"),
        QT_TRANSLATE_NOOP(
            "errors", "Compare it with the code that this box shows, letter by letter, and type it again."
        ),
    ),
    "pairing.not-offered": (
        QT_TRANSLATE_NOOP("errors", "Nothing here takes a one-time code"),
        QT_TRANSLATE_NOOP(
            "errors", "A box takes one only until it trusts a desktop. Check the address; the box's log names the port."
        ),
    ),
    "pairing.paused": (
        QT_TRANSLATE_NOOP("errors", "The box takes no code for a while"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Somebody tried wrong codes, so there is a new one: wait, then type the code that the box shows now.",
        ),
    ),
    "pairing.interrupted": (
        QT_TRANSLATE_NOOP("errors", "The pairing was cut off"),
        QT_TRANSLATE_NOOP(
            "errors", "Pair again, with the code that the box shows now: it goes on from wherever it was cut off."
        ),
    ),
    "store.refused": (
        QT_TRANSLATE_NOOP("errors", "The object store refused"),
        QT_TRANSLATE_NOOP(
            "errors", "Check the bucket's name, the credentials and their permissions; everything waits locally."
        ),
    ),
    "store.unreachable": (
        QT_TRANSLATE_NOOP("errors", "The object store does not answer"),
        QT_TRANSLATE_NOOP("errors", "Work on: everything waits locally and goes out when the store answers again."),
    ),
    "store.credentials-missing": (
        QT_TRANSLATE_NOOP("errors", "No credentials for the object store"),
        QT_TRANSLATE_NOOP(
            "errors", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, or save them in Settings."
        ),
    ),
    "store.object-missing": (
        QT_TRANSLATE_NOOP("errors", "The object is not in the store"),
        QT_TRANSLATE_NOOP("errors", "Sync the desktop that made it, then try again."),
    ),
    "store.object-corrupt": (
        QT_TRANSLATE_NOOP("errors", "The object's content does not match its digest"),
        QT_TRANSLATE_NOOP(
            "errors", "It was not used. Sync again; if it stays, upload it again from the desktop that has it."
        ),
    ),
    "burst.failed": (
        QT_TRANSLATE_NOOP("errors", "The training burst failed"),
        QT_TRANSLATE_NOOP(
            "errors", "Read the burst's log; start it again when the cause is mended. Checkpoints are kept."
        ),
    ),
    "burst.training-unavailable": (
        QT_TRANSLATE_NOOP("errors", "This machine cannot train"),
        QT_TRANSLATE_NOOP(
            "errors", "Install the training extra (pip install 'lineside[train]') or choose another host."
        ),
    ),
    "burst.host-unreachable": (
        QT_TRANSLATE_NOOP("errors", "The training host does not answer"),
        QT_TRANSLATE_NOOP("errors", "Nothing is taken for lost: the burst goes on by itself and is asked again."),
    ),
    "sync.replica-copied": (
        QT_TRANSLATE_NOOP("errors", "This desktop's journal has two writers"),
        QT_TRANSLATE_NOOP(
            "errors",
            "The site's folder was copied, or put back from a backup. Sync: it goes on under another id by itself.",
        ),
    ),
    "gate.refused": (
        QT_TRANSLATE_NOOP("errors", "The gate refused the model"),
        QT_TRANSLATE_NOOP("errors", "The reasons are in the gate report; nothing was sent to the line."),
    ),
    "patch.unusable": (
        QT_TRANSLATE_NOOP("errors", "The patch cannot be used"),
        QT_TRANSLATE_NOOP("errors", "Nothing was changed; the whole file is sent instead."),
    ),
    "delivery.not-handed-over": (
        QT_TRANSLATE_NOOP("errors", "The neighbour did not hand it over"),
        QT_TRANSLATE_NOOP("errors", "It is sent from the desktop instead."),
    ),
    "rollout.blacklisted": (
        QT_TRANSLATE_NOOP("errors", "This bundle is never offered again"),
        QT_TRANSLATE_NOOP("errors", "Mend the model and release it as a new version."),
    ),
    "rollout.refused": (
        QT_TRANSLATE_NOOP("errors", "The rollout cannot do that now"),
        QT_TRANSLATE_NOOP("errors", "Look at its state first: `lineside rollouts show ROLLOUT`."),
    ),
    "sync.segment-refused": (
        QT_TRANSLATE_NOOP("errors", "Another desktop's changes were refused"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Nothing of them was taken over. Check who may write to the store, and that desktop's version.",
        ),
    ),
    "site.missing": (
        QT_TRANSLATE_NOOP("errors", "There is no site here yet"),
        QT_TRANSLATE_NOOP(
            "errors", "Create one with `lineside site create NAME`, or start the window and follow the first page."
        ),
    ),
    "database.too-new": (
        QT_TRANSLATE_NOOP("errors", "The database was made by a newer Lineside"),
        QT_TRANSLATE_NOOP("errors", "Install that version or a newer one; the database was not touched."),
    ),
    "database.damaged": (
        QT_TRANSLATE_NOOP("errors", "The database cannot be read"),
        QT_TRANSLATE_NOOP(
            "errors", "Keep what is there and put your newest copy of the site's folder back; nothing else was touched."
        ),
    ),
    "program.incomplete": (
        QT_TRANSLATE_NOOP("errors", "This installation lacks a part"),
        QT_TRANSLATE_NOOP("errors", "Install the desktop's parts: pip install 'lineside[desktop]'."),
    ),
    "program.no-display": (
        QT_TRANSLATE_NOOP("errors", "There is no display"),
        QT_TRANSLATE_NOOP("errors", "Start it on a desktop, or use the commands: `lineside --help` lists them."),
    ),
    "edge-bundle.missing": (
        QT_TRANSLATE_NOOP("errors", "There is no edge bundle for this box"),
        QT_TRANSLATE_NOOP(
            "errors", "Put the one for its architecture where bundles usually lie, or say where it lies."
        ),
    ),
    "edge-bundle.invalid": (
        QT_TRANSLATE_NOOP("errors", "The edge bundle cannot be used"),
        QT_TRANSLATE_NOOP("errors", "Build it again with `make edge-bundle`; nothing was changed."),
    ),
    "edge-bundle.tampered": (
        QT_TRANSLATE_NOOP("errors", "A file of the edge bundle is not the one that was built"),
        QT_TRANSLATE_NOOP(
            "errors", "Copy the bundle again; if it fails again, treat its source as compromised. Nothing was changed."
        ),
    ),
    "edge-install.unsuitable": (
        QT_TRANSLATE_NOOP("errors", "This edge bundle is not for this machine"),
        QT_TRANSLATE_NOOP("errors", "Use a bundle for its architecture and Python; nothing was changed."),
    ),
    "edge-install.refused": (
        QT_TRANSLATE_NOOP("errors", "The box's program cannot be installed there"),
        QT_TRANSLATE_NOOP("errors", "Mend what is named and run the installer again; the version before is in force."),
    ),
    "edge-install.does-not-start": (
        QT_TRANSLATE_NOOP("errors", "The new version does not start on this machine"),
        QT_TRANSLATE_NOOP(
            "errors",
            "The version before is in force. Keep the message, and use a bundle that was made for this machine.",
        ),
    ),
    **runtime_error_texts.TEXTS,
    "ssh.unreachable": (
        QT_TRANSLATE_NOOP("errors", "The machine does not answer over SSH"),
        QT_TRANSLATE_NOOP(
            "errors", "Check its power, cable and address, and that sshd runs there; then do the same again."
        ),
    ),
    "ssh.host-key": (
        QT_TRANSLATE_NOOP("errors", "The machine has another host key"),
        QT_TRANSLATE_NOOP(
            "errors",
            "No password was sent. Find out why first: it is another machine, one set up anew, or an impostor.",
        ),
    ),
    "ssh.refused": (
        QT_TRANSLATE_NOOP("errors", "The machine refused the sign-in"),
        QT_TRANSLATE_NOOP("errors", "Check the user, and the password or key; nothing was changed there."),
    ),
    "ssh.sudo": (
        QT_TRANSLATE_NOOP("errors", "There are no administrator rights on the machine"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Sign in as root, or as a user who may use sudo, and give its password. Nothing was changed there.",
        ),
    ),
    "ssh.cut-off": (
        QT_TRANSLATE_NOOP("errors", "The connection to the machine was cut off"),
        QT_TRANSLATE_NOOP("errors", "Do the same again: it goes on where it was."),
    ),
    "ssh.busy": (
        QT_TRANSLATE_NOOP("errors", "Something else is at work on the machine"),
        QT_TRANSLATE_NOOP("errors", "Wait a minute, then do the same again: it goes on where it was."),
    ),
    "ssh.unexpected": (
        QT_TRANSLATE_NOOP("errors", "The machine answers in an unexpected way"),
        QT_TRANSLATE_NOOP("errors", "Nothing of its answer was used. Check that this is the machine that you mean."),
    ),
    "enrolment.unsuitable": (
        QT_TRANSLATE_NOOP("errors", "This machine cannot become a box as it is"),
        QT_TRANSLATE_NOOP("errors", "Nothing was changed on it. Mend what is named, then do the same again."),
    ),
    "enrolment.refused": (
        QT_TRANSLATE_NOOP("errors", "A step on the machine failed"),
        QT_TRANSLATE_NOOP("errors", "Mend what is named, then do the same again: it goes on where it was."),
    ),
    "enrolment.not-confirmed": (
        QT_TRANSLATE_NOOP("errors", "The box is set up but does not answer this desktop"),
        QT_TRANSLATE_NOOP(
            "errors", "Let this desktop reach the box's port through its firewall, then do the same again."
        ),
    ),
    "release.rows-wait": (
        QT_TRANSLATE_NOOP("errors", "What the box saw would be lost"),
        QT_TRANSLATE_NOOP(
            "errors", "Collect it first, or say that it may go: `lineside boxes release` takes --collect or --discard."
        ),
    ),
    "release.other-site": (
        QT_TRANSLATE_NOOP("errors", "The box there may belong to others"),
        QT_TRANSLATE_NOOP(
            "errors",
            "Nothing was changed. If it may go all the same, say so: `lineside boxes release` takes --any-site.",
        ),
    ),
    "release.left-over": (
        QT_TRANSLATE_NOOP("errors", "Something of the box is left on the machine"),
        QT_TRANSLATE_NOOP("errors", "Do the same again. What is left then was made by others: look at it there."),
    ),
    "disk.full": (
        QT_TRANSLATE_NOOP("errors", "The disk is full"),
        QT_TRANSLATE_NOOP("errors", "Free some space; nothing that was acknowledged is lost."),
    ),
    "pack.invalid": (
        QT_TRANSLATE_NOOP("errors", "This is not a pack that can be used"),
        QT_TRANSLATE_NOOP(
            "errors", "Pack it again: `lineside visit pack DEST` goes on where it was. Nothing of it was taken over."
        ),
    ),
    "pack.tampered": (
        QT_TRANSLATE_NOOP("errors", "A file of the pack is not the one that was packed"),
        QT_TRANSLATE_NOOP(
            "errors", "Pack it again onto another stick. If it happens again, treat the stick as compromised."
        ),
    ),
    "pack.foreign": (
        QT_TRANSLATE_NOOP("errors", "The pack is not of a desktop of this site"),
        QT_TRANSLATE_NOOP(
            "errors", "Nothing of it was used. Have it packed by a desktop that `lineside site desktops` lists."
        ),
    ),
    "pack.unwritable": (
        QT_TRANSLATE_NOOP("errors", "The pack cannot be written there"),
        QT_TRANSLATE_NOOP(
            "errors", "Check that the stick is plugged in and not write-protected, then do the same again: it goes on."
        ),
    ),
    "report.tampered": (
        QT_TRANSLATE_NOOP("errors", "The report is not what was signed"),
        QT_TRANSLATE_NOOP(
            "errors", "Have the report written again on the desktop that made it, and find out who changed this one."
        ),
    ),
    "report.foreign": (
        QT_TRANSLATE_NOOP("errors", "The report is not of a desktop of this site"),
        QT_TRANSLATE_NOOP("errors", "Do not rely on it, and ask where it comes from."),
    ),
    "report.no-font": (
        QT_TRANSLATE_NOOP("errors", "No font for the report"),
        QT_TRANSLATE_NOOP(
            "errors", "Install one, such as Noto Sans CJK (fonts-noto-cjk), or write the report as a page: FILE.html."
        ),
    ),
}
"""Title and hint by code."""


def title(code: str, fallback: str) -> str:
    """The title of an error in the window's language; ``fallback`` where a newer box sent a code unknown here."""
    return QCoreApplication.translate("errors", TEXTS[code][0]) if code in TEXTS else fallback


def hint(code: str, spoken: str) -> str:
    """What to do next. A hint that was made for this very case stays as it was spoken."""
    known = TEXTS.get(code)
    return QCoreApplication.translate("errors", spoken) if known and spoken == known[1] else spoken
