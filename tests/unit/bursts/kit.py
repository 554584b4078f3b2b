"""A store with a dataset in it, a spec for it, and records on disk."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from cloud_sync.bursts.record import BurstRecord, RecordStale
from cloud_sync.bursts.spec import BurstSpec, Params
from cloud_sync.objects import ObjectStore
from cloud_sync.transfer import put_object
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import NotFound
from tests.unit.bursts.frames import LABELS, Frame


class FileRecords:
    """Burst records as files: they survive the controller, as a desktop's database does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()

    def load(self, burst: str) -> BurstRecord:
        try:
            return wire.decode((self._folder / burst).read_bytes(), BurstRecord)
        except FileNotFoundError:
            raise NotFound(f"There is no burst {burst}.") from None

    def save(self, record: BurstRecord) -> None:
        path = self._folder / record.spec.burst
        with self._lock:
            kept = self.load(record.spec.burst).revision if path.exists() else 0
            if record.revision != kept + 1:
                raise RecordStale
            temporary = path.with_suffix(".part")
            temporary.write_bytes(wire.encode(record))
            temporary.replace(path)


def put_dataset(store: ObjectStore, frames: Sequence[Frame]) -> str:
    """Bring the frames and their list into the store; the dataset's id."""
    for frame in frames:
        put_object(store, frame.sample, frame.data)
    items = [{"sample": f.sample, "label": f.label, "split": f.split} for f in frames]
    body = wire.encode({"items": sorted(items, key=lambda item: item["sample"])})
    dataset = hashlib.sha256(body).hexdigest()
    put_object(store, dataset, body)
    return dataset


class SpecChanges(TypedDict, total=False):
    """What a test may want to be otherwise."""

    burst: str
    params: Params
    base_checkpoint: str
    cap_usd: float
    checkpoint_every_s: float
    max_attempts: int


def spec_for(dataset: str, *, minutes: float = 10, **changes: Unpack[SpecChanges]) -> BurstSpec:
    now_ms = time.time_ns() // 1_000_000
    spec = BurstSpec(
        burst=str(uuid.uuid4()),
        recipe="classify-images",
        dataset=dataset,
        labels=LABELS,
        created_ms=now_ms,
        deadline_ms=now_ms + round(minutes * 60_000),
        seed=11,
    )
    return replace(spec, **changes)


def sessions_of(pid: int) -> list[int]:
    """Every living process of the session that ``pid`` leads."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and os.getsid(int(entry.name)) == pid:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found
