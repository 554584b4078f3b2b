"""The model of ``lineside-edge pipeline``: a bundle, or a bare ONNX file and what was typed about it."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from edge_runtime.contracts.errors import InputInvalid, LinesideError, ModelUnusable
from edge_runtime.model_files import ModelFile

if TYPE_CHECKING:
    from edge_runtime.inference.engine import Engine
    from edge_runtime.inference.ports import LoadedModel
    from edge_runtime.inference.session import Tuning

MAX_LABELS_BYTES = 2**20
MAX_SIDE = 8192
_SIZE = re.compile(r"([1-9][0-9]{0,4})[xX×]([1-9][0-9]{0,4})", re.ASCII)


class PipelineModel(Struct, frozen=True, kw_only=True, tag="pipeline"):
    """Where the model is, and what was typed about it, as it was typed."""

    path: str
    mean: str | None = None
    std: str | None = None
    labels: str | None = None
    """A file's path."""
    size: str | None = None
    workers: int = 1
    """How many frames it will be given at a time."""

    def tuning(self, _model: bytes) -> Tuning:
        from edge_runtime.inference.session import Tuning

        return Tuning()

    def load(self, file: ModelFile) -> LoadedModel:
        """The model in what was read at :attr:`path`; it has answered once: what it cannot do shows before the first
        frame.

        :raises ModelUnusable: it cannot be run.
        :raises InputInvalid: what was typed does not fit it.
        """
        from edge_runtime.inference.ports import LoadedModel

        model = LoadedModel(file.digest(), self._engine(file))
        self._answer_once(model.engine)
        return model

    def try_out(self, file: ModelFile) -> None:
        """Whether :meth:`load` would do, and there is memory for as many frames at a time as it will be given; found
        out in a process that is there for nothing else. Errors as :meth:`load`'s."""
        engine = self._engine(file)
        with ThreadPoolExecutor(self.workers) as threads:
            for answered in [threads.submit(self._answer_once, engine) for _ in range(self.workers)]:
                answered.result()

    def _answer_once(self, engine: Engine) -> None:
        try:
            engine.infer(engine.blank())
        except LinesideError:
            raise
        except Exception as error:
            raise ModelUnusable(f"{Path(self.path).name} failed on an empty input: {error}") from error

    def _engine(self, file: ModelFile) -> Engine:
        from edge_runtime.contracts.manifest import ClassificationOutput
        from edge_runtime.inference.bare import bare_specs
        from edge_runtime.inference.engine import Engine
        from edge_runtime.inference.session import open_session

        if file.bundle is not None:
            if self.mean or self.std or self.size or self.labels:
                raise InputInvalid(
                    "A bundle says for itself what it takes: --mean, --std, --size and --labels are for ONNX files."
                )
            manifest = file.bundle.manifest
            return Engine(file.model, manifest.input, manifest.output)
        session = open_session(file.model, self.tuning(file.model))
        taken, given = bare_specs(
            session, mean=_figures(self.mean, "--mean"), std=_figures(self.std, "--std"), size=_size(self.size)
        )
        if self.labels is not None:
            if not isinstance(given, ClassificationOutput):
                raise InputInvalid("--labels are for a classifier, and this model gives a number.")
            given = msgspec.structs.replace(given, labels=_read_labels(Path(self.labels), len(given.labels)))
        return Engine(file.model, taken, given)


def _figures(text: str | None, option: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        figures = tuple(float(part) for part in text.split(","))
    except ValueError:
        figures = (math.nan,)
    if not all(map(math.isfinite, figures)):
        raise InputInvalid(f"{option} is one number or several with commas between them, not {text!r}.")
    return figures


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None or max(int(match[1]), int(match[2])) > MAX_SIDE:
        raise InputInvalid(f"--size is WIDTHxHEIGHT, for instance 224x224, {MAX_SIDE} at most, not {text!r}.")
    return int(match[1]), int(match[2])


def _read_labels(path: Path, number: int) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_LABELS_BYTES)
        labels = tuple(line.strip()[:200] for line in body.decode("utf-8").splitlines() if line.strip())
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputInvalid(f"{path} is not UTF-8 text.") from error
    if len(labels) != number:
        raise InputInvalid(f"{path} has {len(labels)} labels, and the model {number} outputs.")
    return labels
