"""A site's release repository and a box that trusts it, without the network between them."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from cloud_sync.release.pack import pack_bundle
from cloud_sync.release.sign import ReleaseRepository
from edge_runtime.contracts.manifest import BundleManifest
from edge_runtime.service.trust import TrustStore
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.installer import Installer
from tests.fakes import models


@dataclass
class Delivery:
    """A signed bundle."""

    target: str
    file: Path
    sha256: str
    bundle: str
    manifest: BundleManifest


class FakeSite:
    """Makes releases in a folder, with the keys that are there or with new ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        repository, signing_key = folder / "repository", folder / "signing.key"
        if repository.exists():
            self.repository = ReleaseRepository.open(repository, desktop_key_path=signing_key)
        else:
            self.repository = ReleaseRepository.create(
                repository,
                passphrase="a long passphrase",
                root_key_path=folder / "root.key.pem",
                desktop_key_path=signing_key,
            )

    def copy(self, folder: Path) -> FakeSite:
        """One with the same keys and releases: to seal a new root key is slow on purpose."""
        shutil.copytree(self.folder, folder)
        return FakeSite(folder)

    def candidate(self, version: str = "1.0.0", *, model: bytes | None = None, **changes: object) -> Delivery:
        """A packed bundle that is not signed yet."""
        changes.setdefault("release", self.repository.next_release("parts"))
        manifest = models.manifest(version=version, **changes)
        path = self.folder / f"{version}.bundle"
        bundle, sha256 = pack_bundle(path, manifest, model or models.brightness_model(), models.GOLDEN)
        return Delivery(f"parts/parts-{version}.bundle", path, sha256, bundle, manifest)

    def release(self, version: str = "1.0.0", *, model: bytes | None = None, **changes: object) -> Delivery:
        """A packed and signed bundle."""
        delivery = self.candidate(version, model=model, **changes)
        assert self.repository.add(delivery.file, delivery.manifest, {}) == delivery.target
        return delivery


class FakeBox:
    """A box's home folder with its installer."""

    def __init__(self, home: Path, site: FakeSite) -> None:
        self.home = home
        (home / "trust").mkdir(parents=True, exist_ok=True)
        (home / "trust" / "root.json").write_bytes(site.repository.root_bytes)
        self.site = site
        self.inbox = Inbox(home / "inbox")
        self.installer = self.start()

    def start(self) -> Installer:
        """A fresh installer over the same home, as after a restart."""
        installer = Installer(
            self.home, inbox=self.inbox, now_ms=lambda: time.time_ns() // 1_000_000, trial_frames=20, trial_seconds=10
        )
        installer.recover()
        self.installer = installer
        return installer

    def deliver(self, delivery: Delivery) -> None:
        """What a desktop sends before it asks for an installation."""
        body = delivery.file.read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        self.inbox.append(digest, 0, body, len(body))
        for file in self.site.repository.metadata_files():
            self.inbox.put_metadata(file.name, file.read_bytes())

    def commit(self, delivery: Delivery) -> None:
        """Deliver, install, and let a healthy trial commit it."""
        self.deliver(delivery)
        self.installer.install(delivery.target, baseline=None)
        for index in range(20):
            self.installer.observe(delivery.bundle, latency_ms=1.0, ok=True, now_s=float(index) / 100)
        assert self.active() == delivery.bundle

    def signed_s(self) -> int:
        """When the newest release that it has accepted was signed, as far as the keys count that its root lists."""
        return self.installer.newest_signature_s(TrustStore(self.home).signers)

    def active(self) -> str | None:
        """Bundle id of the model that answers."""
        bundle = self.installer.active()
        return bundle.id if bundle else None
