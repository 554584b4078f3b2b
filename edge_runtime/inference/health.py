"""What a camera's frames look like, apart from what is on them: dark, blurred, or always the same. Pure.

A lens cap, a lamp that failed and a camera that repeats its last picture all make a model answer calmly and
wrongly. What stands still or is all black is told by :class:`HealthMonitor` at once; what has merely become
darker or softer than it was is told by :class:`edge_runtime.inference.drift.DriftMonitor`, which knows how it was.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edge_runtime.inference.preprocess import Image

STILL_FRAMES = 50
"""So many frames in a row, equal to the last bit, come from no sensor: its noise alone would tell them apart."""
DARKEST, BRIGHTEST = 4.0, 251.0
"""Mean grey levels beyond which there is no picture to speak of."""
BLIND_FRAMES = 30
CALM_FRAMES = 50
"""Sound frames in a row after which the same trouble is told anew."""
_GRID = 72, 64
_EVERY = 8
"""Rows that are skipped between two that are looked at for fine detail."""


@dataclass(frozen=True, slots=True)
class Look:
    """One frame in figures."""

    brightness: float
    """Mean grey level, 0 to 255."""
    sharpness: float
    """Difference of neighbouring pixels as a share of the frame's contrast, squared: 2 for pure noise, towards 0 the
    softer the picture. Brighter or dimmer light leaves it as it is."""
    fingerprint: int
    """64 bits that hardly change with noise and compression: is each of 8×8 patches brighter than its neighbour?"""
    checksum: int
    """Of some thousand pixels: equal where the frames are equal to the last bit, and in practice nowhere else."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the line that a person should know."""

    kind: str
    """Dotted and stable, as in :class:`edge_runtime.contracts.rows.AlertRow`."""
    message: str
    facts: dict[str, float]
    """``frames`` seen since the model began, and the figures behind it."""


def look_at(image: Image) -> Look:
    """Measure a frame in less time than its mean would take, whatever its size.

    :param image: H×W, or H×W×3 in BGR order.
    """
    # Single pixels of a coarse grid: an average over all of them takes ten times as long and says the same.
    sampled: Any = cv2.resize(image, _GRID, interpolation=cv2.INTER_NEAREST)
    grid: Any = sampled if sampled.ndim == 2 else cv2.cvtColor(sampled, cv2.COLOR_BGR2GRAY)
    mean, deviation = (float(figure[0, 0]) for figure in cv2.meanStdDev(grid))
    patches: Any = cv2.resize(grid, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(patches[:, 1:] > patches[:, :-1])
    return Look(mean, _detail(image, deviation), int.from_bytes(bits.tobytes(), "big"), zlib.crc32(sampled))


def _detail(image: Image, deviation: float) -> float:
    rows, below = image[:-1:_EVERY], image[1::_EVERY]
    if not rows.size or rows.shape[1] < 2:
        return 0.0
    across = cv2.norm(rows[:, 1:], rows[:, :-1], cv2.NORM_L2SQR) / rows[:, 1:].size
    down = cv2.norm(rows, below, cv2.NORM_L2SQR) / rows.size
    # One grey level of contrast is taken for granted: a blank frame is not infinitely sharp.
    return float(across + down) / (2 * (deviation**2 + 1.0))


class HealthMonitor:
    """Watches one camera; tells a trouble once, and again when it had gone and came back."""

    def __init__(self) -> None:
        self._frames = self._same = self._blind = 0
        self._last: int | None = None
        self._told: dict[str, int] = {}

    def observe(self, look: Look) -> list[Finding]:
        """Take one frame; returns what was found with it, mostly nothing."""
        self._frames += 1
        self._same = self._same + 1 if look.checksum == self._last else 1
        self._last = look.checksum
        dark, bright = look.brightness < DARKEST, look.brightness > BRIGHTEST
        self._blind = self._blind + 1 if dark or bright else 0
        findings = []
        if self._trouble("input.frozen", self._same >= STILL_FRAMES, self._same == 1):
            facts = {"frames": float(self._frames), "same": float(self._same)}
            message = f"{self._same} frames in a row are the same to the last bit: the camera repeats an old picture."
            findings.append(Finding("input.frozen", message, facts))
        if self._trouble("input.blind", self._blind >= BLIND_FRAMES, self._blind == 0):
            facts = {"frames": float(self._frames), "now": look.brightness}
            word = "black" if dark else "white"
            message = f"The frames are all {word}: grey level {look.brightness:.0f}. Check lamp, lens and exposure."
            findings.append(Finding("input.blind", message, facts))
        return findings

    def _trouble(self, kind: str, here: bool, sound: bool) -> bool:
        """Whether to tell it now."""
        if kind not in self._told:
            if here:
                self._told[kind] = 0
            return here
        self._told[kind] = self._told[kind] + 1 if sound else 0
        if self._told[kind] >= CALM_FRAMES:
            del self._told[kind]
        return False
