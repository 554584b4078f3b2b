"""What can go wrong on the way from a bare machine to a box, and back."""

from __future__ import annotations

from edge_runtime.contracts.errors import LinesideError


class EdgeBundleMissing(LinesideError):
    code = "edge-bundle.missing"
    title = "There is no edge bundle for this box"
    default_hint = "Put the one for its architecture where bundles usually lie, or say where it lies."


class EdgeBundleInvalid(LinesideError):
    code = "edge-bundle.invalid"
    title = "The edge bundle cannot be used"
    default_hint = "Build it again with `make edge-bundle`; nothing was changed."


class EdgeBundleTampered(LinesideError):
    code = "edge-bundle.tampered"
    title = "A file of the edge bundle is not the one that was built"
    default_hint = "Copy the bundle again; if it fails again, treat its source as compromised. Nothing was changed."


class EdgeInstallUnsuitable(LinesideError):
    code = "edge-install.unsuitable"
    title = "This edge bundle is not for this machine"
    default_hint = "Use a bundle for its architecture and Python; nothing was changed."


class EdgeInstallRefused(LinesideError):
    code = "edge-install.refused"
    title = "The box's program cannot be installed there"
    default_hint = "Mend what is named and run the installer again; the version before is in force."


class EdgeInstallDoesNotStart(LinesideError):
    code = "edge-install.does-not-start"
    title = "The new version does not start on this machine"
    default_hint = "The version before is in force. Keep the message, and use a bundle that was made for this machine."


class SshUnreachable(LinesideError):
    code = "ssh.unreachable"
    title = "The machine does not answer over SSH"
    default_hint = "Check its power, cable and address, and that sshd runs there; then do the same again."


class SshHostKey(LinesideError):
    code = "ssh.host-key"
    title = "The machine has another host key"
    default_hint = "No password was sent. Find out why first: it is another machine, one set up anew, or an impostor."


class SshRefused(LinesideError):
    code = "ssh.refused"
    title = "The machine refused the sign-in"
    default_hint = "Check the user, and the password or key; nothing was changed there."


class SshSudo(LinesideError):
    code = "ssh.sudo"
    title = "There are no administrator rights on the machine"
    default_hint = "Sign in as root, or as a user who may use sudo, and give its password. Nothing was changed there."


class SshCutOff(LinesideError):
    code = "ssh.cut-off"
    title = "The connection to the machine was cut off"
    default_hint = "Do the same again: it goes on where it was."


class SshBusy(LinesideError):
    code = "ssh.busy"
    title = "Something else is at work on the machine"
    default_hint = "Wait a minute, then do the same again: it goes on where it was."


class SshUnexpected(LinesideError):
    code = "ssh.unexpected"
    title = "The machine answers in an unexpected way"
    default_hint = "Nothing of its answer was used. Check that this is the machine that you mean."


class EnrolmentUnsuitable(LinesideError):
    code = "enrolment.unsuitable"
    title = "This machine cannot become a box as it is"
    default_hint = "Nothing was changed on it. Mend what is named, then do the same again."


class EnrolmentRefused(LinesideError):
    code = "enrolment.refused"
    title = "A step on the machine failed"
    default_hint = "Mend what is named, then do the same again: it goes on where it was."


class EnrolmentNotConfirmed(LinesideError):
    code = "enrolment.not-confirmed"
    title = "The box is set up but does not answer this desktop"
    default_hint = "Let this desktop reach the box's port through its firewall, then do the same again."


class ReleaseRowsWait(LinesideError):
    code = "release.rows-wait"
    title = "What the box saw would be lost"
    default_hint = "Collect it first, or say that it may go: `lineside boxes release` takes --collect or --discard."


class ReleaseOtherSite(LinesideError):
    code = "release.other-site"
    title = "The box there may belong to others"
    default_hint = "Nothing was changed. If it may go all the same, say so: `lineside boxes release` takes --any-site."


class ReleaseLeftOver(LinesideError):
    code = "release.left-over"
    title = "Something of the box is left on the machine"
    default_hint = "Do the same again. What is left then was made by others: look at it there."
