"""The site's releases: a TUF repository in a folder, signed by this desktop under the site's offline root key."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, NotFound, TrustRefused
from edge_runtime.contracts.manifest import BundleManifest
from edge_runtime.contracts.status import ProbeReport
from edge_runtime.update.bundle import read_bundle
from edge_runtime.update.durable import write_durably
from edge_runtime.update.verify import TARGET_NAME, SignedFacts

ROOT_LIFETIME = datetime.timedelta(days=3650)
RELEASE_LIFETIME = datetime.timedelta(days=365)
"""Boxes stand offline for months: expiry only has to end what was forgotten."""
_KEPT_VERSIONS = 4

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class _Roles:
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets


class ReleaseRepository:
    """Signed metadata in a folder; the bundles themselves lie elsewhere, by digest.

    Version numbers are ``max(last + 1, clock in seconds)``, so that two desktops need not talk to each other.
    """

    def __init__(self, folder: Path, root: Root, signer: CryptoSigner) -> None:
        self._folder = folder
        self._root = root
        self._signer = signer

    @staticmethod
    def create(folder: Path, *, passphrase: str, root_key_path: Path, desktop_key_path: Path) -> ReleaseRepository:
        """Make a site's trust: an offline root key, this desktop's signing key, and the first metadata.

        :param passphrase: encrypts the root key; it cannot be recovered.
        :param root_key_path: PKCS#8 PEM, encrypted, mode 0600; belongs on a stick in a drawer.
        :param desktop_key_path: PKCS#8 PEM, mode 0600.
        :raises AlreadyExists: one of the three is there; nothing is overwritten.
        :raises InputInvalid: no passphrase.
        """
        if not passphrase:
            raise InputInvalid("The root key needs a passphrase.")
        for path in (folder / "1.root.json", root_key_path, desktop_key_path):
            if path.exists():
                raise AlreadyExists(f"{path} exists; a site's keys are never overwritten.")
        root_key, desktop_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        root_signer, signer = CryptoSigner(root_key), CryptoSigner(desktop_key)
        now_s = int(time.time())
        root = Root(version=1, expires=_expiry(now_s, ROOT_LIFETIME), consistent_snapshot=True)
        root.add_key(root_signer.public_key, Root.type)
        for role in (Targets.type, Snapshot.type, Timestamp.type):
            root.add_key(signer.public_key, role)
        encrypted = serialization.BestAvailableEncryption(passphrase.encode())
        write_durably(root_key_path, [_pem(root_key, encrypted)], mode=0o600)
        write_durably(desktop_key_path, [_pem(desktop_key, serialization.NoEncryption())], mode=0o600)
        signed_root: Metadata[Root] = Metadata(root)
        signed_root.sign(root_signer)
        repository = ReleaseRepository(folder, root, signer)
        repository._publish(Targets(version=now_s, expires=_expiry(now_s, RELEASE_LIFETIME)), now_s)
        # Last: a folder with a root is a whole repository.
        write_durably(folder / "1.root.json", [signed_root.to_bytes()])
        return repository

    @staticmethod
    def open(folder: Path, *, desktop_key_path: Path) -> ReleaseRepository:
        """Open what :meth:`create` made.

        :raises NotFound: no repository there, or this desktop's key is gone.
        :raises TrustRefused: the metadata is damaged or not signed by the site, or the root does not list this key.
        """
        newest = _newest(folder, Root.type)
        try:
            key = serialization.load_pem_private_key(desktop_key_path.read_bytes(), password=None)
        except FileNotFoundError as error:
            raise NotFound(f"This desktop's signing key is not at {desktop_key_path}.") from error
        except (ValueError, TypeError) as error:
            raise TrustRefused(f"{desktop_key_path} is not this desktop's signing key: {error}.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise TrustRefused(f"{desktop_key_path} is not an Ed25519 key.")
        signer = CryptoSigner(key)
        root = _load(folder, newest, Root, None)
        if signer.public_key.keyid not in root.roles[Targets.type].keyids:
            raise TrustRefused(
                "The site's root does not list this desktop's signing key: it may not release.",
                hint="Have the holder of the root key add this desktop.",
            )
        repository = ReleaseRepository(folder, root, signer)
        repository._roles()
        return repository

    @property
    def root_bytes(self) -> bytes:
        """The first root metadata: what a box trusts from its enrolment on."""
        return (self._folder / "1.root.json").read_bytes()

    @property
    def site_id(self) -> str:
        """sha256 of :attr:`root_bytes`."""
        return hashlib.sha256(self.root_bytes).hexdigest()

    def next_release(self, name: str) -> int:
        """The release counter for the next bundle of this name: above all before it, and at least the clock's
        seconds, so that desktops which have not met count upwards together.
        """
        return max(self._last_release(self._roles().targets, name) + 1, int(time.time()))

    def add(self, bundle_path: Path, manifest: BundleManifest, proofs: Mapping[str, ProbeReport]) -> str:
        """Sign the bundle at ``bundle_path`` as it is; the same bundle again only renews the signatures.

        :param proofs: what boxes measured of exactly this file, by box id.
        :returns: the target's name, ``NAME/NAME-VERSION.bundle``.
        :raises BundleInvalid, BundleTampered: the file is no bundle.
        :raises InputInvalid: the file's manifest is another one, a proof is of another bundle, or the release
            counter is not above those released.
        :raises AlreadyExists: another bundle was released under this name and version.
        """
        bundle = read_bundle(bundle_path)
        if bundle.manifest != dataclasses.replace(manifest, files=bundle.manifest.files):
            raise InputInvalid(f"The manifest in {bundle_path.name} is not that of {manifest.name} {manifest.version}.")
        if foreign := [box for box, proof in proofs.items() if proof.bundle != bundle.id]:
            raise InputInvalid(f"The proof of box {foreign[0][:12]}… is of another bundle.")
        target = target_name(manifest.name, manifest.version)
        signed_proofs = {box: wire.encode(proof).decode() for box, proof in proofs.items()}
        facts = SignedFacts(release=manifest.release, bundle=bundle.id, proofs=signed_proofs)
        entry = TargetFile.from_file(target, str(bundle_path), ["sha256"])
        entry.unrecognized_fields["custom"] = wire.to_dict(facts)
        roles = self._roles()
        released = roles.targets.targets.get(target)
        if released is not None and released.hashes != entry.hashes:
            raise AlreadyExists(f"Another bundle was released as {target}; give this one a new version.")
        last = self._last_release(roles.targets, manifest.name)
        if released is None and manifest.release <= last:
            raise InputInvalid(f"Release {manifest.release} of {manifest.name} is not above {last}, the newest one.")
        now_s = int(time.time())
        version = max(roles.targets.version + 1, now_s)
        targets = Targets(
            version=version,
            expires=_expiry(version, RELEASE_LIFETIME),
            targets={**roles.targets.targets, target: entry},
        )
        self._publish(targets, max(version, roles.snapshot.version + 1, roles.timestamp.version + 1))
        return target

    def metadata_files(self) -> list[Path]:
        """What a box needs, in the order in which to deliver it: the timestamp last, which makes the rest count."""
        roles = self._roles()
        roots = sorted(self._folder.glob("*.root.json"), key=_version_of)
        return [
            *roots,
            self._folder / f"{roles.targets.version}.targets.json",
            self._folder / f"{roles.snapshot.version}.snapshot.json",
            self._folder / "timestamp.json",
        ]

    @staticmethod
    def _last_release(targets: Targets, name: str) -> int:
        releases = [0]
        for path, entry in targets.targets.items():
            named = TARGET_NAME.fullmatch(path)
            if named and named["name"] == name:
                releases.append(wire.from_dict(entry.custom, SignedFacts, what=f"release {path}").release)
        return max(releases)

    def _roles(self) -> _Roles:
        timestamp = _load(self._folder, "timestamp.json", Timestamp, self._root)
        snapshot_name = f"{timestamp.snapshot_meta.version}.snapshot.json"
        snapshot = _load(self._folder, snapshot_name, Snapshot, self._root)
        targets_name = f"{snapshot.meta['targets.json'].version}.targets.json"
        return _Roles(timestamp, snapshot, _load(self._folder, targets_name, Targets, self._root))

    def _publish(self, targets: Targets, version: int) -> None:
        """Write the three roles; a box or we ourselves see them once the timestamp is there, which comes last."""
        expires = _expiry(version, RELEASE_LIFETIME)
        snapshot = Snapshot(version=version, expires=expires, meta={"targets.json": MetaFile(targets.version)})
        timestamp = Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
        self._write(f"{targets.version}.targets.json", targets)
        self._write(f"{version}.snapshot.json", snapshot)
        self._write("timestamp.json", timestamp)
        for kind in (Targets.type, Snapshot.type):
            for old in sorted(self._folder.glob(f"*.{kind}.json"), key=_version_of)[:-_KEPT_VERSIONS]:
                old.unlink(missing_ok=True)

    def _write(self, filename: str, role: S) -> None:
        metadata = Metadata(role)
        metadata.sign(self._signer)
        write_durably(self._folder / filename, [metadata.to_bytes()])


def target_name(name: str, version: str) -> str:
    """What a release is called in the repository."""
    return f"{name}/{name}-{version}.bundle"


def _load(folder: Path, filename: str, kind: type[S], root: Root | None) -> S:
    """A role's content, its signature checked by ``root``; a root is checked by itself."""
    try:
        metadata = Metadata[S].from_bytes((folder / filename).read_bytes())
        signed = metadata.signed
        if not isinstance(signed, kind):
            raise TrustRefused(f"{filename} in the site's repository is not what its name says.")
        delegator = signed if isinstance(signed, Root) else root
        if delegator is None:
            raise TrustRefused(f"{filename} in the site's repository stands without its root.")
        delegator.verify_delegate(signed.type, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, OSError) as error:
        raise TrustRefused(
            f"{filename} in the site's repository cannot be used: {error}.",
            hint="Restore the repository from a copy or from another desktop; boxes go on as they are.",
        ) from error
    return signed


def _newest(folder: Path, role: str) -> str:
    files = sorted(folder.glob(f"*.{role}.json"), key=_version_of)
    if not files:
        raise NotFound(f"There is no release repository in {folder}.")
    return files[-1].name


def _version_of(path: Path) -> int:
    number = path.name.split(".")[0]
    return int(number) if number.isdecimal() else 0


def _expiry(from_s: int, lifetime: datetime.timedelta) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(from_s, datetime.UTC) + lifetime


def _pem(key: Ed25519PrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
