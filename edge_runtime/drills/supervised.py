"""Whether something starts the box again when its process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path


def is_supervised(home: Path, environment: Mapping[str, str], pid: int) -> bool:
    """systemd started this very process as a service that notifies, or the supervisor of this home is there."""
    started_by_systemd = environment.get("SYSTEMD_EXEC_PID", str(pid)) == str(pid)
    if environment.get("INVOCATION_ID") and environment.get("NOTIFY_SOCKET") and started_by_systemd:
        return True
    try:
        handle = os.open(home / "run" / "supervise.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
