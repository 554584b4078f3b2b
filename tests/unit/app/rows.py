"""Rows and images that look like a box's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from app.store.database import Database
from edge_runtime.contracts.rows import ResultRow, SampleRow

OpenDatabase = Callable[[str], Database]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def result(box: str, seq: int, at_ms: int | None = None) -> ResultRow:
    return ResultRow(
        box=box,
        boot="boot:1",
        seq=seq,
        at_ms=seq if at_ms is None else at_ms,
        pipeline="camera",
        frame=f"{seq}.jpg",
        sample=digest(f"frame {seq}"),
        model=digest("model"),
        label="3",
        confidence=0.9,
        margin=0.8,
        latency_us=900,
    )


def sample(box: str, content: bytes, seq: int = 1, reason: Literal["hard", "random"] = "hard") -> SampleRow:
    return SampleRow(
        box=box,
        boot="boot:1",
        seq=seq,
        at_ms=seq,
        pipeline="camera",
        frame=f"{seq}.jpg",
        sample=hashlib.sha256(content).hexdigest(),
        media="image/jpeg",
        size=len(content),
        reason=reason,
        label="3",
        confidence=0.4,
        margin=0.1,
    )


def jpeg(seed: int) -> bytes:
    """A small real image, another one for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24), dtype=np.uint8)
    done, encoded = cv2.imencode(".jpg", pixels)
    assert done
    return encoded.tobytes()


def write_images(folder: Path, labels: dict[str, int], *, first_seed: int = 0) -> None:
    """``labels[label]`` images in ``folder/label``."""
    seed = first_seed
    for label, count in labels.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / label / f"{number}.jpg").write_bytes(jpeg(seed))
            seed += 1
