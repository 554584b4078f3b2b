"""Errors that a box tells of. It may only name those that are about itself and what was brought to it: that somebody
stopped the work, that a key, a passphrase or this desktop's own disk is at fault, is not for it to say.
"""

from __future__ import annotations

from typing import Any

from edge_runtime.contracts.config_errors import ConfigMoved
from edge_runtime.contracts.enrolment_errors import (
    EdgeBundleInvalid,
    EdgeBundleTampered,
    EdgeInstallDoesNotStart,
    EdgeInstallRefused,
    EdgeInstallUnsuitable,
)
from edge_runtime.contracts.errors import (
    BoxBusy,
    BoxDiskFull,
    BoxRefused,
    BoxRefusesDesktop,
    BundleInvalid,
    BundleTampered,
    ClockForbidden,
    ClockRefused,
    ConfigInvalid,
    DatabaseDamaged,
    DiskFull,
    DrillRefused,
    FrameUnreadable,
    InputInvalid,
    LinesideError,
    ModelUnusable,
    NotFound,
    NotHandedOver,
    ObjectCorrupt,
    ObjectMissing,
    PatchUnusable,
    ProbeFailed,
    TrustRefused,
)
from edge_runtime.contracts.runtime_errors import RuntimeNoLauncher, RuntimeRefused, RuntimeUnusable

OF_A_BOX = (
    BoxBusy,
    BoxRefused,
    BoxRefusesDesktop,
    BundleInvalid,
    BundleTampered,
    ClockForbidden,
    ClockRefused,
    ConfigInvalid,
    ConfigMoved,
    DiskFull,
    DrillRefused,
    EdgeBundleInvalid,
    EdgeBundleTampered,
    EdgeInstallDoesNotStart,
    EdgeInstallRefused,
    EdgeInstallUnsuitable,
    FrameUnreadable,
    InputInvalid,
    ModelUnusable,
    NotFound,
    NotHandedOver,
    ObjectCorrupt,
    ObjectMissing,
    PatchUnusable,
    ProbeFailed,
    RuntimeNoLauncher,
    RuntimeRefused,
    RuntimeUnusable,
    TrustRefused,
)


def told_by_box(body: dict[str, Any], box: str) -> LinesideError:
    """The error that a box names. Its full disk is a :class:`BoxDiskFull`; whatever it may not name, or is not known
    here, is a :class:`BoxRefused` with its code and hint.

    :param box: what to call it.
    """
    error = LinesideError.from_dict(body, among=OF_A_BOX)
    if isinstance(error, DiskFull):
        return BoxDiskFull(error.message)
    if type(error) is LinesideError:
        code = str(body.get("code", ""))[:64] or "no code"
        hint = error.hint if body.get("hint") else None
        if code == DatabaseDamaged.code:
            # The usual hint is about a site's folder: none of this desktop's is at fault.
            hint = hint if hint != DatabaseDamaged.default_hint else "Look at the disk and the log of that box."
            return BoxRefused(f"{box} cannot use a database of its own ({code}): {error.message}", hint=hint)
        return BoxRefused(f"{box} refused it ({code}): {error.message}", hint=hint)
    return error
