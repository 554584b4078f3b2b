"""Which inputs are worth keeping. Pure: the same inputs, rules and seed give the same choice.

Three questions, in this order. Was it drawn by lot? Those give the only unbiased look at a model's accuracy. Was the
model unsure of it? Does it show something that was not kept already? The last is asked of a descriptor of a few dozen
numbers, and answered by k-centre selection as a stream allows it: what is kept lies further from everything kept
before than a radius, which doubles whenever there are too many centres, and shrinks again while nothing is kept.
"""

from __future__ import annotations

import random
import zlib
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.health import Look
from edge_runtime.inference.inputs import Prepared

NEAR = 4
"""Two fingerprints that differ in at most this many of 64 bits show the same scene."""
CENTRES = 512
"""Kept inputs that are remembered."""
CLOSEST = 0.02
"""The radius to begin with, and the least: two descriptors nearer than this are the same thing seen twice."""
_SHRINK = 2 ** (-1 / 4096)
"""What the radius is multiplied with for each hard input that is let go: a line that never changes still gives some,
about one hard input in ten."""
_BINS = 64

Descriptor = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KeepRules:
    """What a person decided for one pipeline, both 0 to 1."""

    margin: float
    """An input is hard where the answer's margin is below this."""
    random_share: float
    """Share of all inputs that is kept whatever the model says: the only unbiased look at its accuracy."""


class SampleChooser:
    """Chooses input by input."""

    def __init__(self, rules: KeepRules, *, seed: int) -> None:
        self._rules = rules
        self._dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._scenes: deque[int] = deque(maxlen=CENTRES)
        self._spread = KCentre(CENTRES, CLOSEST)

    def choose(self, prediction: Prediction, look: Look | None, prepared: Prepared) -> Literal["hard", "random"] | None:
        """Why to keep this input, or None.

        The dice are thrown first and for every input, or else the random share would not be one. A hard one that
        resembles what was kept before teaches nothing new and is let go.

        :param look: how the frame looks, where it is an image.
        """
        if self._dice.random() < self._rules.random_share:
            return "random"
        if prediction.margin >= self._rules.margin:
            return None
        if look is not None and any((look.fingerprint ^ seen).bit_count() <= NEAR for seen in self._scenes):
            return None
        if not self._spread.take(descriptor(prediction, prepared)):
            return None
        if look is not None:
            self._scenes.append(look.fingerprint)
        return "hard"


class KCentre:
    """Keeps of a stream what is far from all that it kept; the doubling algorithm with a radius that can shrink.

    :param centres: how many are remembered, at most.
    :param closest: the least radius, as the root of the mean squared difference of two points.
    """

    def __init__(self, centres: int, closest: float) -> None:
        self._most, self._closest = centres, closest
        self.radius = closest
        self.centres: npt.NDArray[np.float32] = np.empty((0, 0), np.float32)
        """The newest first."""

    def take(self, point: Descriptor) -> bool:
        """Whether the point is news; it is a centre from then on."""
        if self.centres.shape[1] != len(point):
            # The first one, or those of another model, whose inputs cannot be compared.
            self.centres, self.radius = point[np.newaxis].copy(), self._closest
            return True
        if self._distances(self.centres, point).min() <= self.radius:
            self.radius = max(self._closest, self.radius * _SHRINK)
            return False
        self.centres = np.concatenate([point[np.newaxis], self.centres])
        while len(self.centres) > self._most:
            self.radius *= 2
            self.centres = self._thinned(self.centres)
        return True

    def _thinned(self, centres: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The newest, and of the others those that lie further than the radius from all that stay."""
        stay, left = [], centres
        while len(left):
            stay.append(left[0])
            left = left[self._distances(left, left[0]) > self.radius]
        return np.array(stay, np.float32)

    @staticmethod
    def _distances(centres: npt.NDArray[np.float32], point: Descriptor) -> npt.NDArray[np.float32]:
        distances: npt.NDArray[np.float32] = np.sqrt(np.mean((centres - point) ** 2, axis=1))
        return distances


def descriptor(prediction: Prediction, prepared: Prepared) -> Descriptor:
    """What an input is like, in some seventy numbers of the size of 1: most of its own, 8 of the answer.

    An image is its thumbnail and its brightness, a signal its spectrum (two windows of one vibration differ in every
    point, but not in that), a text the share of each hashed run of three letters.
    """
    if prepared.image is not None:
        own = _thumbnail(prepared.image)
    elif prepared.tensor.ndim == 3:
        own = _spectrum(prepared.tensor[0])
    else:
        own = _trigrams(prepared.tensor)
    # Two labels differ in about four of the eight bits: as far apart as two rather different pictures.
    code = zlib.crc32(prediction.label.encode())
    answer = np.array([0.5 * (code >> bit & 1) for bit in range(8)], np.float32)
    return np.concatenate([own, answer])


def _thumbnail(image: npt.NDArray[np.uint8]) -> Descriptor:
    sampled: Any = cv2.resize(image, (64, 64), interpolation=cv2.INTER_NEAREST)
    grey: Any = sampled if sampled.ndim == 2 else cv2.cvtColor(sampled, cv2.COLOR_BGR2GRAY)
    small: Any = cv2.resize(grey, (8, 8), interpolation=cv2.INTER_AREA)
    level, contrast = float(small.mean()), float(small.std())
    # By its own contrast: in dim light two different parts are no more alike than in bright light.
    thumbnail = (small.reshape(-1).astype(np.float32) - level) / (4 * contrast + 4)
    return np.append(thumbnail, np.float32(level / 128))


def _spectrum(window: npt.NDArray[Any]) -> Descriptor:
    """The logarithm of the mean energy in 64 equal bands, all channels together."""
    # Without fading in and out, where a window happens to be cut would show in every band.
    faded = window * np.hanning(window.shape[1] + 2)[1:-1]
    energy = np.mean(np.abs(np.fft.rfft(faded, axis=1)) ** 2, axis=0) / window.shape[1]
    edges = np.linspace(0, len(energy), _BINS + 1).astype(int)
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    bands = (sums[edges[1:]] - sums[edges[:-1]]) / np.maximum(1, np.diff(edges))
    # A tenth for each factor of ten: sixty decibels are about the 0 to 1 of an image.
    spectrum: Descriptor = (np.log10(bands.clip(0) + 1e-6) / 10).astype(np.float32)
    return spectrum


def _trigrams(tensor: npt.NDArray[Any]) -> Descriptor:
    text = str(tensor.reshape(-1)[0]).encode() if tensor.dtype == object else None
    codes = np.frombuffer(text, np.uint8).astype(np.int64) if text is not None else tensor.reshape(-1).astype(np.int64)
    codes = codes[codes > 0]
    hashed = (codes[:-2] * 961 + codes[1:-1] * 31 + codes[2:]) % 251 % _BINS if len(codes) > 2 else codes % _BINS
    counts = np.bincount(hashed, minlength=_BINS).astype(np.float32)
    # The square root makes a spread of many letters as long as a few: of length 8, so that a point's mean square is 1.
    shares: Descriptor = 8 * np.sqrt(counts / max(1.0, float(counts.sum())))
    return shares
