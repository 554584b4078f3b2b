"""A site with real boxes and released models, a colleague's desktop, and what a test does with them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from app.context import Context
from app.store import models as model_store
from app.store.records import Model
from app.usecases import boxes, joining, trust
from cloud_sync.release.pack import pack_bundle
from tests.fakes import models

PASSPHRASE = "correct horse"


def in_library(
    ctx: Context,
    folder: Path,
    version: str,
    weights: bytes,
    *,
    name: str = "parts",
    signed: bool = True,
    budget_ms: float | None = None,
) -> Model:
    """A model in the library of this desktop, released with its signature or only judged.

    :param weights: the ONNX file.
    """
    manifest = models.manifest(
        name=name, version=version, release=ctx.repository().next_release(name), latency_budget_ms=budget_ms
    )
    path = folder / f"{name}-{version}-{ctx.site.replica[:6]}.bundle"
    bundle, sha256 = pack_bundle(path, manifest, weights, models.GOLDEN)
    size = path.stat().st_size
    ctx.blobs.put_file(path, sha256)
    if signed:
        ctx.repository().add(ctx.blobs.path(sha256), manifest, {})
    model = Model(
        model=bundle,
        sha256=sha256,
        size=size,
        name=name,
        version=version,
        release=manifest.release,
        state="released" if signed else "gated",
        created_ms=boxes.now_ms(),
        burst=None,
        dataset=None,
    )
    model_store.put_model(ctx.database, model)
    return model


def release(
    ctx: Context, folder: Path, version: str = "1.0.0", *, name: str = "parts", threshold: float = 128.0
) -> Model:
    """A small model in the library, signed."""
    return in_library(ctx, folder, version, models.brightness_model(threshold=threshold), name=name)


def admitted(office: Context, folder: Path, stack: ExitStack, name: str = "second") -> Context:
    """A second desktop of the site, which no box knows yet."""
    request = joining.request_join(folder / name, folder / f"{name}.request", name=name)
    trust.admit(office, request, folder / f"{name}.admission", root_key=office.places.root_key, passphrase=PASSPHRASE)
    number = trust.get_trust(office).site_number
    return stack.enter_context(joining.join(folder / name, folder / f"{name}.admission", number=number))
