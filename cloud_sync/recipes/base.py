"""What something trainable must offer, and how its state travels.

A recipe knows about tensors and nothing about stores, hosts or deadlines: it is handed its inputs and three
callbacks. Its state is plain named arrays, kept as ``.npz`` without pickle.
"""

from __future__ import annotations

import importlib.metadata
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.manifest import InputSpec, OutputSpec, Task

Arrays = dict[str, npt.NDArray[Any]]
ParamValue = bool | int | float | str
Params = Mapping[str, ParamValue]

ENTRY_POINTS = "lineside.recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingItem:
    """One labelled sample, already on this machine."""

    sample: str
    label: str
    split: Literal["train", "held-out"]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInputs:
    """All that a recipe learns from."""

    items: Sequence[TrainingItem]
    labels: tuple[str, ...]
    """In the order of the model's outputs."""
    seed: int
    base: Arrays | None = None
    """``Trained.weights`` of an earlier burst, to start from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What happened since the last report. ``message`` is a line for the log."""

    step: int
    steps: int
    loss: float | None = None
    accuracy: float | None = None
    """On the held-out split, 0 to 1."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Where training stands when it returns."""

    finished: bool
    """False: ``should_stop`` ended it; ``state`` resumes it."""
    step: int
    state: Arrays
    """Everything needed to go on as if nothing had happened."""
    weights: Arrays
    """What a later burst starts from, and what is exported."""
    calibration: npt.NDArray[Any]
    """Real training inputs as the model takes them, shape (N, C, H, W), to quantize with."""
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The fp32 model and how to feed and read it."""

    model: bytes
    """ONNX, IR 10, opset 21, dynamic batch."""
    input: InputSpec
    output: OutputSpec


class Recipe(Protocol):
    """Something that can be trained. Plug-ins register an instance under ``lineside.recipes``."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def task(self) -> Task: ...

    def check(self, params: Params) -> None:
        """Refuse parameters before anything is paid for; must not import anything heavy.

        :raises InputInvalid: unknown, of the wrong type or out of bounds; names it.
        """
        ...

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
        """Train from the beginning, from ``inputs.base``, or on from ``resume``.

        :param resume: ``Trained.state``, or what ``checkpoint`` was given, of the same spec: the result is then
            that of an uninterrupted run.
        :param checkpoint: called after every step with its number and a function that copies the state; the
            caller decides when one is due.
        :param should_stop: asked after every step.
        :raises InputInvalid: these inputs cannot be learned from; says why.
        """
        ...

    def export(self, weights: Arrays) -> Exported:
        """The model of ``Trained.weights``."""
        ...


def load_recipe(name: str) -> Recipe:
    """The recipe registered under this name.

    :raises NotFound: there is none.
    """
    found = importlib.metadata.entry_points(group=ENTRY_POINTS)
    for entry in found.select(name=name):
        recipe: Recipe = entry.load()
        return recipe
    known = ", ".join(sorted(entry.name for entry in found)) or "none"
    raise NotFound(f"There is no recipe named {name!r}; installed: {known}.")


def pack_arrays(arrays: Arrays) -> bytes:
    """The arrays as ``.npz``; equal arrays give equal bytes.

    :raises InputInvalid: an array of Python objects, which only pickle could carry.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            try:
                np.lib.format.write_array(member, np.asanyarray(arrays[name]), allow_pickle=False)
            except ValueError as error:
                raise InputInvalid(f"The array {name!r} cannot be stored: {error}.") from error
            # numpy.savez stamps members with the clock; a fixed date keeps the digest a function of the content.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    return buffer.getvalue()


def unpack_arrays(body: bytes, *, what: str = "checkpoint") -> Arrays:
    """The arrays of :func:`pack_arrays`.

    :raises InputInvalid: not such a file, damaged, or with anything that only pickle could read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return dict(_member(archive, member) for member in archive.infolist())
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError, MemoryError) as error:
        raise InputInvalid(f"The {what} could not be read: {error}.") from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[str, npt.NDArray[Any]]:
    # Stored, not deflated: a member is never larger than the file that was read.
    if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
        raise ValueError(f"{member.filename[:100]!r} is no plain array")
    array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(archive.read(member)), allow_pickle=False)
    return member.filename.removesuffix(".npy"), array
