"""What can go wrong when a box's own program is to be another version."""

from __future__ import annotations

from edge_runtime.contracts.errors import LinesideError


class RuntimeNoLauncher(LinesideError):
    code = "runtime.no-launcher"
    title = "This box cannot change its own program yet"
    default_hint = "Enrol it once more over SSH: `lineside boxes enrol ssh://USER@HOST`. It goes on as it is."


class RuntimeUnusable(LinesideError):
    code = "runtime.unusable"
    title = "That version of the box's program cannot be used"
    default_hint = "The version before is in force. Keep the message, and use a bundle that was made for this box."


class RuntimeRefused(LinesideError):
    code = "runtime.refused"
    title = "The box does not take that version now"
    default_hint = "The version before is in force. Do what is said, or wait, then try again."


class RuntimeRolledBack(LinesideError):
    code = "runtime.rolled-back"
    title = "The box went back to the version before"
    default_hint = "Nothing needs to be done at the box. Once the reason is mended: the same again, with --again."


class RuntimeUndecided(LinesideError):
    code = "runtime.undecided"
    title = "The box has not said yet how its trial ended"
    default_hint = "It decides by itself. Look after it: `lineside boxes refresh`, then `lineside boxes show BOX`."
