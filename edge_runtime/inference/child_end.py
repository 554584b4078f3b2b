"""The end of a process in which a model is tried: with whoever started it, and after so much of the processor's time.

The kernel sees to both. A model that is loaded may hold the interpreter's lock for as long as it likes, and then no
thread of Python's would notice anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from edge_runtime.processes import cores

GRACE_S = 30.0
"""Whoever started the process is to give it up before it has used up its time."""


@contextmanager
def goes_with_parent() -> Iterator[None]:
    """Within this block the process ends when the other end of its standard input is closed, which the kernel does when
    its parent ends, however it ends. Nothing may be written there meanwhile: that would end it too.

    Not by ``PR_SET_PDEATHSIG``, which goes by the *thread* that started the process.
    """
    if sys.platform != "linux":
        yield
        return
    import fcntl
    import select
    import signal

    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
    flags = fcntl.fcntl(0, fcntl.F_GETFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_ASYNC)
    # It may be closed already, of which nobody tells any more.
    watch = select.poll()
    watch.register(0, 0)
    if watch.poll(0):
        os._exit(1)
    try:
        yield
    finally:
        fcntl.fcntl(0, fcntl.F_SETFL, flags)


def limit_processor_time(seconds: float) -> None:
    """From now on the process may use all cores for so long, and a little longer; then the kernel ends it. May be
    called again, for another model."""
    if os.name == "nt":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(used.ru_utime + used.ru_stime + (seconds + GRACE_S) * cores()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
