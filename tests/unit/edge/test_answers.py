"""From output tensors to answers: every task, by hand and against slow but plain ways of doing the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import (
    NOTHING,
    AnomalyOutput,
    ClassificationOutput,
    DetectionOutput,
    ImageInput,
    OutputSpec,
    RegressionOutput,
    SegmentationOutput,
)
from edge_runtime.inference.answers import Prediction, Tensor, decoder_for
from edge_runtime.inference.answers.detection import found_object, suppress
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.inputs import Prepared
from edge_runtime.inference.preprocess import View, view_of
from tests.fakes import tasks
from tests.fakes.tasks import TaskCase

SQUARE = View(100, 100, 0, 0, 100, 100)


def seen(view: View | None = SQUARE, tensor: Tensor | None = None) -> Prepared:
    return Prepared(np.zeros((1, 1, 100, 100), np.float32) if tensor is None else tensor, None, view)


def decode(spec: OutputSpec, *outputs: Any, prepared: Prepared | None = None) -> Prediction:
    tensors = [np.asarray(output, np.float32) for output in outputs]
    return decoder_for(spec).decode(tensors, prepared or seen())


@pytest.mark.parametrize("make", tasks.CASES)
def test_real_models_of_every_task_answer_as_they_must(make: Callable[[], TaskCase]) -> None:
    case = make()
    engine = Engine(case.model, case.input, case.output)
    for data, label in case.examples:
        answer = engine.predict(data)
        assert answer.label == label
        assert label in case.output.answers
        assert 0.0 <= answer.margin <= 1.0
        assert 0.0 <= answer.confidence <= 1.0
    engine.infer(engine.blank())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", tasks.CASES)
def test_what_is_no_number_is_never_an_answer(make: Callable[[], TaskCase], bad: float) -> None:
    case = make()
    engine = Engine(case.model, case.input, case.output)
    prepared = engine.prepare(case.examples[0][0])
    tensors = [np.array(tensor) for tensor in engine.run(prepared)]
    tensors[0].reshape(-1)[-1] = bad
    with pytest.raises(ModelUnusable, match="no number"):
        engine.read(tensors, prepared)


@pytest.mark.parametrize("make", tasks.CASES)
def test_another_shape_than_the_manifest_says_is_refused(make: Callable[[], TaskCase]) -> None:
    case = make()
    decoder = decoder_for(case.output)
    engine = Engine(case.model, case.input, case.output)
    prepared = engine.prepare(case.examples[0][0])
    if not isinstance(case.output, AnomalyOutput):
        with pytest.raises(ModelUnusable):
            decoder.check([[1, 7, 7, 7, 7]])
        with pytest.raises(ModelUnusable):
            decoder.decode([np.zeros((1, 7, 7, 7, 7), np.float32)], prepared)
    with pytest.raises(ModelUnusable):
        decoder.decode([np.zeros((1, 0), np.float32)], prepared)
    with pytest.raises(ModelUnusable, match="real numbers"):
        decoder.decode([np.array([["a", "b"]], object)], prepared)


class TestClassification:
    spec = ClassificationOutput(name="y", labels=("a", "b", "c"), kind="probabilities")

    def test_margin_is_best_minus_second(self) -> None:
        answer = decode(self.spec, [[0.2, 0.7, 0.1]])
        assert answer == Prediction("b", answer.confidence, answer.margin)
        assert (answer.confidence, answer.margin) == pytest.approx((0.7, 0.5))

    def test_logits_become_probabilities_without_overflow(self) -> None:
        spec = ClassificationOutput(name="y", labels=("a", "b"))
        assert decode(spec, [[1000.0, -1000.0]]) == Prediction("a", 1.0, 1.0)
        assert decode(spec, [[3e38, 3e38]]).margin == 0.0

    def test_one_score_of_two_labels_is_the_second_ones(self) -> None:
        spec = ClassificationOutput(name="y", labels=("good", "bad"), kind="probabilities")
        answer = decode(spec, [[0.9]])
        assert answer == Prediction("bad", answer.confidence, answer.margin)
        assert (answer.confidence, answer.margin) == pytest.approx((0.9, 0.8))
        logit = ClassificationOutput(name="y", labels=("good", "bad"))
        assert decode(logit, [[-2000.0]]) == Prediction("good", 1.0, 1.0)
        decoder_for(logit).check([["n", 1]])

    def test_a_single_label_is_always_sure_of_itself(self) -> None:
        spec = ClassificationOutput(name="y", labels=("part",))
        assert decode(spec, [[-3.0]]) == Prediction("part", 1.0, 1.0)

    @given(arrays.arrays(np.float32, (1, 5), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
    def test_any_finite_scores_give_shares(self, scores: Tensor) -> None:
        for kind in ("logits", "probabilities"):
            spec = ClassificationOutput(name="y", labels=tuple("abcde"), kind=kind)
            answer = decoder_for(spec).decode([scores], seen())
            assert 0.0 <= answer.margin <= answer.confidence <= 1.0
            # A difference far below what a probability can show may go either way.
            assert scores.max() - scores[0, "abcde".index(answer.label)] < 1e-6


def overlap(first: Any, second: Any) -> float:
    """Intersection over union of two boxes, the plain way."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    common = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return float(common / (areas - common)) if areas > common else 0.0


def yolo(*candidates: tuple[float, float, float, float, float, float]) -> Tensor:
    """Centre, size and the scores of two classes of each candidate, in the layout of yolov8."""
    return np.array([candidates], np.float32).transpose(0, 2, 1)


class TestDetection:
    spec = DetectionOutput(name="y", labels=("screw", "dent"), min_score=0.5, max_overlap=0.45)

    def test_boxes_come_back_as_shares_of_the_frame(self) -> None:
        answer = decode(self.spec, yolo((50, 40, 20, 10, 0.9, 0.1)))
        (found,) = answer.objects
        assert found.label == "screw"
        assert found.score == pytest.approx(0.9)
        box = found.x, found.y, found.width, found.height
        assert box == pytest.approx((0.4, 0.35, 0.2, 0.1))
        assert (answer.label, answer.value) == ("screw", 1.0)
        assert answer.margin == pytest.approx(0.8)

    def test_a_weaker_box_of_the_same_class_gives_way_and_of_another_stays(self) -> None:
        same = decode(self.spec, yolo((50, 50, 20, 20, 0.9, 0), (51, 50, 20, 20, 0.8, 0)))
        assert len(same.objects) == 1
        other = decode(self.spec, yolo((50, 50, 20, 20, 0.9, 0), (51, 50, 20, 20, 0, 0.8)))
        assert [each.label for each in other.objects] == ["screw", "dent"]

    def test_a_candidate_that_just_missed_makes_the_answer_doubtful(self) -> None:
        clear = yolo((50, 50, 20, 20, 0.9, 0), (10, 10, 5, 5, 0.1, 0))
        near = yolo((50, 50, 20, 20, 0.9, 0), (10, 10, 5, 5, 0.49, 0))
        shadow = yolo((50, 50, 20, 20, 0.9, 0), (51, 50, 20, 20, 0.49, 0))
        assert decode(self.spec, clear).margin == pytest.approx(0.8)
        assert decode(self.spec, near).margin == pytest.approx(0.02, abs=1e-3)
        assert decode(self.spec, shadow).margin == pytest.approx(0.8), "a shadow of a sure object is no doubt"

    def test_nothing_is_as_sure_as_the_best_candidate_was_weak(self) -> None:
        answer = decode(self.spec, yolo((50, 50, 20, 20, 0.1, 0.05)))
        assert (answer.label, answer.value, answer.objects) == (NOTHING, 0.0, ())
        assert answer.confidence == pytest.approx(0.9)
        assert answer.margin == pytest.approx(0.8)
        assert decode(self.spec, np.zeros((1, 6, 0))).confidence == 1.0

    def test_the_three_layouts_say_the_same(self) -> None:
        first = yolo((50, 40, 20, 10, 0.9, 0.1), (20, 20, 10, 10, 0.2, 0.6))
        table = first[0].T
        fifth = np.concatenate([table[:, :4], np.full((2, 1), 0.95), table[:, 4:] / 0.95], axis=1)[np.newaxis]
        corners = np.array([[[40, 35, 60, 45], [15, 15, 25, 25], [0, 0, 0, 0]]])
        named = partial(DetectionOutput, labels=("screw", "dent"), min_score=0.5, name="y")
        boxes = named(layout="boxes", scores="s", classes="c")
        answers = [
            decode(self.spec, first),
            decode(named(layout="yolov5"), fifth),
            decode(boxes, corners, [[0.9, 0.6, 0.0]], [[0, 1, -1]]),
            decode(
                named(layout="boxes", scores="s", classes="c", normalised=True),
                corners / 100,
                [[0.9, 0.6, 0.0]],
                [[0, 1, 700]],
            ),
        ]
        for answer in answers:
            assert answer.label == "screw"
            for found, expected in zip(answer.objects, answers[0].objects, strict=True):
                assert found.label == expected.label
                assert (found.score, found.x, found.width) == pytest.approx(
                    (expected.score, expected.x, expected.width), abs=1e-5
                )

    def test_a_class_that_the_manifest_lacks_is_refused(self) -> None:
        spec = DetectionOutput(name="y", labels=("a",), layout="boxes", scores="s", classes="c")
        with pytest.raises(ModelUnusable, match="none of its 1 labels"):
            decode(spec, np.zeros((1, 2, 4)), [[0.9, 0.8]], [[0, 1]])
        with pytest.raises(ModelUnusable, match="not equally many"):
            decode(spec, np.zeros((1, 3, 4)), [[0.9, 0.8]], [[0, 0]])

    def test_only_so_many_objects_are_told(self) -> None:
        spec = DetectionOutput(name="y", labels=("a", "b"), min_score=0.5, max_objects=3)
        many = yolo(*[(10.0 * i, 10, 5, 5, 0.9 - 0.01 * i, 0) for i in range(9)])
        assert [round(each.score, 2) for each in decode(spec, many).objects] == [0.9, 0.89, 0.88]

    def test_without_an_image_there_is_nowhere_to_find_anything(self) -> None:
        with pytest.raises(ModelUnusable, match="in an image"):
            decode(self.spec, yolo((50, 50, 20, 20, 0.9, 0)), prepared=seen(view=None))

    @given(
        arrays.arrays(np.float32, (1, 6, 7), elements=st.floats(-(2.0**126), 2.0**126, width=32)),
        st.sampled_from(["yolov8", "yolov5"]),
        st.booleans(),
    )
    def test_any_finite_tensor_is_an_answer(self, tensor: Tensor, layout: Any, normalised: bool) -> None:
        tensor = tensor if layout == "yolov8" else tensor.transpose(0, 2, 1)
        labels = ("a", "b") if layout == "yolov8" else ("a",)
        spec = DetectionOutput(name="y", labels=labels, layout=layout, normalised=normalised)
        answer = decoder_for(spec).decode([tensor], seen())
        assert answer.value == len(answer.objects)
        for each in answer.objects:
            assert 0 <= each.x <= each.x + each.width <= 1 + 1e-6
            assert 0 <= each.y <= each.y + each.height <= 1 + 1e-6
            assert each.score >= spec.min_score

    @given(st.data())
    def test_suppression_equals_the_plain_way(self, data: st.DataObject) -> None:
        edges = st.floats(0, 50, width=32)
        rows = data.draw(st.lists(st.tuples(edges, edges, st.integers(1, 30), st.integers(1, 30)), max_size=12))
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4)
        classes = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))), np.intp)
        limit = data.draw(st.floats(0, 1))
        stay: list[int] = []
        for i, box in enumerate(boxes):
            rivals = [k for k in stay if classes[k] == classes[i]]
            # On the very limit the two ways may round otherwise.
            if any(abs(overlap(boxes[k], box) - limit) < 1e-4 for k in rivals):
                return
            if all(overlap(boxes[k], box) <= limit for k in rivals):
                stay.append(i)
        assert suppress(boxes, classes, limit, most=100) == stay

    @given(
        st.integers(1, 4000),
        st.integers(1, 4000),
        st.sampled_from(["stretch", "letterbox", "centre-crop"]),
        st.tuples(*[st.floats(0.01, 0.99)] * 2),
    )
    def test_a_place_in_the_frame_goes_through_the_input_and_back(
        self, width: int, height: int, resize: Any, place: tuple[float, float]
    ) -> None:
        spec = ImageInput(name="x", width=640, height=480, colour="RGB", resize=resize)
        if max(width, height) > 40 * min(width, height):
            return
        view = view_of(width, height, spec)
        # Where the resized frame is put, by what each way of resizing means.
        scale = {
            "stretch": (640 / width, 480 / height),
            "letterbox": (min(640 / width, 480 / height),) * 2,
            "centre-crop": (max(640 / width, 480 / height),) * 2,
        }[resize]
        x, y = (320 + (place[0] - 0.5) * width * scale[0], 240 + (place[1] - 0.5) * height * scale[1])
        found = found_object(np.array([x, y, x, y], np.float32), "a", 0.9, view)
        # Sizes are rounded to whole pixels of the input.
        assert found.x == pytest.approx(place[0], abs=1.5 / (width * scale[0]))
        assert found.y == pytest.approx(place[1], abs=1.5 / (height * scale[1]))


class TestSegmentation:
    two = SegmentationOutput(name="y", labels=("sound", "rust"))
    three = SegmentationOutput(name="y", labels=("sound", "rust", "crack"), kind="probabilities")

    def test_areas_are_shares_of_the_frame(self) -> None:
        mask = np.zeros((1, 3, 10, 10))
        mask[0, 0] = 0.9
        mask[0, :, :2] = np.array([0.1, 0.8, 0.1])[:, np.newaxis, np.newaxis]
        mask[0, :, 9, :5] = np.array([0.2, 0.2, 0.6])[:, np.newaxis]
        answer = decode(self.three, mask)
        assert answer.label == "rust"
        assert answer.areas == {"rust": pytest.approx(0.2), "crack": pytest.approx(0.05)}
        assert answer.value == pytest.approx(0.2)

    def test_the_borders_of_a_letterbox_are_no_part_of_the_frame(self) -> None:
        # A frame twice as wide as high lies in the middle half of the input.
        view = View(40, 40, 0, 10, 40, 20)
        mask = np.full((1, 1, 20, 20), 5.0)
        assert decode(self.two, mask, prepared=seen(view)).areas == {"rust": pytest.approx(1.0)}
        mask[:, :, 5:15] = -5.0
        assert decode(self.two, mask, prepared=seen(view)).areas == {}

    def test_what_a_crop_cut_off_is_not_covered_by_anything(self) -> None:
        view = View(40, 40, -20, 0, 80, 40)
        mask = np.full((1, 1, 20, 20), 5.0)
        assert decode(self.two, mask, prepared=seen(view)).areas == {"rust": pytest.approx(0.5)}

    def test_too_little_of_a_label_counts_as_none(self) -> None:
        spec = SegmentationOutput(name="y", labels=("sound", "rust"), min_area=0.02)
        mask = np.full((1, 1, 10, 10), -5.0)
        mask[0, 0, 0, 0] = 5.0
        answer = decode(spec, mask)
        assert (answer.label, answer.areas) == ("sound", {})
        assert answer.value == pytest.approx(0.99)

    def test_a_faint_trace_makes_the_answer_doubtful(self) -> None:
        clean = np.full((1, 1, 10, 10), -8.0)
        faint, clear = clean.copy(), clean.copy()
        faint[0, 0, 3, 3], clear[0, 0, 3, 3] = -0.1, 8.0
        assert decode(self.two, clean).margin == 1.0
        assert decode(self.two, faint).margin < 0.1
        assert decode(self.two, clear).margin > 0.99

    def test_a_large_mask_is_judged_on_a_grid_and_counted_whole(self) -> None:
        mask = np.full((1, 2, 1200, 1200), -4.0, np.float32)
        mask[0, 0] = 4.0
        mask[0, :, 600:] *= -1
        answer = decode(self.two, mask)
        assert answer.areas == {"rust": pytest.approx(0.5)}
        assert answer.margin > 0.99

    @given(
        arrays.arrays(np.float32, st.sampled_from([(1, 1, 3, 4), (1, 2, 5, 2)]), elements=st.floats(-99, 99, width=32)),
        st.sampled_from(["stretch", "letterbox", "centre-crop"]),
        st.tuples(st.integers(20, 300), st.integers(20, 300)),
        st.sampled_from(["logits", "probabilities"]),
    )
    def test_any_mask_is_an_answer(self, mask: Tensor, resize: Any, size: tuple[int, int], kind: Any) -> None:
        view = view_of(*size, ImageInput(name="x", width=64, height=48, colour="GRAY", resize=resize))
        spec = SegmentationOutput(name="y", labels=("sound", "rust"), kind=kind)
        answer = decoder_for(spec).decode([mask], seen(view))
        assert 0 <= answer.margin <= 1
        assert 0 <= answer.confidence <= 1
        assert all(0 < area <= 1 for area in answer.areas.values())


class TestAnomaly:
    spec = AnomalyOutput(name="y", threshold=2.0)

    @pytest.mark.parametrize(
        ("score", "label", "confidence"),
        [
            (0.0, "normal", 1.0),
            (-3.0, "normal", 1.0),
            (1.0, "normal", 2 / 3),
            (2.0, "anomalous", 0.5),
            (6, "anomalous", 0.75),
        ],
    )
    def test_a_score_against_its_threshold(self, score: float, label: str, confidence: float) -> None:
        answer = decode(self.spec, [score])
        assert (answer.label, answer.value, answer.telling) == (label, score, "value")
        assert answer.confidence == pytest.approx(confidence)
        assert answer.margin == pytest.approx(2 * confidence - 1)

    def test_a_map_by_its_largest_or_its_mean(self) -> None:
        chart = [[[1.0, 3.0], [0.0, 0.0]]]
        assert decode(self.spec, chart).value == 3.0
        assert decode(AnomalyOutput(name="y", threshold=2.0, reduce="mean"), chart).value == 1.0

    def test_a_rebuilt_input_is_compared_with_what_was_given(self) -> None:
        spec = AnomalyOutput(name="y", threshold=0.3, kind="reconstruction", reduce="mean")
        given_ = np.full((1, 1, 2, 2), 200, np.uint8)
        answer = decode(spec, np.full((1, 1, 2, 2), 199.5), prepared=seen(tensor=given_))
        assert answer.label == "anomalous"
        assert answer.value == pytest.approx(0.5)
        with pytest.raises(ModelUnusable, match="rebuilt"):
            decode(spec, np.zeros((1, 1, 2, 3)), prepared=seen(tensor=given_))
        with pytest.raises(ModelUnusable, match="text"):
            decode(spec, [[1.0]], prepared=seen(tensor=np.array([["words"]], object)))


class TestRegression:
    @pytest.mark.parametrize(
        ("low", "high", "value", "label", "margin"),
        [
            (10.0, 20.0, 15.0, "in range", 1.0),
            (10.0, 20.0, 11.0, "in range", 0.2),
            (10.0, 20.0, 10.0, "in range", 0.0),
            (10.0, 20.0, 9.0, "low", 0.2),
            (10.0, 20.0, 300.0, "high", 1.0),
            (10.0, None, 12.0, "in range", 0.2),
            (None, 10.0, 12.0, "high", 0.2),
            (0.0, None, 0.25, "in range", 0.25),
            (None, None, 7.0, "in range", 1.0),
            (5e-324, 1e-323, 1.0, "high", 1.0),
        ],
    )
    def test_a_value_against_its_range(
        self, low: float | None, high: float | None, value: float, label: str, margin: float
    ) -> None:
        spec = RegressionOutput(name="y", low=low, high=high)
        for shape in ((1,), (1, 1), ()):
            answer = decode(spec, np.full(shape, value))
            assert (answer.label, answer.value, answer.telling, answer.measured) == (label, value, "value", True)
            assert answer.margin == pytest.approx(margin)
            assert answer.confidence == pytest.approx(0.5 + margin / 2)

    def test_two_numbers_are_no_regression(self) -> None:
        with pytest.raises(ModelUnusable, match="2 numbers"):
            decode(RegressionOutput(name="y"), [1.0, 2.0])
