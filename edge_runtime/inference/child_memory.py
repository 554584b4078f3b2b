"""The memory of a process in which a model is tried: who goes first when it runs out, and what is said of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from edge_runtime.inference.providers import CPU

FREE_MEMORY_SHARE = 0.85
_SIGNS = (
    *("Failed to allocate memory", "bad_alloc", "bad allocation", "out of memory"),
    # The system's own words, and those for a library that has no room to be loaded.
    *("Cannot allocate memory", "failed to map segment from shared object"),
)


def be_the_first_to_go(provider: str) -> int | None:
    """If memory runs out, it is this process that ends, not the box's daemon. May be called again, for another model.

    :returns: how many bytes of memory it may take; None where the system does not tell.
    """
    if os.name == "nt":
        return None
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
        free = next(
            int(line.split()[1]) * 1024
            for line in Path("/proc/meminfo").read_text("ascii").splitlines()
            if line.startswith("MemAvailable:")
        )
    except (OSError, StopIteration):
        return None
    allowed = int(free * FREE_MEMORY_SHARE)
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    has = own_memory("VmSize")
    if most != resource.RLIM_INFINITY:
        allowed = max(0, min(allowed, most - has))
    # Drivers of other devices reserve address space far beyond any memory.
    resource.setrlimit(resource.RLIMIT_AS, (has + allowed if provider == CPU else most, most))
    return allowed


def forget_limit() -> None:
    """What :func:`be_the_first_to_go` allowed for one model is nothing that the next one must do with."""
    if os.name != "nt":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def is_lack_of_memory(error: BaseException, said: str) -> bool:
    """Whether a complaint, ``said`` of ``error`` in one line, is about memory."""
    return isinstance(error, MemoryError) or any(sign in said for sign in _SIGNS)


def too_much_memory(said: str, used: int, allowed: int | None) -> str:
    """What to tell of a run for which there was not enough memory.

    :param said: the complaint, which may name what was asked for last.
    :param used: the most bytes that it held; 0 where the system does not tell.
    :param allowed: how many more it could have than at its start; None where the system does not tell.
    """
    figures = []
    if used:
        figures.append(f"held {used / 1e6:.0f} MB")
    if asked := re.search(r"buffer of size (\d+)", said):
        figures.append(f"asked for {int(asked[1]) / 1e6:.0f} MB more")
    elif asked := re.search(r"allocate ([\d.]+) (\w+)", said):
        figures.append(f"asked for {asked[1].rstrip('.')} {asked[2]} more")
    if allowed is not None:
        figures.append(f"may take {allowed / 1e6:.0f} MB")
    return f"it needs more memory than this box has free: it {', '.join(figures) or said}"


def own_memory(key: str) -> int:
    """A memory figure of this process in bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)
