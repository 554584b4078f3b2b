"""A small convolutional classifier: which of these labels is in the frame?

About 61,000 parameters for ten grey classes: trains in seconds on a laptop and infers in well under a
millisecond on a small box. Frames are decoded once, by the very code that decodes them on the box, and trained
from memory. Every random choice is a function of the seed and the step, so that a run which was interrupted
ends where an uninterrupted one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct, ValidationError, convert

from cloud_sync.recipes.base import Arrays, Exported, Params, Trained, TrainingInputs, TrainingItem, TrainingReport
from edge_runtime.contracts.errors import FrameUnreadable, InputInvalid
from edge_runtime.contracts.manifest import ClassificationOutput, ImageInput, Task
from edge_runtime.inference.preprocess import decode_image, to_tensor

_INPUT = "image"
_OUTPUT = "logits"
_CALIBRATION = 256
_REPORT_EVERY = 10
"""Steps between two points of the loss curve."""
_MAX_UNREADABLE = 0.05
"""Share of frames that may be broken before the dataset is taken to be the wrong one."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The recipe's parameters. The defaults suit some thousand frames of one camera."""

    width: Annotated[int, Meta(ge=16, le=512)] = 48
    height: Annotated[int, Meta(ge=16, le=512)] = 48
    colour: Literal["GRAY", "RGB"] = "GRAY"
    epochs: Annotated[int, Meta(ge=1, le=10_000)] = 30
    batch: Annotated[int, Meta(ge=2, le=4096)] = 24
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.006
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.01
    shift: Annotated[float, Meta(ge=0, le=0.5)] = 0.08
    """Largest random displacement, as a share of width and height."""
    brightness: Annotated[float, Meta(ge=0, le=1)] = 0.08
    """Largest random change of brightness, as a share of the full range."""
    contrast: Annotated[float, Meta(ge=0, lt=1)] = 0.2
    """Largest random change of contrast, as a share of what it is."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The decoded frames of one split."""

    pixels: npt.NDArray[np.uint8]
    """Shape (N, C, H, W)."""
    targets: npt.NDArray[np.int64]
    """Shape (N,): index of each frame's label."""

    def __len__(self) -> int:
        return len(self.targets)


class ClassifyImages:
    """The recipe ``classify-images``."""

    name = "classify-images"
    version = "1.0.0"
    task: Task = "classification"

    def check(self, params: Params) -> None:
        _settings(params)

    def train(
        self,
        inputs: TrainingInputs,
        params: Params,
        *,
        resume: Arrays | None,
        report: Callable[[TrainingReport], None],
        checkpoint: Callable[[int, Callable[[], Arrays]], None],
        should_stop: Callable[[], bool],
    ) -> Trained:
        from cloud_sync.recipes.small_cnn import TrainingRun

        settings = _settings(params)
        train, held_out, broken = _read(inputs, settings)
        run = TrainingRun(settings, train, labels=inputs.labels, seed=inputs.seed, base=inputs.base)
        start = f"{len(train)} frames to learn from, {len(held_out)} held out, {run.steps} steps"
        if broken:
            start += f"; left out {len(broken)} frames that are no images, first {broken[0]}"
        if resume is not None:
            run.restore(resume)
            start += f"; resumed after step {run.step}"
        report(TrainingReport(step=run.step, steps=run.steps, message=start))

        accuracy: float | None = None
        stopped = should_stop() and run.step < run.steps
        while run.step < run.steps and not stopped:
            loss = run.advance()
            if run.step % run.per_epoch == 0:
                accuracy = run.accuracy(held_out)
                report(TrainingReport(step=run.step, steps=run.steps, loss=loss, accuracy=accuracy))
            elif run.step % _REPORT_EVERY == 0:
                report(TrainingReport(step=run.step, steps=run.steps, loss=loss))
            checkpoint(run.step, run.state)
            # A stop asked for in the last step changes nothing: the work is done.
            stopped = should_stop() and run.step < run.steps

        if accuracy is None and not stopped:
            accuracy = run.accuracy(held_out)
        metrics = {
            "train_samples": float(len(train)),
            "held_out_samples": float(len(held_out)),
            "unreadable_samples": float(len(broken)),
            "epochs": run.step / run.per_epoch,
        }
        if accuracy is not None:
            metrics["held_out_accuracy"] = accuracy
        return Trained(
            finished=not stopped,
            step=run.step,
            state=run.state(),
            weights=run.weights(),
            calibration=train.pixels[_spread(len(train), _CALIBRATION)],
            metrics=metrics,
        )

    def export(self, weights: Arrays) -> Exported:
        from cloud_sync.recipes.small_cnn import SmallCnn, export_onnx

        net = SmallCnn.of(weights)
        return Exported(
            model=export_onnx(net, input_name=_INPUT, output_name=_OUTPUT),
            input=ImageInput(
                name=_INPUT, width=net.width, height=net.height, colour="GRAY" if net.channels == 1 else "RGB"
            ),
            output=ClassificationOutput(name=_OUTPUT, labels=net.labels),
        )


RECIPE = ClassifyImages()


def _settings(params: Params) -> Settings:
    try:
        return convert(dict(params), Settings)
    except ValidationError as error:
        raise InputInvalid(f"The recipe classify-images cannot take these parameters: {error}.") from error


def _read(inputs: TrainingInputs, settings: Settings) -> tuple[Frames, Frames, list[str]]:
    """The frames to learn from, those held out, and which samples are no images."""
    spec = ImageInput(name=_INPUT, width=settings.width, height=settings.height, colour=settings.colour)
    index = {label: position for position, label in enumerate(inputs.labels)}
    strange = sorted({item.label for item in inputs.items} - index.keys())
    if strange:
        raise InputInvalid(f"The dataset has labels that the burst does not know: {', '.join(strange[:5])}.")
    broken: list[str] = []
    split: dict[str, tuple[list[npt.NDArray[Any]], list[int]]] = {"train": ([], []), "held-out": ([], [])}
    # Sorted, so that the order in which a dataset was written does not change what is learned.
    for item in sorted(inputs.items, key=_sample_id):
        try:
            tensor = to_tensor(decode_image(item.path.read_bytes(), spec), spec)
        except FrameUnreadable:
            broken.append(item.sample)
            continue
        pixels, targets = split[item.split]
        pixels.append(tensor)
        targets.append(index[item.label])
    if len(broken) > _MAX_UNREADABLE * len(inputs.items):
        raise InputInvalid(
            f"{len(broken)} of the dataset's {len(inputs.items)} samples are no images, first {broken[0]}."
        )
    present = Counter(split["train"][1])
    if len(present) < 2:
        raise InputInvalid(
            f"The dataset's training split shows {len(present)} of the {len(inputs.labels)} labels; "
            "telling them apart takes two at least.",
            hint="Label more samples and freeze the dataset again.",
        )
    train, held_out = (_frames(*split[name], spec) for name in ("train", "held-out"))
    return train, held_out, broken


def _sample_id(item: TrainingItem) -> str:
    return item.sample


def _frames(pixels: list[npt.NDArray[Any]], targets: list[int], spec: ImageInput) -> Frames:
    empty = np.zeros((0, spec.channels, spec.height, spec.width), np.uint8)
    return Frames(np.concatenate([empty, *pixels]), np.asarray(targets, np.int64))


def _spread(total: int, wanted: int) -> npt.NDArray[np.intp]:
    """``wanted`` indices (or all) evenly over ``total``."""
    return np.unique(np.linspace(0, total - 1, min(total, wanted)).round().astype(np.intp))
