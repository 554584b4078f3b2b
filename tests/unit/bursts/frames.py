"""Frames of a line for these tests: a handwritten digit somewhere on a part, with its label."""

from __future__ import annotations

import csv
import gzip
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from cloud_sync.recipes.base import TrainingItem

_DIGITS = Path(__file__).parents[3] / "resources" / "samples" / "optdigits.csv.gz"
LABELS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Frame:
    data: bytes
    label: str
    split: Literal["train", "held-out"]

    @property
    def sample(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def render_frames(count: int, *, seed: int, changed: bool = False, held_out: float = 0.2) -> list[Frame]:
    """``count`` 96×96 JPEG frames; ``changed``: dimmed and blurred, half of them with inverted contrast."""
    with gzip.open(_DIGITS, "rt") as file:
        rows = list(csv.reader(file))
    random.Random(seed).shuffle(rows)
    draw = np.random.default_rng(seed)
    frames: list[Frame] = []
    for number, row in enumerate(rows[:count]):
        digit = np.asarray(row[:64], np.float32).reshape(8, 8) / 16
        data = _render(digit, draw, changed)
        frames.append(Frame(data, row[64], "held-out" if number < held_out * count else "train"))
    return frames


def _render(digit: np.ndarray, draw: np.random.Generator, changed: bool) -> bytes:
    side = int(draw.integers(40, 65))
    ink = cv2.resize(digit, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    ground, contrast = draw.uniform(40, 110), draw.uniform(70, 130)
    part: npt.NDArray[np.float32] = np.full((96, 96), ground, np.float32)
    left, top = (int(v) for v in draw.integers(0, 96 - side + 1, 2))
    part[top : top + side, left : left + side] += contrast * ink
    if changed:
        if draw.random() < 0.5:
            part = 2 * ground + contrast - part
        dim = part.clip(0, 255) * draw.uniform(0.4, 0.65)
        part = np.asarray(cv2.GaussianBlur(dim, (0, 0), draw.uniform(0.8, 1.8)), np.float32)
    part += draw.normal(0, draw.uniform(3, 10), part.shape)
    return cv2.imencode(".jpg", part.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def training_items(frames: list[Frame], folder: Path) -> list[TrainingItem]:
    """The frames written to ``folder``, as a recipe takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    for frame in frames:
        path = folder / frame.sample
        path.write_bytes(frame.data)
        items.append(TrainingItem(sample=frame.sample, label=frame.label, split=frame.split, path=path))
    return items
