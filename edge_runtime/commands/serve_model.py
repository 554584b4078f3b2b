"""A file that ``lineside-edge serve`` serves, and how it becomes a model that answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.model_files import ModelFile, file_name, not_a_file

if TYPE_CHECKING:
    from edge_runtime.inference.session import Tuning
    from edge_runtime.serving.model import ServedModel

BARE_VERSION = "1"
"""Of a file that says nothing of its version."""
MAX_NAME = 128
TAKEN = "stats"
"""``/v2/models/stats`` are the figures of all models."""


class ServedFile(Struct, frozen=True, kw_only=True, tag="serve"):
    """What is served, and how."""

    path: str
    name: str | None = None
    """What clients call it, where that is neither the file's name nor the bundle's own."""
    home: str | None = None
    """Where the best way to run it is kept."""
    threads: int | None = None
    max_run_s: float = 0.0
    """What a run may take when it is asked."""

    def name_before(self) -> str:
        """What it is called before it has been read.

        :raises InputInvalid: no client could ask for that.
        :raises ModelUnusable: it is a folder without a name.
        """
        if self.name is None and not Path(self.path).name:
            raise not_a_file(Path(self.path))
        return model_name(file_name(Path(self.path)) if self.name is None else self.name)

    def tuning(self, model: bytes) -> Tuning:
        from edge_runtime.inference.session import Tuning

        if self.home is not None and self.threads is None:
            from edge_runtime.inference.autotune import TUNING_NAME, TuningStore

            return TuningStore(Path(self.home) / TUNING_NAME).of(model)
        return Tuning(threads=self.threads or 1)

    def load(self, file: ModelFile) -> ServedModel:
        """The model in what was read at :attr:`path`, of which :meth:`try_out` has said that it can be served.

        :raises InputInvalid: its name cannot be used.
        :raises MemoryError: even on the smallest input it needs more than there is now.
        :raises ModelUnusable: it cannot be served.
        """
        from edge_runtime.serving.model import BLANK_RUN_S

        # Somebody waits for it to answer: how slow it is beyond this is known, and nobody needs to know it again.
        return _within_memory(self._load(file, BLANK_RUN_S))

    def load_untried(self, file: ModelFile) -> ServedModel:
        """As :meth:`load`, of a model that nobody has tried.

        :raises ModelUnusable: besides, it answers the smallest input later than any run may take.
        """
        from edge_runtime.serving.model import BLANK_RUN_S

        most_s = max(BLANK_RUN_S, self.max_run_s)
        model = self._load(file, most_s)
        if model.hangs:
            raise ModelUnusable(
                f"{Path(self.path).name} did not answer the smallest input within {most_s:g} s when it was tried.",
                hint="Allow more with --max-run-s if it is that slow; else look for a loop in it that does not end.",
            )
        return _within_memory(model)

    def try_out(self, file: ModelFile) -> None:
        """Whether :meth:`load` would do, found out in a process that is there for nothing else; errors as
        :meth:`load_untried`'s."""
        self.load_untried(file)

    def _load(self, file: ModelFile, blank_run_s: float) -> ServedModel:
        from edge_runtime.serving.model import load_model

        version = file.bundle.manifest.version if file.bundle is not None else BARE_VERSION
        name = model_name(file.name if self.name is None else self.name)
        return load_model(name, version, file.model, self.tuning(file.model), blank_run_s=blank_run_s)


def _within_memory(model: ServedModel) -> ServedModel:
    if model.out_of_memory:
        raise MemoryError(model.out_of_memory)
    return model


def model_name(name: str) -> str:
    """A name by which clients can ask for a model.

    :raises InputInvalid: it does not fit into a path, or means something else there.
    """
    if not name or len(name) > MAX_NAME or "/" in name or not name.isprintable() or name == TAKEN:
        raise InputInvalid(f"{name[:MAX_NAME]!r} cannot be a model's name.", hint="Give another one with --name.")
    return name
