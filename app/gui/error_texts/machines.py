"""Titles and hints of errors about machines that become boxes, and cease to be ones."""

from __future__ import annotations

from app.gui.i18n import QT_TRANSLATE_NOOP

TEXTS: dict[str, tuple[str, str]] = {
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
}
