"""One enrolment or release of a machine at a time from this desktop; the machine itself keeps other desktops apart."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from app.fleet.ssh.address import SshTarget
from edge_runtime.config import join_address
from edge_runtime.contracts.enrolment_errors import SshBusy

if TYPE_CHECKING:
    from app.context import Context


@contextmanager
def alone_with(ctx: Context, target: SshTarget) -> Iterator[None]:
    """Hold it for as long as this lasts; the system lets go of it with the process, however that ends.

    :raises SshBusy: another window or command of this desktop is at work there.
    """
    where = join_address(target.host, target.port)
    ctx.places.visits.mkdir(exist_ok=True)
    path = ctx.places.visits / hashlib.sha256(where.encode()).hexdigest()[:32]
    # SQLite's lock on a file is the one that is the same on every system.
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise SshBusy(
                f"This desktop is at work at {where} already.", hint="Wait for that to end, or stop it first."
            ) from error
        yield
