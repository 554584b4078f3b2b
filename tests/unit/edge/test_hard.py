"""Which inputs are kept."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.contracts.manifest import SignalInput, TextInput
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.hard import CENTRES, KCentre, KeepRules, SampleChooser, descriptor
from edge_runtime.inference.health import look_at
from edge_runtime.inference.inputs import Prepared, reader_for
from edge_runtime.inference.preprocess import Image

HARD_ONLY = KeepRules(margin=0.5, random_share=0.0)


def scene(seed: int) -> Image:
    """A smooth random picture of 96×96, never like another."""
    patches = np.random.default_rng(seed).integers(0, 255, (8, 9), dtype=np.uint8)
    return np.asarray(cv2.resize(patches, (96, 96), interpolation=cv2.INTER_CUBIC), np.uint8)


def choose(chooser: SampleChooser, margin: float, image: Image, label: str = "part") -> str | None:
    return chooser.choose(Prediction(label, 0.5, margin), look_at(image), Prepared(image[np.newaxis], image))


def test_a_frame_is_hard_below_the_margin_only() -> None:
    chooser = SampleChooser(HARD_ONLY, seed=1)
    assert [choose(chooser, margin, scene(i)) for i, margin in enumerate((0.49, 0.5, 0.0, 1.0))] == [
        "hard",
        None,
        "hard",
        None,
    ]


def test_the_random_share_is_one_whatever_the_model_says() -> None:
    rules = KeepRules(margin=0.5, random_share=0.2)
    picture = scene(0)
    for margin in (0.1, 0.9):
        chooser = SampleChooser(rules, seed=7)
        chosen = [choose(chooser, margin, picture) for _ in range(2000)]
        assert 340 < chosen.count("random") < 460
    again = SampleChooser(rules, seed=7)
    assert [choose(again, 0.9, picture) for _ in range(2000)] == chosen


def test_the_dice_do_not_depend_on_what_is_hard() -> None:
    rules = KeepRules(margin=0.5, random_share=0.2)
    drawn = []
    for margins in ((0.1, 0.9), (0.9, 0.1)):
        chooser = SampleChooser(rules, seed=3)
        drawn.append([choose(chooser, margins[i % 2], scene(i)) == "random" for i in range(300)])
    assert drawn[0] == drawn[1]


def test_a_hard_frame_like_one_that_was_kept_is_let_go() -> None:
    chooser = SampleChooser(HARD_ONLY, seed=1)
    first = scene(1)
    noisy = np.clip(first.astype(int) + np.random.default_rng(2).integers(-3, 4, first.shape), 0, 255).astype(np.uint8)
    assert choose(chooser, 0.1, first) == "hard"
    assert choose(chooser, 0.1, noisy) is None
    assert choose(chooser, 0.1, scene(2)) == "hard"


def test_of_a_thousand_variants_of_three_scenes_few_are_kept_and_of_a_new_scene_the_first() -> None:
    rng = np.random.default_rng(5)
    chooser = SampleChooser(HARD_ONLY, seed=1)

    def variant(seed: int) -> Image:
        noise = rng.normal(rng.normal(0, 4), 12, (96, 96))
        return (scene(seed) + noise).clip(0, 255).astype(np.uint8)

    kept = [choose(chooser, 0.1, variant(i % 3)) for i in range(1000)].count("hard")
    assert 3 <= kept < 60
    assert choose(chooser, 0.1, variant(9)) == "hard"


def vibration(frequency: float, phase: float, length: int = 512) -> Prepared:
    time = np.arange(length, dtype=np.float32)
    return Prepared(np.sin(frequency * time + phase, dtype=np.float32)[np.newaxis, np.newaxis])


def test_two_windows_of_one_vibration_are_alike_whatever_their_phase() -> None:
    chooser = SampleChooser(HARD_ONLY, seed=1)
    answer = Prediction("worn", 0.5, 0.1)
    assert chooser.choose(answer, None, vibration(0.3, 0.0)) == "hard"
    assert chooser.choose(answer, None, vibration(0.3, 2.0)) is None
    assert chooser.choose(answer, None, vibration(0.9, 0.0)) == "hard"


def test_texts_are_compared_by_what_stands_in_them() -> None:
    for spec in (TextInput(name="x"), TextInput(name="x", dtype="int64", length=64)):
        reader = reader_for(spec)
        chooser = SampleChooser(HARD_ONLY, seed=1)
        answer = Prediction("note", 0.5, 0.1)
        assert chooser.choose(answer, None, reader.read(b"bearing 4 runs hot")) == "hard"
        assert chooser.choose(answer, None, reader.read(b"bearing 4 runs hot ")) is None
        assert chooser.choose(answer, None, reader.read("Öl tropft an Achse 2".encode())) == "hard"


def test_another_answer_to_the_same_thing_is_news() -> None:
    chooser = SampleChooser(HARD_ONLY, seed=1)
    window = vibration(0.3, 0.0)
    assert chooser.choose(Prediction("worn", 0.5, 0.1), None, window) == "hard"
    assert chooser.choose(Prediction("sound", 0.5, 0.1), None, window) == "hard"


def test_every_kind_of_input_has_a_descriptor() -> None:
    answer = Prediction("a", 0.5, 0.5)
    short = reader_for(SignalInput(name="x", length=3, channels=2)).blank()
    for prepared in (
        Prepared(scene(1), scene(1)),
        short,
        vibration(1.0, 0.0),
        reader_for(TextInput(name="x")).read(b"a"),
    ):
        point = descriptor(answer, prepared)
        assert point.shape == (73,) if prepared.image is not None else (72,)
        assert np.isfinite(point).all()


points = st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 3), min_size=1, max_size=60)


@settings(max_examples=60)
@given(points, st.integers(1, 8))
def test_what_is_kept_is_never_near_and_what_is_let_go_always_is(rows: list[tuple[float, ...]], most: int) -> None:
    spread = KCentre(most, 0.05)
    for row in rows:
        point = np.array(row, np.float32)
        centres = spread.centres.copy()
        radius = spread.radius
        taken = spread.take(point)
        nearest = min((float(np.sqrt(np.mean((each - point) ** 2))) for each in centres), default=np.inf)
        assert taken == (nearest > radius)
        assert 1 <= len(spread.centres) <= most
        assert spread.radius >= 0.05
        if taken:
            np.testing.assert_array_equal(spread.centres[0], point)


def test_the_radius_doubles_when_there_are_too_many_and_shrinks_while_nothing_is_kept() -> None:
    rng = np.random.default_rng(0)
    spread = KCentre(16, 0.01)
    kept = [spread.take(point) for point in rng.random((500, 4)).astype(np.float32)]
    assert all(kept[:16])
    assert kept.count(True) < 150
    wide = spread.radius
    assert wide >= 0.08
    for _ in range(5000):
        spread.take(spread.centres[0])
    assert 0.01 <= spread.radius < wide / 2


def test_points_of_another_length_begin_anew() -> None:
    spread = KCentre(4, 0.1)
    assert spread.take(np.zeros(3, np.float32))
    assert spread.take(np.zeros(5, np.float32))
    assert spread.centres.shape == (1, 5)


def test_a_year_of_hard_frames_is_cheap_to_remember() -> None:
    rng = np.random.default_rng(1)
    spread = KCentre(CENTRES, 0.02)
    stream: npt.NDArray[np.float32] = rng.random((4000, 72)).astype(np.float32)
    kept = sum(spread.take(point) for point in stream)
    assert len(spread.centres) <= CENTRES
    assert CENTRES <= kept < 700


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_inputs_give_the_same_choice(seed: int) -> None:
    rules = KeepRules(margin=0.5, random_share=0.1)
    choices = []
    for _ in range(2):
        chooser = SampleChooser(rules, seed=seed)
        choices.append([choose(chooser, (i % 7) / 7, scene(i % 50)) for i in range(200)])
    assert choices[0] == choices[1]
