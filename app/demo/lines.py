"""Two production lines whose camera looks at the digit counter on a part.

The digits are the 1,797 real ones of ``resources/samples``; everything around them (plate, window, place,
contrast, noise) is drawn with a seed, so that a run can be repeated.
"""

from __future__ import annotations

import csv
import gzip
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 96
Condition = Literal["normal", "changed"]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Digit:
    """One handwritten digit: 8×8 ink from 0 to 1, and what it says."""

    ink: npt.NDArray[np.float32]
    label: str


def load_digits() -> list[Digit]:
    """All digits in the file's own order."""
    packed = resources.files("resources").joinpath("samples/optdigits.csv.gz").read_bytes()
    rows = csv.reader(gzip.decompress(packed).decode("ascii").splitlines())
    return [
        Digit(np.asarray(values[:64], np.float32).reshape(8, 8) / 16.0, str(int(float(values[64])))) for values in rows
    ]


def render(digit: Digit, rng: np.random.Generator, condition: Condition) -> bytes:
    """A 96×96 JPEG of the counter; ``changed`` dims and blurs it, and swaps ink and ground on half of the frames."""
    plate = rng.uniform(120, 165) + np.linspace(-14, 14, SIDE, dtype=np.float32)[:, None] * rng.uniform(-1, 1)
    scene: npt.NDArray[Any] = np.repeat(plate.astype(np.float32), SIDE, axis=1)
    size = int(rng.integers(50, 63))
    left, top = (int(rng.integers(8, SIDE - size - 8)) for _ in range(2))
    ground, ink = rng.uniform(28, 58), rng.uniform(175, 235)
    if condition == "changed" and rng.random() < 0.5:
        ground, ink = ink, ground
    margin = 5
    window = (slice(top - margin, top + size + margin), slice(left - margin, left + size + margin))
    scene[window] = ground
    mask = np.clip(_enlarge(digit.ink, size), 0, 1)
    face = scene[top : top + size, left : left + size]
    face += (ink - ground) * mask
    cv2.rectangle(scene, (left - margin, top - margin), (left + size + margin, top + size + margin), 88.0, 1)
    scene = 128 + (scene - 128) * np.float32(rng.uniform(0.85, 1.1))
    if condition == "changed":
        scene = cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(1.6, 2.6))) * np.float32(rng.uniform(0.38, 0.55))
    scene = scene + rng.normal(0, rng.uniform(3, 8), scene.shape)
    ok, encoded = cv2.imencode(".jpg", np.clip(scene, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not ok:
        raise RuntimeError("OpenCV could not encode a frame")
    return bytes(encoded)


def _enlarge(ink: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    enlarged: Any = cv2.resize(ink, (size, size), interpolation=cv2.INTER_CUBIC)
    smooth: npt.NDArray[np.float32] = enlarged
    return smooth


def write_training_folder(folder: Path, digits: list[Digit], count: int, seed: int) -> None:
    """``count`` labelled frames of normal production: one sub-folder a label, as an engineer would bring them."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        digit = digits[number % len(digits)]
        target = folder / digit.label
        target.mkdir(parents=True, exist_ok=True)
        (target / f"part-{number:05d}.jpg").write_bytes(render(digit, rng, "normal"))


@dataclass(frozen=True, slots=True)
class Shown:
    """What the camera of a line really saw; the box never learns it."""

    label: str
    condition: Condition
    at_ms: int


@dataclass(slots=True)
class Line:
    """A line in motion: a thread that lets frames arrive in a folder at a steady rate.

    ``digits`` and ``condition`` may be set while it runs; the truth about every frame stays in ``shown``.
    """

    name: str
    folder: Path
    digits: list[Digit]
    rate: float
    """Frames per second."""
    seed: int
    condition: Condition = "normal"
    shown: dict[str, Shown] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name=f"line {self.name}")
        self._thread.start()

    @property
    def running(self) -> bool:
        """Frames arrive."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        rng = np.random.default_rng(self.seed)
        for number in self._beats():
            digit = self.digits[int(rng.integers(len(self.digits)))]
            condition = self.condition
            name = f"{number:07d}.jpg"
            self.shown[name] = Shown(digit.label, condition, time.time_ns() // 1_000_000)
            half_written = self.folder / f".{name}.part"
            half_written.write_bytes(render(digit, rng, condition))
            half_written.rename(self.folder / name)

    def _beats(self) -> Iterator[int]:
        started, number = time.monotonic(), 0
        while not self._stop.wait(max(0.0, started + number / self.rate - time.monotonic())):
            yield number
            number += 1
