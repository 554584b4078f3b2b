"""A box's line over a folder of frames, against plain loops over the same files with the same models."""

from __future__ import annotations

import csv
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
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
from edge_runtime.inference.pipeline import Pipeline
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.service.spool import Spool
from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.folder import FolderSource
from tests.bench import mobilenet
from tests.bench.measure import Figure, Goal, alternate, seconds
from tests.bench.model import INPUT, OUTPUT, small_classifier

SIZES = ((96, 96, 3000), (640, 480, 1000))
"""Width, height and number of the frames."""
CAMERA_FRAMES = 500
WORKERS = 2
ROUNDS = 5


class OneModel:
    """The same model for every frame."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def current(self) -> LoadedModel:
        return self._model

    def instead_of(self, model: LoadedModel) -> LoadedModel | None:
        return None

    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None:
        """Nobody is on trial."""


def run_pipeline(frames: Path, home: Path, engine: Engine, *, workers: int, keep: float) -> PipelineCounters:
    """Everything that a box does with a frame: results, hard samples, drift, all of it on disk at the end."""
    counters = PipelineCounters()
    spool = Spool(home, box="b" * 64, boot="boot", limits=SpoolLimits(), now_ms=lambda: time.time_ns() // 1_000_000)
    source = FolderSource(str(frames), home / "seen.db", SourceOptions(once=True))
    try:
        Pipeline(
            name="camera",
            source=source,
            models=OneModel(LoadedModel("c" * 64, engine)),
            sink=spool,
            chooser=SampleChooser(KeepRules(margin=0.0, random_share=keep), seed=1),
            drift=DriftMonitor(),
            counters=counters,
            changed=lambda: None,
            workers=lambda: workers,
        ).run(threading.Event())
    finally:
        source.close()
        spool.close()
    return counters


def one_thread(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_loop(frames: Path, home: Path, model: bytes) -> None:
    """Read, decode, resize, infer, write a line."""
    home.mkdir()
    session = one_thread(model)
    with (home / "results.csv").open("w", newline="") as file:
        results = csv.writer(file)
        for path in sorted(frames.iterdir()):
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            assert image is not None
            resized = cv2.resize(image, (INPUT.width, INPUT.height), interpolation=cv2.INTER_AREA)
            scores = session.run([OUTPUT.name], {INPUT.name: resized[np.newaxis, np.newaxis]})[0][0]
            results.writerow([path.name, OUTPUT.labels[int(scores.argmax())], float(scores.max())])


def run_pil(frames: Path, home: Path, session: ort.InferenceSession) -> None:
    """What a script for the job looks like: PIL, numpy, ONNX Runtime, a row of SQLite for each file."""
    from PIL import Image

    home.mkdir()
    mean, std = np.array(mobilenet.MEAN, np.float32), np.array(mobilenet.STD, np.float32)
    with closing(sqlite3.connect(home / "results.db")) as database:
        database.execute("CREATE TABLE results (name TEXT, label INT, score REAL)")
        for path in sorted(frames.iterdir()):
            with Image.open(path) as opened:
                image = opened.convert("RGB").resize((mobilenet.SIDE, mobilenet.SIDE))
            pixels = (np.asarray(image, np.float32) / 255 - mean) / std
            tensor = np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis])
            scores = session.run([mobilenet.OUTPUT_NAME], {mobilenet.INPUT_NAME: tensor})[0][0]
            with database:
                row = path.name, int(scores.argmax()), float(scores.max())
                database.execute("INSERT INTO results VALUES (?, ?, ?)", row)


def infer_only(session: ort.InferenceSession, tensor: np.ndarray, number: int) -> None:
    """The same model on ready tensors, half of the runs on each of two threads."""

    def work() -> None:
        for _ in range(number // 2):
            session.run(None, {mobilenet.INPUT_NAME: tensor})

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def write_frames(folder: Path, width: int, height: int, number: int) -> None:
    """JPEG frames of the demo's line, enlarged to the camera's size."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    digits = load_digits()
    for index in range(number):
        frame = cv2.imdecode(np.frombuffer(render(digits[index % len(digits)], rng, "normal"), np.uint8), 1)
        assert frame is not None
        cv2.imwrite(str(folder / f"{index:06d}.jpg"), cv2.resize(frame, (width, height)))


def write_camera_frames(folder: Path, number: int) -> None:
    """Colour JPEG of 640×480 and about 64 KB: coarse shapes with a sensor's noise."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    for index in range(number):
        shapes = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
        noisy = shapes.astype(np.int16) + rng.normal(0, 6.5, (480, 640, 1)).astype(np.int16)
        image = noisy.clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:06d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 83])


def by_turns(*works: Callable[[], object]) -> list[float]:
    """Median seconds of each, after one unmeasured call."""
    for work in works:
        work()
    rounds = [[seconds(work) for work in works] for _ in range(ROUNDS)]
    return [statistics.median(taken) for taken in zip(*rounds, strict=True)]


def compare(width: int, height: int, number: int) -> Figure:
    """A small model, one worker."""
    model = small_classifier()
    with TemporaryDirectory() as folder:
        frames = Path(folder, "frames")
        write_frames(frames, width, height, number)
        homes: Iterator[Path] = (Path(folder, f"home-{home}") for home in count())
        ours, theirs = alternate(
            lambda: run_pipeline(frames, next(homes), Engine(model, INPUT, OUTPUT), workers=1, keep=0.05),
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


def compare_mobilenet(number: int = CAMERA_FRAMES) -> list[Figure]:
    """The whole way beside inference alone and beside a PIL script, and where the time goes."""
    with TemporaryDirectory() as folder:
        frames = Path(folder, "frames")
        write_camera_frames(frames, number)
        homes: Iterator[Path] = (Path(folder, f"home-{home}") for home in count())
        plain, folded = (
            mobilenet.mobilenet(Path(folder), "int8", flavour).read_bytes() for flavour in ("float32", "uint8")
        )
        engines = (
            Engine(plain, mobilenet.FLOAT_INPUT, mobilenet.OUTPUT),
            Engine(folded, mobilenet.UINT8_INPUT, mobilenet.OUTPUT),
        )
        session = one_thread(plain)
        tensor = engines[0].blank().tensor
        raw_s, plain_s, folded_s, pil_s = by_turns(
            lambda: infer_only(session, tensor, number),
            lambda: run_pipeline(frames, next(homes), engines[0], workers=WORKERS, keep=0.0),
            lambda: run_pipeline(frames, next(homes), engines[1], workers=WORKERS, keep=0.0),
            lambda: run_pil(frames, next(homes), session),
        )
        counters = run_pipeline(frames, next(homes), engines[1], workers=WORKERS, keep=0.0)
    print("  " + ", ".join(f"{stage.name} {stage.mean_ms:.2f} ms" for stage in counters.stages()))
    what = f"Folder of 640×480 JPEG files → MobileNetV2 int8 → spooled results, {WORKERS} workers"
    alone, script = "inference alone on two threads", "a PIL, ONNX Runtime and SQLite loop, one thread"
    pairs = (
        (f"{what}, float32 input", plain_s, alone, raw_s, None),
        (f"{what}, uint8 input", folded_s, alone, raw_s, Goal(ratio=0.65)),
        (f"{what}, float32 input", plain_s, script, pil_s, None),
        (f"{what}, uint8 input", folded_s, script, pil_s, Goal(ratio=3.3)),
    )
    return [
        Figure(
            what=name,
            reference=reference,
            unit="frames/s",
            ours=number / ours,
            theirs=number / theirs,
            higher_is_better=True,
            goal=goal,
        )
        for name, ours, reference, theirs, goal in pairs
    ]


def measure() -> list[Figure]:
    return [*(compare(*size) for size in SIZES), *compare_mobilenet()]


if __name__ == "__main__":
    for figure in compare_mobilenet():
        print(f"{figure.what}: {figure.ours:.0f} {figure.unit}, {figure.ratio:.2f} of {figure.reference}")
