"""Which frames are kept."""

from __future__ import annotations

import cv2
import numpy as np

from edge_runtime.inference.hard import KeepRules, SampleChooser, fingerprint
from edge_runtime.inference.preprocess import Image


def scene(seed: int) -> Image:
    """A smooth random picture of 96×96, never like another."""
    patches = np.random.default_rng(seed).integers(0, 255, (8, 9), dtype=np.uint8)
    return np.asarray(cv2.resize(patches, (96, 96), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_a_frame_is_hard_below_the_margin_only() -> None:
    chooser = SampleChooser(KeepRules(margin=0.5, random_share=0.0), seed=1)
    assert [chooser.choose(margin, scene(i)) for i, margin in enumerate((0.49, 0.5, 0.0, 1.0))] == [
        "hard",
        None,
        "hard",
        None,
    ]


def test_the_random_share_is_one_whatever_the_model_says() -> None:
    rules = KeepRules(margin=0.5, random_share=0.2)
    for margin in (0.1, 0.9):
        chooser = SampleChooser(rules, seed=7)
        chosen = [chooser.choose(margin, scene(0)) for _ in range(2000)]
        assert 340 < chosen.count("random") < 460
    again = SampleChooser(rules, seed=7)
    assert [again.choose(0.9, scene(0)) for _ in range(2000)] == chosen


def test_a_hard_frame_like_one_that_was_kept_is_let_go() -> None:
    chooser = SampleChooser(KeepRules(margin=0.5, random_share=0.0), seed=1)
    first = scene(1)
    noisy = np.clip(first.astype(int) + np.random.default_rng(2).integers(-3, 4, first.shape), 0, 255).astype(np.uint8)
    assert chooser.choose(0.1, first) == "hard"
    assert chooser.choose(0.1, noisy) is None
    assert chooser.choose(0.1, scene(2)) == "hard"


def test_a_colour_frame_has_the_fingerprint_of_its_grey_one() -> None:
    grey = scene(3)
    assert fingerprint(np.dstack([grey, grey, grey])) == fingerprint(grey)
    assert 0 <= fingerprint(grey) < 2**64
