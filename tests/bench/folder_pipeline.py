"""A box's line over a folder of frames, against a plain loop over the same files with the same model."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import onnxruntime as ort

from app.demo.lines import load_digits, render
from edge_runtime.config import SpoolLimits
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.hard import KeepRules, SampleChooser
from edge_runtime.inference.pipeline import LoadedModel, Pipeline
from edge_runtime.service.spool import Spool
from edge_runtime.sources.folder import FolderSource
from tests.bench.measure import Figure, alternate
from tests.bench.model import INPUT, OUTPUT, small_classifier

SIZES = ((96, 96, 3000), (640, 480, 1000))
"""Width, height and number of the frames."""


class OneModel:
    """The same model for every frame, counting them."""

    def __init__(self, model: LoadedModel, frames: int, done: threading.Event) -> None:
        self._model, self._left, self._done = model, frames, done

    def current(self) -> LoadedModel:
        return self._model

    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None:
        self._left -= 1
        if self._left == 0:
            self._done.set()


def run_pipeline(frames: Path, number: int, home: Path, model: bytes) -> None:
    """Everything that a box does with a frame: results, hard samples, drift, all of it on disk at the end."""
    done = threading.Event()
    spool = Spool(home, box="b" * 64, boot="boot", limits=SpoolLimits(), now_ms=lambda: time.time_ns() // 1_000_000)
    source = FolderSource(str(frames), home / "seen.db")
    try:
        Pipeline(
            name="camera",
            source=source,
            models=OneModel(LoadedModel("c" * 64, Engine(model, INPUT, OUTPUT)), number, done),
            sink=spool,
            chooser=SampleChooser(KeepRules(margin=0.0, random_share=0.05), seed=1),
            drift=DriftMonitor(),
            counters=PipelineCounters(),
            changed=lambda: None,
        ).run(done)
    finally:
        source.close()
        spool.close()


def run_loop(frames: Path, home: Path, model: bytes) -> None:
    """Read, decode, resize, infer, write a line."""
    home.mkdir()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with (home / "results.csv").open("w", newline="") as file:
        results = csv.writer(file)
        for path in sorted(frames.iterdir()):
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            resized = cv2.resize(image, (INPUT.width, INPUT.height), interpolation=cv2.INTER_AREA)
            scores = session.run([OUTPUT.name], {INPUT.name: resized[np.newaxis, np.newaxis]})[0][0]
            results.writerow([path.name, OUTPUT.labels[int(scores.argmax())], float(scores.max())])


def write_frames(folder: Path, width: int, height: int, number: int) -> None:
    """JPEG frames of the demo's line, enlarged to the camera's size."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    digits = load_digits()
    for index in range(number):
        frame = cv2.imdecode(np.frombuffer(render(digits[index % len(digits)], rng, "normal"), np.uint8), 1)
        cv2.imwrite(str(folder / f"{index:06d}.jpg"), cv2.resize(frame, (width, height)))


def compare(width: int, height: int, number: int) -> Figure:
    """Both ways over the same frames."""
    model = small_classifier()
    with TemporaryDirectory() as folder:
        frames = Path(folder, "frames")
        write_frames(frames, width, height, number)
        homes: Iterator[Path] = (Path(folder, f"home-{home}") for home in count())
        ours, theirs = alternate(
            lambda: run_pipeline(frames, number, next(homes), model),
            lambda: run_loop(frames, next(homes), model),
            rounds=5,
        )
    return Figure(
        what=f"A box's line: folder of {width}×{height} JPEG files → results on disk, start and stop included",
        reference="a plain OpenCV and ONNX Runtime loop that writes CSV, one thread",
        unit="frames/s",
        ours=number / ours,
        theirs=number / theirs,
        higher_is_better=True,
    )


def measure() -> list[Figure]:
    return [compare(*size) for size in SIZES]
