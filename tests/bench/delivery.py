"""A bundle to five hundred boxes against plain TLS sockets, and what a version costs that shares most of its bytes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.fleet.client import BoxClient
from app.fleet.delivery import deliver_bundle
from app.fleet.patches import Patches
from cloud_sync.release.pack import pack_bundle
from edge_runtime.identity import Identity, client_context, create_identity
from edge_runtime.update.inbox import Inbox
from tests.bench.measure import Figure, Goal, seconds
from tests.bench.tls_sink import GOT_IT
from tests.fakes import models, weights
from tests.fakes.site import FakeSite

COUNT = 500
BUNDLE_BYTES = 4 * 2**20
AT_ONCE = 8
"""Connections in use at one time, on both sides of the comparison."""
BATCH = 25


@contextmanager
def peers(*command: object) -> Iterator[list[dict[str, Any]]]:
    """Listeners in one process of their own."""
    with subprocess.Popen([sys.executable, "-m", *map(str, command)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


def measure() -> list[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        return [rollout(folder / "rollout"), *second_version(folder / "second")]


def rollout(folder: Path) -> Figure:
    """What a rollout says to each box: how are you, the signatures, what have you got, the bundle, install it."""
    site = FakeSite(folder / "site")
    release = site.release("1.0.0", model=weights.heavy_model(weights.int8_weights(BUNDLE_BYTES)))
    desktop, metadata = create_identity(folder / "desktop", "bench"), site.repository.metadata_files()
    body = release.file.read_bytes()

    def bring(box: dict[str, Any]) -> None:
        with BoxClient(f"127.0.0.1:{box['port']}", box["certificate"], desktop) as client:
            client.status()
            for file in metadata:
                client.put_metadata(file.name, file.read_bytes())
            done = deliver_bundle(client, release.file, release.sha256, sent=lambda _here, _all: None)
            assert done.sent == len(body)
            client.install(release.target)

    def push(sink: dict[str, Any]) -> None:
        with tls(sink, desktop) as connection:
            connection.sendall(body)
            assert connection.recv(1) == GOT_IT

    certificate = desktop.certificate_path
    ours = theirs = 0.0
    with (
        peers("tests.bench.tls_sink", folder / "sinks", COUNT, certificate, len(body)) as sinks,
        peers("tests.bench.many_boxes", folder / "boxes", COUNT, certificate, "--takes", release.file) as boxes,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):

        def to_each(work: Callable[[dict[str, Any]], None], some: list[dict[str, Any]]) -> None:
            for _ in pool.map(work, some):
                pass

        # By turns, so that a busy machine disturbs both; a box takes the bundle only once.
        for start in range(0, COUNT, BATCH):
            batch = slice(start, start + BATCH)
            theirs += seconds(partial(to_each, push, sinks[batch]))
            ours += seconds(partial(to_each, bring, boxes[batch]))
    moved = COUNT * len(body) / 1e6
    return Figure(
        what=f"A bundle of {BUNDLE_BYTES >> 20} MB, its signatures and the order to install it to {COUNT} boxes",
        reference="as many plain TLS sockets that move the bundle alone",
        unit="MB/s",
        ours=moved / ours,
        theirs=moved / theirs,
        higher_is_better=True,
        goal=Goal(ratio=0.7),
    )


def second_version(folder: Path) -> list[Figure]:
    """Bytes of a patch between two versions, against the bytes of the second, for each way to change a tenth."""
    folder.mkdir()
    before = weights.int8_weights(BUNDLE_BYTES)
    first = folder / "1.0.0.bundle"
    _bundle, base = pack_bundle(first, models.manifest(), weights.heavy_model(before), models.GOLDEN)
    figures = []
    for kind, change in weights.CHANGES.items():
        second = folder / f"{kind}.bundle"
        manifest = models.manifest(version="1.0.1", release=2)
        _bundle, sha256 = pack_bundle(second, manifest, weights.heavy_model(change(before)), models.GOLDEN)
        patch = Patches(folder / "patches").between(first, base, second, sha256)
        assert patch is not None
        inbox = Inbox(folder / "inbox" / kind)
        for path, digest in ((first, base), (patch.path, patch.sha256)):
            inbox.append(digest, 0, path.read_bytes(), path.stat().st_size)
        inbox.make(sha256, base=base, patch=patch.sha256)
        figures.append(
            Figure(
                what=f"A second version that shares nine tenths ({kind}): bytes sent",
                reference="the whole bundle",
                unit="KB",
                ours=patch.size / 1e3,
                theirs=second.stat().st_size / 1e3,
                higher_is_better=False,
                goal=Goal(ratio=0.2),
            )
        )
    return figures


@contextmanager
def tls(sink: dict[str, Any], desktop: Identity) -> Iterator[socket.socket]:
    with (
        socket.create_connection(("127.0.0.1", sink["port"])) as plain,
        client_context(desktop, sink["certificate"]).wrap_socket(plain) as connection,
    ):
        yield connection
