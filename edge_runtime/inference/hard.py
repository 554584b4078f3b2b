"""Which frames are worth keeping. Pure: the same frames, rules and seed give the same choice."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from edge_runtime.inference.preprocess import Image

NEAR = 4
"""Two fingerprints that differ in at most this many of 64 bits show the same scene."""
REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class KeepRules:
    """What a person decided for one pipeline, both 0 to 1."""

    margin: float
    """A frame is hard where the best answer leads the second by less."""
    random_share: float
    """Share of all frames that is kept whatever the model says: the only unbiased look at its accuracy."""


class SampleChooser:
    """Chooses frame by frame."""

    def __init__(self, rules: KeepRules, *, seed: int) -> None:
        self._rules = rules
        self._dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._kept: deque[int] = deque(maxlen=REMEMBERED)

    def choose(self, margin: float, image: Image) -> Literal["hard", "random"] | None:
        """Why to keep this frame, or None.

        The dice are thrown first and for every frame, or else the random share would not be one. A hard
        frame that looks like one of the last that were kept teaches nothing new and is let go.
        """
        if self._dice.random() < self._rules.random_share:
            return "random"
        if margin >= self._rules.margin:
            return None
        seen = fingerprint(image)
        if any((seen ^ kept).bit_count() <= NEAR for kept in self._kept):
            return None
        self._kept.append(seen)
        return "hard"


def fingerprint(image: Image) -> int:
    """64 bits that hardly change with noise and compression: is each of 8×8 patches brighter than its neighbour?"""
    grey: Any = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small: Any = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")
