"""The model that somebody names on the command line: a bare ONNX file, or a bundle."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.contracts.errors import BundleInvalid, ModelUnusable, NotFound
from edge_runtime.update.bundle import MAX_BUNDLE_BYTES, Bundle, read_bundle

_ZIP = b"PK"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What the file holds; whether it can be run is for ONNX Runtime to say."""

    name: str
    """The file's name without its ending, or the bundle's own name."""
    model: bytes
    bundle: Bundle | None = None


def read_model_file(path: Path) -> ModelFile:
    """Read a model for use on this machine; nobody asks here who signed it.

    :raises NotFound: there is no such file.
    :raises ModelUnusable: it is empty, far too large, or no file at all.
    :raises BundleInvalid, BundleTampered: it is a zip, but no whole bundle.
    """
    try:
        size = path.stat().st_size
        # A pipe or a device would have us wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelUnusable(f"{path} is not a file.")
        if size > MAX_BUNDLE_BYTES:
            raise ModelUnusable(f"{path} has {size} bytes; at most {MAX_BUNDLE_BYTES} are read.")
        with path.open("rb") as file:
            body = file.read(MAX_BUNDLE_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", hint="Check the path.") from error
    except OSError as error:
        raise ModelUnusable(f"{path} cannot be read: {error.strerror}.") from error
    if not body:
        raise ModelUnusable(f"{path} is empty.")
    if not body.startswith(_ZIP):
        return ModelFile(path.name.removesuffix(".onnx"), body)
    try:
        bundle = read_bundle(path.resolve())
    except BundleInvalid as error:
        raise BundleInvalid(error.message, hint="Build the bundle again, or name the ONNX file itself.") from error
    return ModelFile(bundle.manifest.name, bundle.model, bundle)
