"""A new desktop joins a site that is a year old, from a real S3 server on this machine."""

from __future__ import annotations

import hashlib
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.store.database import Database
from app.store.journal import StoreJournal
from app.store.snapshot import StoreSnapshots
from app.store.writer import Writer
from app.usecases.exchange import exchange, keep_snapshot
from cloud_sync.journal.replicate import push
from cloud_sync.objects import ObjectStore, open_store
from edge_runtime.identity import create_identity
from tests.bench.measure import Figure, Goal
from tests.object_server import object_server

GOAL_S = 60.0
GOAL_MB = 200.0
PREFIX = f"sites/{'5' * 64}"
BOXES = 100
DESKTOPS = 10
SAMPLES = 50_000
BATCH = 2000
START_MS = 1_770_000_000_000
YEAR_MS = 365 * 86_400_000


def measure() -> list[Figure]:
    """Join from a snapshot and what came after it, against reading every segment."""
    with tempfile.TemporaryDirectory() as folder, object_server(Path(folder) / "s3") as server:
        store = open_store(
            f"s3://{server.bucket}/plant", endpoint_url=server.endpoint_url, credentials=server.credentials
        )
        rows = _live_a_year(Path(folder), store)
        size = sum(info.size for info in store.list(f"{PREFIX}/journal"))
        writer = Database.open(Path(folder) / "0.db", replica="0" * 64)
        exchange(writer, store, PREFIX)
        started = time.perf_counter()
        assert keep_snapshot(writer, store, PREFIX, every=1)
        print(f"snapshot written in {time.perf_counter() - started:.1f} s")
        writer.close()
        snapshot = sum(info.size for info in store.list(f"{PREFIX}/snapshots"))
        fast = _join(Path(folder) / "fast.db", store)
        assert fast.rows == rows, f"{fast.rows} rows where {rows} were written"
        for info in list(store.list(f"{PREFIX}/snapshots")):
            store.delete(info.key)
        slow = _join(Path(folder) / "slow.db", store)
        store.close()
    print(f"{rows} rows; segments {size / 1e6:.1f} MB, snapshot {snapshot / 1e6:.1f} MB")
    what, reference = f"a new desktop joins a year-old site, {rows} rows", "reading every segment"
    return [
        Figure(
            what=f"{what}: time",
            reference=reference,
            unit="s",
            ours=fast.took_s,
            theirs=slow.took_s,
            higher_is_better=False,
            goal=Goal(figure=GOAL_S),
        ),
        Figure(
            what=f"{what}: most memory of the process",
            reference=reference,
            unit="MB",
            ours=fast.memory_mb,
            theirs=slow.memory_mb,
            higher_is_better=False,
            goal=Goal(figure=GOAL_MB),
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Joined:
    took_s: float
    rows: int
    memory_mb: float


def _live_a_year(folder: Path, store: ObjectStore) -> int:
    chance = random.Random(5)
    boxes = [create_identity(folder / f"box{number}", f"line-{number}") for number in range(BOXES)]
    ids = [box.fingerprint for box in boxes]
    written = 0
    for desktop in range(DESKTOPS):
        db = Database.open(folder / f"{desktop}.db", replica=str(desktop) * 64)
        if desktop == 0:
            for number, box in enumerate(boxes):
                row: dict[str, object] = {
                    "box": box.fingerprint,
                    "name": f"line-{number}",
                    "address": f"10.0.0.{number}:7443",
                }
                row |= {"certificate": box.certificate_pem, "enrolled_ms": START_MS}
                db.write(partial(_put_box, row=row))
            written += BOXES
        for batch in _batches(desktop, ids, chance):
            written += db.write(partial(_write, batch=batch))
            push(store, StoreJournal(db), PREFIX)
        db.close()
    return written


def _batches(desktop: int, boxes: list[str], chance: random.Random) -> Iterator[list[tuple[str, dict[str, object]]]]:
    batch: list[tuple[str, dict[str, object]]] = []
    for number in range(desktop, SAMPLES, DESKTOPS):
        sample = hashlib.sha256(str(number).encode()).hexdigest()
        at_ms = START_MS + number * (YEAR_MS // SAMPLES)
        row: dict[str, object] = {
            "sample": sample,
            "origin": "box",
            "box": chance.choice(boxes),
            "pipeline": "top",
            "frame": str(number),
        }
        row |= {"at_ms": at_ms, "media": "image/jpeg", "size": chance.randrange(20_000, 90_000), "reason": "hard"}
        row |= {
            "frame": str(number),
            "model": "ab" * 32,
            "predicted": chance.choice("0123456789"),
            "confidence": chance.random(),
        }
        batch.append(("samples", {**row, "margin": chance.random()}))
        batch.append(("label", {"sample": sample, "label": chance.choice("0123456789")}))
        if number % 2:
            key: dict[str, object] = {
                "box": chance.choice(boxes),
                "boot": "b1",
                "seq": number,
                "at_ms": at_ms,
                "kind": "drift",
            }
            batch.append(("alerts", {**key, "message": "confidence fell", "pipeline": "top", "facts": '{"p":0.01}'}))
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _put_box(writer: Writer, row: dict[str, object]) -> None:
    writer.upsert("boxes", row)


def _write(writer: Writer, batch: list[tuple[str, dict[str, object]]]) -> int:
    from app.store.samples import add_labels

    for table, row in batch:
        if table == "label":
            add_labels(writer, {str(row["sample"]): str(row["label"])})
        else:
            writer.insert_new(table, row)
    return len(batch)


def _join(path: Path, store: ObjectStore) -> _Joined:
    db = Database.open(path, replica="f" * 64)
    started, busy = time.perf_counter(), time.process_time()
    done = exchange(db, store, PREFIX)
    took_s = time.perf_counter() - started
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path.name}: {took_s:.1f} s, {time.process_time() - busy:.1f} s of them at work, {memory_mb:.0f} MB at most"
    )
    assert done.pulled.problems == ()
    rows = sum(1 for _change in StoreSnapshots(db).standing())
    db.close()
    return _Joined(took_s, rows, memory_mb)


if __name__ == "__main__":
    for figure in measure():
        print(figure.what, round(figure.ours, 1), figure.unit)
