"""What can be wrong with a stick that carries a site from desktop to desktop."""

from __future__ import annotations

from edge_runtime.contracts.errors import DiskFull, InputInvalid, LinesideError


class StickMissing(LinesideError):
    code = "stick.missing"
    title = "Nothing was exported there"
    default_hint = "Choose the folder, or the stick, that `lineside sync export` was given; nothing was changed."


class StickForeign(LinesideError):
    code = "stick.other-site"
    title = "This stick belongs to another site"
    default_hint = "Use another stick, or another folder on it; nothing was changed, here or there."


class StickTooNew(LinesideError):
    code = "stick.too-new"
    title = "A newer version wrote this stick"
    default_hint = "Bring this desktop up to date; nothing was changed."


class StickDamaged(LinesideError):
    code = "stick.damaged"
    title = "The stick is damaged"
    default_hint = "Export once more, to another stick; nothing was changed here."


class StickUnsigned(LinesideError):
    code = "stick.unsigned"
    title = "No desktop of this site answers for this stick"
    default_hint = "Export once more from a desktop that belongs to the site; nothing was taken over."


class StickPassphrase(LinesideError):
    code = "stick.passphrase"
    title = "The passphrase does not open this stick"
    default_hint = "Type the passphrase again; it cannot be recovered. Nothing was changed."


class StickFull(DiskFull):
    code = "stick.full"
    title = "The stick has too little room"
    default_hint = "Use a larger one, free some space on it, or leave the samples out. The changes are on it already."


class StickBusy(LinesideError):
    code = "stick.busy"
    title = "An export or import is under way"
    default_hint = "Wait until the other window or command has ended, then try again; nothing was changed by this one."


class SealBroken(InputInvalid):
    code = "store.sealed"
    title = "An encrypted file does not open"
    default_hint = "It was changed or cut short, and nothing of it was used. Bring it there again."
