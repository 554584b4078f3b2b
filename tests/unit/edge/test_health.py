"""What frames look like, and cameras that show nothing or always the same."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_runtime.inference.health import BLIND_FRAMES, CALM_FRAMES, STILL_FRAMES, HealthMonitor, Look, look_at

Image = npt.NDArray[np.uint8]


def scene(seed: int = 0, width: int = 320, height: int = 240) -> Image:
    patches = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def test_brightness_is_the_mean_grey_level() -> None:
    for level in (0, 77, 255):
        assert look_at(np.full((48, 64), level, np.uint8)).brightness == level
    image = scene()
    assert look_at(image).brightness == pytest.approx(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean(), abs=4)


def test_blur_costs_sharpness_and_dimmer_light_does_not() -> None:
    image = scene()
    sharp = look_at(image).sharpness
    assert look_at(np.asarray(cv2.GaussianBlur(image, (0, 0), 2.0), np.uint8)).sharpness < 0.6 * sharp
    assert look_at((image * 0.5).astype(np.uint8)).sharpness == pytest.approx(sharp, rel=0.05)
    noise = np.random.default_rng(1).normal(128, 30, (240, 320)).clip(0, 255).astype(np.uint8)
    assert look_at(noise).sharpness == pytest.approx(2.0, rel=0.1)


def test_a_fingerprint_survives_noise_and_compression_and_tells_scenes_apart() -> None:
    image = np.asarray(cv2.GaussianBlur(scene(3), (0, 0), 8), np.uint8)
    ok, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    again = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    first, second = look_at(image), look_at(np.asarray(again, np.uint8))
    assert ok
    assert (first.fingerprint ^ second.fingerprint).bit_count() <= 4
    assert first.checksum != second.checksum
    assert (first.fingerprint ^ look_at(scene(4)).fingerprint).bit_count() > 16
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert look_at(np.dstack([grey] * 3)).fingerprint == look_at(np.asarray(grey, np.uint8)).fingerprint


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)), st.booleans())
def test_any_picture_has_a_look(image: Image, colour: bool) -> None:
    look = look_at(np.ascontiguousarray(np.dstack([image] * 3)) if colour else image)
    assert 0 <= look.brightness <= 255
    assert look.sharpness >= 0
    assert 0 <= look.fingerprint < 2**64


def frame(number: int, brightness: float = 120.0) -> Look:
    return Look(brightness, 0.3, 0, number)


def kinds(monitor: HealthMonitor, *looks: Look) -> list[str]:
    return [finding.kind for look in looks for finding in monitor.observe(look)]


def test_a_camera_that_repeats_its_last_picture_is_told_once() -> None:
    monitor = HealthMonitor()
    assert kinds(monitor, *[frame(i) for i in range(200)]) == []
    assert kinds(monitor, *[frame(7)] * (STILL_FRAMES - 1)) == []
    (finding,) = monitor.observe(frame(7))
    assert (finding.kind, finding.facts["same"]) == ("input.frozen", STILL_FRAMES)
    assert kinds(monitor, *[frame(7)] * 1000) == []


def test_a_still_scene_before_a_real_sensor_is_no_frozen_camera() -> None:
    """Every fiftieth frame differing in its noise is enough."""
    monitor = HealthMonitor()
    assert kinds(monitor, *[frame(i // (STILL_FRAMES - 1)) for i in range(2000)]) == []


def test_trouble_that_comes_back_after_a_calm_time_is_told_again() -> None:
    monitor = HealthMonitor()
    still, moving = [frame(1)] * STILL_FRAMES, [frame(i) for i in range(2, 2 + CALM_FRAMES)]
    assert kinds(monitor, *still, *moving[: CALM_FRAMES // 2], *still) == ["input.frozen"]
    monitor = HealthMonitor()
    assert kinds(monitor, *still, *moving, *still) == ["input.frozen"] * 2


@pytest.mark.parametrize(("level", "word"), [(1.0, "black"), (254.0, "white")])
def test_a_picture_of_nothing_is_told(level: float, word: str) -> None:
    monitor = HealthMonitor()
    assert kinds(monitor, *[frame(i, level) for i in range(BLIND_FRAMES - 1)]) == []
    (finding,) = monitor.observe(frame(-1, level))
    assert finding.kind == "input.blind"
    assert word in finding.message
    dusk = [frame(i, 5.0) for i in range(200)]
    assert kinds(HealthMonitor(), *dusk) == []
