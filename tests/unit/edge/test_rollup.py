"""Minutes: nothing is counted twice or lost, whatever the clocks do."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.inference.rollup import MAX_LABELS, OTHERS, SPAN_S, Minute, Rollups

MODEL, OTHER, SHADOW = "ab" * 32, "cd" * 32, "ef" * 32
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["frame", "error", "kept", "shadow", "due"]),
        st.sampled_from([MODEL, OTHER]),
        st.floats(0, 45),
        st.integers(0, 4_000_000_000_000),
    ),
    max_size=60,
)


@given(EVENTS)
def test_every_event_is_in_exactly_one_minute(events: list[tuple[str, str, float, int]]) -> None:
    rollups, now, minutes = Rollups(), 1000.0, list[Minute]()
    counted: Counter[tuple[str, str]] = Counter()
    for kind, model, passes_s, wall_ms in events:
        now += passes_s
        counted[kind, model] += 1
        if kind == "frame":
            rollups.frame(model, "dark", 0.5, 100, None, now, wall_ms)
        elif kind == "error":
            rollups.error(model, now, wall_ms)
        elif kind == "kept":
            rollups.kept(model, now, wall_ms)
        elif kind == "shadow":
            rollups.shadowed(model, SHADOW, 50, now, wall_ms, agreed=True)
        else:
            minutes += rollups.due(now)
    minutes += rollups.close(now)
    assert rollups.close(now) == []
    for model in (MODEL, OTHER):
        mine = [minute for minute in minutes if minute.model == model]
        assert sum(minute.frames for minute in mine) == counted["frame", model]
        assert sum(minute.errors for minute in mine) == counted["error", model]
        assert sum(minute.kept for minute in mine) == counted["kept", model]
        assert sum(minute.shadow_frames for minute in mine) == counted["shadow", model]
    assert all(0 <= minute.span_ms <= SPAN_S * 1000 for minute in minutes)
    walls = {wall for _, _, _, wall in events}
    assert all(minute.at_ms in walls for minute in minutes), "a minute begins when the box's clock said so"


def test_a_minute_says_how_the_model_did() -> None:
    rollups = Rollups()
    for number in range(100):
        rollups.frame(MODEL, f"label {number % 3}", 0.25, 1000 + number, float(number), 10.0 + number / 10, 5_000)
    assert rollups.due(69.9) == []
    rollups.error(MODEL, 65.0, 9_999)
    (minute,) = rollups.due(70.0)
    assert (minute.frames, minute.errors, minute.at_ms, minute.span_ms) == (100, 1, 5_000, 60_000)
    assert (minute.confidence_mean, minute.value_mean) == (0.25, 49.5)
    assert (minute.latency_us_p50, minute.latency_us_p99) == (1050, 1098)
    assert minute.labels == {"label 0": 34, "label 1": 33, "label 2": 33}
    assert (minute.shadow, minute.shadow_frames) == (None, 0)


def test_a_frame_that_comes_late_opens_the_next_minute() -> None:
    rollups = Rollups()
    rollups.frame(MODEL, "dark", 0.5, 100, None, 0.0, 1_000)
    rollups.frame(MODEL, "dark", 0.5, 100, None, 500.0, 9_000)
    first, second = rollups.close(501.0)
    assert (first.at_ms, first.span_ms, first.frames) == (1_000, 60_000, 1)
    assert (second.at_ms, second.span_ms, second.frames) == (9_000, 1_000, 1)


def test_very_many_labels_are_counted_together() -> None:
    rollups = Rollups()
    for number in range(MAX_LABELS + 10):
        rollups.frame(MODEL, str(number), 0.5, 100, None, 0.0, 0)
    rollups.frame(MODEL, "0", 0.5, 100, None, 0.0, 0)
    (minute,) = rollups.close(1.0)
    assert len(minute.labels) == MAX_LABELS + 1
    assert (minute.labels["0"], minute.labels[OTHERS]) == (2, 10)


def test_another_shadow_begins_another_row() -> None:
    rollups = Rollups()
    rollups.frame(MODEL, "dark", 0.5, 100, None, 0.0, 0)
    rollups.shadowed(MODEL, SHADOW, 70, 1.0, 1_000, agreed=True)
    rollups.shadowed(MODEL, SHADOW, 90, 2.0, 2_000, agreed=False)
    rollups.shadowed(MODEL, OTHER, 30, 3.0, 3_000, agreed=True)
    first, second = rollups.close(4.0)
    assert (first.shadow, first.shadow_frames, first.shadow_agreed, first.frames) == (SHADOW, 2, 1, 1)
    assert first.shadow_latency_us_p50 in (70, 90)
    assert (second.shadow, second.shadow_frames, second.shadow_agreed, second.frames) == (OTHER, 1, 1, 0)
    assert (second.at_ms, second.span_ms) == (3_000, 1_000)
