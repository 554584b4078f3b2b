"""The site's releases: a TUF repository in a folder, signed by this desktop under the site's offline root key."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from cloud_sync.release.root_key import RootKey, new_root_key
from cloud_sync.release.signing_time import require_clock, require_seen, signing_time
from cloud_sync.release.site_roots import ROOT_LIFETIME, Desktop, SiteRoots, expiry, make_root
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, NotFound, TrustRefused
from edge_runtime.contracts.manifest import BundleManifest
from edge_runtime.contracts.runtime import RuntimeFacts
from edge_runtime.contracts.status import ProbeReport
from edge_runtime.identity import fingerprint_of
from edge_runtime.update.bundle import read_bundle
from edge_runtime.update.durable import write_durably
from edge_runtime.update.roots import RELEASE_ROLES
from edge_runtime.update.verify import TARGET_NAME, SignedFacts

RELEASE_LIFETIME = datetime.timedelta(days=365)
"""Boxes stand offline for months: expiry only has to end what was forgotten."""
_KEPT_VERSIONS = 4
_RELEASE_FILE = re.compile(r"[1-9]\d{0,11}\.(?:targets|snapshot)\.json|timestamp\.json")

S = TypeVar("S", Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class _Roles:
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets


class ReleaseRepository:
    """Signed metadata in a folder; the bundles themselves lie elsewhere, by digest.

    Version numbers are ``max(last + 1, clock in seconds)``, so that two desktops need not talk to each other; see
    :mod:`cloud_sync.release.signing_time` for which clocks are believed.
    """

    def __init__(self, folder: Path, root: Root, signer: CryptoSigner, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._root = root
        self._signer = signer
        self._clock = clock

    @staticmethod
    def create(
        folder: Path,
        *,
        passphrase: str,
        root_key_path: Path,
        desktop_key_path: Path,
        desktop: tuple[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> ReleaseRepository:
        """Make a site's trust: an offline root key, this desktop's signing key, and the first metadata.

        :param passphrase: encrypts the root key; it cannot be recovered.
        :param root_key_path: PKCS#8 PEM, encrypted, mode 0600; belongs on a stick in a drawer.
        :param desktop_key_path: PKCS#8 PEM, mode 0600.
        :param desktop: name and certificate (PEM) of this desktop, for the root to list. None: a root without a list,
            as the sites of before have it; their boxes know desktops by files of their own.
        :param clock: seconds since 1970.
        :raises AlreadyExists: one of the three is there; nothing is overwritten.
        :raises InputInvalid: no passphrase.
        :raises ClockDoubtful: the clock is in a far age.
        """
        now_s = int(clock())
        require_clock(now_s, newest_s=0)
        root_key = new_root_key()
        sealed = root_key.sealed(passphrase)
        for path in (folder / "1.root.json", root_key_path, desktop_key_path):
            if path.exists():
                raise AlreadyExists(f"{path} exists; a site's keys are never overwritten.")
        signer = CryptoSigner(new_signing_key(desktop_key_path))
        write_durably(root_key_path, [sealed], mode=0o600)
        desktops = {fingerprint_of(desktop[1]): Desktop(*desktop, signer.public_key)} if desktop else {}
        if desktops:
            signed_root = make_root(
                1, desktops, [root_key], certificate=root_key.certificate(), expires=expiry(now_s), before=None
            )
        else:
            signed_root = _unlisted(root_key, signer, now_s)
        root = Metadata[Root].from_bytes(signed_root).signed
        repository = ReleaseRepository(folder, root, signer, clock)
        repository._publish(Targets(version=now_s, expires=_expiry(now_s, RELEASE_LIFETIME)), now_s)
        # Last: a folder with a root is a whole repository.
        write_durably(folder / "1.root.json", [signed_root])
        return repository

    @staticmethod
    def take_over(folder: Path, releases: Mapping[str, bytes], *, desktop_key_path: Path) -> ReleaseRepository:
        """Make a repository in a folder that has the site's roots: the releases that another desktop signed, signed
        anew by this one.

        :param releases: targets, snapshot and timestamp by file name; nothing else is written.
        :raises TrustRefused: they are not signed by this site, or the root does not list this desktop's key.
        """
        for name, body in releases.items():
            if _RELEASE_FILE.fullmatch(name):
                write_durably(folder / name, [body])
        return ReleaseRepository.open(folder, desktop_key_path=desktop_key_path)

    @staticmethod
    def open(folder: Path, *, desktop_key_path: Path, clock: Callable[[], float] = time.time) -> ReleaseRepository:
        """Open what :meth:`create` made.

        :raises NotFound: no repository there, or this desktop's key is gone.
        :raises TrustRefused: the metadata is damaged or not signed by the site, or the root does not list this key.
        """
        roots = SiteRoots(folder)
        signer = CryptoSigner(load_signing_key(desktop_key_path))
        root = Metadata[Root].from_bytes(roots.newest).signed
        if signer.public_key.keyid not in root.roles[Targets.type].keyids:
            raise TrustRefused(
                "The site's root does not list this desktop's signing key: it may not release.",
                hint="Have the holder of the root key add this desktop.",
            )
        repository = ReleaseRepository(folder, root, signer, clock)
        counting = True
        try:
            roles = repository._roles()
        except TrustRefused:
            earlier = _roles_before(folder, roots)
            if earlier is None:
                raise
            # A key that no longer counts: boxes have forgotten what it signed, however far ahead that was.
            roles, counting = earlier, False
        if signer.public_key.keyid not in _load_metadata(folder, "timestamp.json", Timestamp).signatures:
            # Signed by this desktop's key of before, or by the desktop that admitted it.
            repository._sign_again(roles, counting=counting)
        return repository

    @property
    def root_bytes(self) -> bytes:
        """The newest root: what a box trusts from its enrolment on."""
        return SiteRoots(self._folder).newest

    @property
    def site_id(self) -> str:
        """sha256 of the first root metadata, which stays the same for ever."""
        return hashlib.sha256((self._folder / "1.root.json").read_bytes()).hexdigest()

    @property
    def signed_s(self) -> int:
        """When the releases were signed last, seconds since 1970."""
        return self._roles().timestamp.version

    def has(self, target: str) -> bool:
        """Whether this desktop has signed this release."""
        return target in self._roles().targets.targets

    def make_ready(self, *, seen_s: int, who: str) -> None:
        """Have signatures that a box takes: where it has accepted later ones of another desktop, all releases are
        signed anew.

        :param seen_s: when those were signed, seconds since 1970, as the box says.
        :param who: what the box is called.
        :raises SignedInFuture: that is later than any clock can have been; nothing was signed.
        :raises ClockDoubtful: this desktop's own signatures are from the future, or its clock is not believed.
        """
        now_s, newest_s = int(self._clock()), self.signed_s
        require_clock(now_s, newest_s=newest_s)
        require_seen(now_s, seen_s=seen_s, who=who)
        if newest_s < seen_s:
            self._sign_again(self._roles(), seen_s=seen_s)

    def confirm_date(self) -> None:
        """Sign all releases anew because a person says that this desktop's date is right, however far it is ahead of
        what was signed before.

        :raises ClockDoubtful: it is behind that, or the root has expired.
        """
        self._sign_again(self._roles(), confirmed=True)

    def require_date(self) -> None:
        """:raises ClockDoubtful: nothing can be signed as of this desktop's date."""
        self._signing_time(self.signed_s)

    def release_files(self) -> dict[str, bytes]:
        """Targets, snapshot and timestamp by file name, the timestamp last."""
        return {path.name: path.read_bytes() for path in self.metadata_files() if not path.name.endswith(".root.json")}

    def next_release(self, name: str, *, above: int = 0) -> int:
        """The release counter for the next bundle of this name: above all before it, and at least the clock's
        seconds, so that desktops which have not met count upwards together.

        :param above: the newest one that is known from elsewhere.
        :raises ClockDoubtful: this desktop's clock is not believed.
        """
        roles = self._roles()
        self._signing_time(roles.timestamp.version)
        return max(self._last_release(roles.targets, name) + 1, above + 1, int(self._clock()))

    def add(self, bundle_path: Path, manifest: BundleManifest, proofs: Mapping[str, ProbeReport]) -> str:
        """Sign the bundle at ``bundle_path`` as it is; the same bundle again only renews the signatures.

        :param proofs: what boxes measured of exactly this file, by box id.
        :returns: the target's name, ``NAME/NAME-VERSION.bundle``.
        :raises BundleInvalid, BundleTampered: the file is no bundle.
        :raises InputInvalid: the file's manifest is another one, a proof is of another bundle, or the release
            counter is not above those released.
        :raises ClockDoubtful: this desktop's clock is not believed.
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
        roles.targets.targets[target] = entry
        self._sign_again(roles)
        return target

    def add_runtime(self, manifest: bytes, facts: RuntimeFacts) -> str:
        """Sign the manifest of an edge bundle for boxes of this site; again for the same one: nothing happens.

        :returns: the target's name.
        :raises ClockDoubtful: this desktop's clock is not believed.
        """
        target = runtime_target(facts.version, facts.arch, hashlib.sha256(manifest).hexdigest())
        roles = self._roles()
        if target not in roles.targets.targets:
            entry = TargetFile.from_data(target, manifest, ["sha256"])
            entry.unrecognized_fields["custom"] = wire.to_dict(facts)
            roles.targets.targets[target] = entry
            self._sign_again(roles)
        return target

    def metadata_files(self) -> list[Path]:
        """What a box needs, in the order in which to deliver it: the timestamp last, which makes the rest count."""
        roles = self._roles()
        return [
            *SiteRoots(self._folder).paths,
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
        return _read_roles(self._folder, self._root)

    def _sign_again(self, roles: _Roles, *, seen_s: int = 0, counting: bool = True, confirmed: bool = False) -> None:
        """:param counting: the versions of ``roles`` count: they were signed by a key that the root lists."""
        newest_s = max(roles.targets.version, roles.snapshot.version, roles.timestamp.version) if counting else 0
        version = self._signing_time(newest_s, seen_s=seen_s, confirmed=confirmed)
        # Files of versions that do not count stay whole until the new timestamp is there, which comes last.
        while any((self._folder / f"{version}.{kind}.json").exists() for kind in (Targets.type, Snapshot.type)):
            version += 1
        targets = Targets(version=version, expires=_expiry(version, RELEASE_LIFETIME), targets=roles.targets.targets)
        self._publish(targets, version)

    def _signing_time(self, newest_s: int, *, seen_s: int = 0, confirmed: bool = False) -> int:
        end = self._root.expires
        return signing_time(
            now_s=int(self._clock()),
            newest_s=newest_s,
            seen_s=seen_s,
            root_s=int((end - ROOT_LIFETIME).timestamp()),
            root_end_s=int(end.timestamp()),
            confirmed=confirmed,
        )

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


def read_releases(files: Mapping[str, bytes], root: bytes) -> dict[str, str]:
    """sha256 of each release's file, by the target's name, as a desktop that ``root`` lists has signed it.

    :param files: timestamp, snapshot and targets by file name; hostile.
    :raises TrustRefused: they are not signed by such a desktop, or do not belong together.
    """
    with TemporaryDirectory(prefix="lineside-releases-") as scratch:
        for name, body in files.items():
            if _RELEASE_FILE.fullmatch(name):
                (Path(scratch) / name).write_bytes(body)
        targets = _read_roles(Path(scratch), Metadata[Root].from_bytes(root).signed).targets
    return {target: entry.hashes.get("sha256", "") for target, entry in targets.targets.items()}


def target_name(name: str, version: str) -> str:
    """What a release is called in the repository."""
    return f"{name}/{name}-{version}.bundle"


def runtime_target(version: str, arch: str, sha256: str) -> str:
    """What a version of the box's own program is called in the repository."""
    return f"lineside-edge/{version}-{arch}-{sha256[:12]}.runtime"


def new_signing_key(path: Path) -> Ed25519PrivateKey:
    """A key with which a desktop signs releases, written to ``path`` with mode 0600."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_durably(path, [pem], mode=0o600)
    return key


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """:raises NotFound, TrustRefused: it is gone, or is none."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise NotFound(f"This desktop's signing key is not at {path}.") from error
    except (ValueError, TypeError) as error:
        raise TrustRefused(f"{path} is not this desktop's signing key: {error}.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TrustRefused(f"{path} is not an Ed25519 key.")
    return key


def _read_roles(folder: Path, root: Root) -> _Roles:
    timestamp = _load(folder, "timestamp.json", Timestamp, root)
    snapshot = _load(folder, f"{timestamp.snapshot_meta.version}.snapshot.json", Snapshot, root)
    targets_name = f"{snapshot.meta['targets.json'].version}.targets.json"
    return _Roles(timestamp, snapshot, _load(folder, targets_name, Targets, root))


def _roles_before(folder: Path, roots: SiteRoots) -> _Roles | None:
    """The releases as an earlier root of this site allows them."""
    for path in reversed(roots.paths[:-1]):
        with suppress(TrustRefused):
            return _read_roles(folder, Metadata[Root].from_bytes(path.read_bytes()).signed)
    return None


def _load(folder: Path, filename: str, kind: type[S], root: Root) -> S:
    """A role's content, its signature checked by ``root``."""
    metadata = _load_metadata(folder, filename, kind)
    try:
        root.verify_delegate(kind.type, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as error:
        raise _damaged(filename, error) from error
    return metadata.signed


def _load_metadata(folder: Path, filename: str, kind: type[S]) -> Metadata[S]:
    try:
        metadata = Metadata[S].from_bytes((folder / filename).read_bytes())
    except (RepositoryError, OSError) as error:
        raise _damaged(filename, error) from error
    if not isinstance(metadata.signed, kind):
        raise TrustRefused(f"{filename} in the site's repository is not what its name says.")
    return metadata


def _damaged(filename: str, error: Exception) -> TrustRefused:
    return TrustRefused(
        f"{filename} in the site's repository cannot be used: {error}.",
        hint="Restore the repository from a copy or from another desktop; boxes go on as they are.",
    )


def _unlisted(root_key: RootKey, signer: CryptoSigner, now_s: int) -> bytes:
    root = Root(version=1, expires=_expiry(now_s, ROOT_LIFETIME), consistent_snapshot=True)
    root.add_key(root_key.signer.public_key, Root.type)
    for role in RELEASE_ROLES:
        root.add_key(signer.public_key, role)
    metadata = Metadata(root)
    metadata.sign(root_key.signer)
    return metadata.to_bytes()


def _version_of(path: Path) -> int:
    number = path.name.split(".")[0]
    return int(number) if number.isdecimal() else 0


def _expiry(from_s: int, lifetime: datetime.timedelta) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(from_s, datetime.UTC) + lifetime
