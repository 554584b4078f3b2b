"""The model that somebody names on the command line: a bare ONNX file, or a bundle."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import BundleInvalid, ModelUnusable, NotFound
from edge_runtime.plain_files import read_at_most

if TYPE_CHECKING:
    from edge_runtime.update.bundle import Bundle

MAX_MODEL_BYTES = 2**31
"""ONNX files are protobuf messages, which can be no larger."""
_ZIP = b"PK"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What the file holds; whether it can be run is for ONNX Runtime to say."""

    name: str
    """:func:`file_name`, or the bundle's own name."""
    model: bytes
    bundle: Bundle | None = None

    def digest(self) -> str:
        """The same for files of the same content."""
        return self.bundle.id if self.bundle is not None else hashlib.sha256(self.model).hexdigest()


def file_name(path: Path) -> str:
    """What a model is called by its file's name: the whole of it without ``.onnx``, whatever dots are in it."""
    return path.name.removesuffix(".onnx")


def not_a_file(path: Path) -> ModelUnusable:
    """What is said of a folder, a pipe or a device."""
    return ModelUnusable(f"{path} is not a file.", hint="Name an ONNX file or a bundle.")


def read_model_file(path: Path) -> ModelFile:
    """Read a model for use on this machine; nobody asks here who signed it.

    :raises NotFound: there is no such file.
    :raises ModelUnusable: it is empty, far too large, or no file at all.
    :raises BundleInvalid, BundleTampered: it is a zip, but no whole bundle.
    """
    try:
        facts = path.stat()
        # A pipe or a device would have us wait for ever, or read for ever.
        if not stat.S_ISREG(facts.st_mode):
            raise not_a_file(path)
        if facts.st_size > MAX_MODEL_BYTES:
            raise ModelUnusable(
                f"{path} has {facts.st_size} bytes; at most {MAX_MODEL_BYTES} are read.",
                hint="An ONNX file cannot be larger: quantize the model, or split it.",
            )
        with path.open("rb") as file:
            begin = file.read(len(_ZIP))
            body = b"" if begin == _ZIP else begin + read_at_most(file, MAX_MODEL_BYTES - len(begin))
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", hint="Check the path.") from error
    except OSError as error:
        raise ModelUnusable(f"{path} cannot be read: {error.strerror}.") from error
    except MemoryError as error:
        raise ModelUnusable(
            f"{path} has {facts.st_size} bytes, for which there is not enough memory.",
            hint="Stop what else takes memory here, or quantize the model.",
        ) from error
    if not begin:
        raise ModelUnusable(f"{path} is empty.")
    if begin != _ZIP:
        if len(body) > MAX_MODEL_BYTES:
            raise ModelUnusable(f"{path} is being written to.", hint="Wait until it is whole.")
        return ModelFile(file_name(path), body)
    # Most models are bare, and a server's first answer need not wait for what only bundles take.
    from edge_runtime.update.bundle import read_bundle

    try:
        bundle = read_bundle(path.resolve())
    except BundleInvalid as error:
        raise BundleInvalid(error.message, hint="Build the bundle again, or name the ONNX file itself.") from error
    return ModelFile(bundle.manifest.name, bundle.model, bundle)
