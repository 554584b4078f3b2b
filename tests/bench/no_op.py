"""A sync that finds nothing new, at a site with many objects and several desktops, against a peer that compares a
folder with the bucket; and what it asks of the store. Real S3 server on this machine; the peer's runs are processes of
their own.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.context import open_context
from app.store.database import Database
from app.store.samples import put_import
from app.store.writer import Writer
from app.usecases import sites, sync
from app.usecases.exchange import exchange
from cloud_sync.objects import open_store
from tests.bench.measure import Figure, Goal, seconds
from tests.fakes.hostile_store import hostile_store
from tests.object_server import BUCKET, ObjectServer, object_server

OBJECTS = 100_000
DESKTOPS = (1, 20)
ROUNDS = 3
GOAL_SPEED = 1 / 20
_RCLONE = ("--use-server-modtime", "--update", "--fast-list", "--config", os.devnull)


def measure() -> list[Figure]:
    """Time of both, and requests by how many desktops there are."""
    with tempfile.TemporaryDirectory() as folder, object_server(Path(folder) / "s3") as server:
        for name, value in server.environment.items():
            os.environ[name] = value
        return [*_timed(Path(folder), server), *_asked(Path(folder), server)]


def _timed(folder: Path, server: ObjectServer) -> Iterator[Figure]:
    source, there = folder / "source", server.folder / BUCKET / "peer"
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(OBJECTS)]
    _fill(source, names)
    _fill(there, names)
    home = folder / "desk"
    with sites.create_site(home, "North plant", "correct horse") as ctx:
        sync.setup_store(ctx, f"s3://{BUCKET}/ours", endpoint_url=server.endpoint_url)
        ctx.database.write(lambda writer: _know(writer, names))
        sync.sync_now(ctx)
    remote = f":s3,provider=Other,env_auth=true,endpoint='{server.endpoint_url}':{BUCKET}/peer"
    rclone = Path(sys.executable).with_name("rclone")
    inside: list[float] = []
    command: list[float] = []
    theirs: list[float] = []
    with open_context(home) as ctx:
        for _round in range(ROUNDS):
            inside.append(seconds(lambda: sync.sync_now(ctx)))
            command.append(_run([sys.executable, "-m", "app", "--home", str(home), "sync", "now"]))
            theirs.append(_run([str(rclone), "copy", str(source), remote, *_RCLONE]))
    for where, ours, goal in (("window", inside, Goal(ratio=GOAL_SPEED)), ("command, with its start", command, None)):
        yield Figure(
            what=f"nothing to sync, {OBJECTS:,} objects known: time in the {where}",
            reference="rclone",
            unit="s",
            ours=statistics.median(ours),
            theirs=statistics.median(theirs),
            higher_is_better=False,
            goal=goal,
        )


def _asked(folder: Path, server: ObjectServer) -> Iterator[Figure]:
    prefix = f"sites/{'5' * 64}"
    with hostile_store(server) as counted, _desktop(folder, 0) as ours:
        store = open_store(f"s3://{BUCKET}/others", endpoint_url=counted.endpoint_url)
        for number in range(1, max(DESKTOPS) + 1):
            with _desktop(folder, number) as other:
                exchange(other, store, prefix)
            if number in DESKTOPS:
                for _twice in range(2):  # the first one of a day asks everybody
                    exchange(ours, store, prefix)
                counted.reset(lambda _request: None)
                exchange(ours, store, prefix)
                yield Figure(
                    what=f"nothing to exchange with {number} other desktops: what is asked of the store",
                    reference="a question for each desktop",
                    unit="requests",
                    ours=len(counted.requests),
                    theirs=number,
                    higher_is_better=False,
                    goal=Goal(figure=1),
                )
        store.close()


@contextmanager
def _desktop(folder: Path, number: int) -> Iterator[Database]:
    """One that has written something."""
    database = Database.open(folder / f"{number}.db", replica=f"{number:064x}")
    sample = f"{number:064x}"
    database.write(lambda w: put_import(w, sample=sample, frame="1", at_ms=5, media="image/png", size=9))
    try:
        yield database
    finally:
        database.close()


def _fill(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        place = folder / name[:2]
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"1")


def _know(writer: Writer, names: Sequence[str]) -> None:
    """Samples of which the bytes lie in the bucket alone."""
    writer.executemany(
        "INSERT INTO objects (sha256, size, kind, present, synced_ms) VALUES (?, 1, 'sample', 0, 1)",
        [(name,) for name in names],
    )


def _run(command: Sequence[str]) -> float:
    return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


if __name__ == "__main__":
    for figure in measure():
        print(figure.what, round(figure.ours, 2), round(figure.theirs, 2), round(figure.ratio, 3), figure.unit)
