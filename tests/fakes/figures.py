"""Rows as a box at a line sends them: results, and the minutes that the box's own code makes of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from cloud_sync.metrics.partitions import Kind
from cloud_sync.metrics.tables import FORMS
from edge_runtime.contracts.rows import ResultRow, RollupRow
from edge_runtime.inference.rollup import Minute, Rollups

BOX = "b0" * 32
MODEL = "c3" * 32
LABELS = ("ok", "scratch", "dent", "stain", "cap missing")
SHARES = (94, 2, 2, 1, 1)
DAY_MS = 86_400_000
AUTUMN_MS = 1_758_499_200_000
"""2025-09-22, midnight UTC."""


@dataclass
class Line:
    """One pipeline of one box, and the row numbers that it has given.

    Frames are ``every_ms`` apart, give or take a few milliseconds. Latencies scatter by 8 %, and one in a hundred takes
    up to four times as long; confidence is close to 1 where nothing is wrong, and lower where something is.
    """

    box: str = BOX
    boot: str = "7d0c5c6e-1b1f-4a53-9a7e-0b1d35a0c001"
    pipeline: str = "camera"
    model: str = MODEL
    at_ms: int = AUTUMN_MS
    every_ms: float = 500.0
    seq: int = 1
    seed: int = 7

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._rollups = Rollups()
        self._minutes: list[Minute] = []
        self._started_ms = self.at_ms

    def results(self, count: int) -> list[ResultRow]:
        """The next frames."""
        return list(islice(self._frames(), count))

    def minutes(self, *, last: bool = False) -> list[RollupRow]:
        """The minutes that are over, each once; with ``last`` the one under way, too."""
        now_s = (self.at_ms - self._started_ms) / 1000
        done = self._minutes + self._rollups.due(now_s) + (self._rollups.close(now_s) if last else [])
        self._minutes = []
        return [
            RollupRow(**asdict(minute), box=self.box, boot=self.boot, seq=self._number(), pipeline=self.pipeline)
            for minute in done
        ]

    def _number(self) -> int:
        self.seq += 1
        return self.seq

    def _frames(self) -> Iterator[ResultRow]:
        chance = self._random
        while True:
            self.at_ms += max(1, round(chance.gauss(self.every_ms, 1.5)))
            (label,) = chance.choices(LABELS, SHARES)
            latency_us = 8000 * chance.lognormvariate(0, 0.08)
            if chance.random() < 0.01:
                latency_us *= chance.uniform(1.5, 4)
            confidence = 1 - chance.betavariate(1, 30)
            if label != "ok":
                confidence = max(0.2, confidence - chance.betavariate(2, 8))
            seq = self._number()
            row = ResultRow(
                box=self.box,
                boot=self.boot,
                seq=seq,
                at_ms=self.at_ms,
                pipeline=self.pipeline,
                frame=f"cam0-{seq:09d}.jpg",
                sample=hashlib.sha256(f"{self.box}{self.boot}{seq}".encode()).hexdigest(),
                model=self.model,
                label=label,
                confidence=confidence,
                margin=max(0.0, confidence - (1 - confidence) * chance.uniform(0.4, 1)),
                latency_us=int(latency_us),
            )
            now_s = (self.at_ms - self._started_ms) / 1000
            self._rollups.frame(self.model, label, confidence, row.latency_us, None, now_s, self.at_ms)
            yield row


def in_bucket(folder: Path, kind: Kind, *columns: str) -> list[tuple[Any, ...]]:
    """What a reader finds of a kind under a folder store: each key once, the newest of it; sorted.

    ``columns``: any of the files' or of the folders' names; ``moment`` in milliseconds.
    """
    if not any(folder.glob(f"metrics/v1/kind={kind}/**/*.parquet")):
        return []
    form = FORMS[kind]
    key = ", ".join(("box", *form.key))
    newest = f"ORDER BY {', '.join(f'{name} DESC' for name in form.newest)}" if form.newest else ""
    shown = ", ".join("epoch_ms(moment)" if name == "moment" else name for name in columns)
    with duckdb.connect() as connection:
        return connection.execute(
            f"SELECT {shown} FROM (SELECT *, row_number() OVER (PARTITION BY {key} {newest}) AS place"
            f" FROM read_parquet('{folder}/metrics/v1/kind={kind}/*/*/*/*.parquet', hive_partitioning => true,"
            f" hive_types_autocast => false)) WHERE place = 1 ORDER BY ALL"
        ).fetchall()
