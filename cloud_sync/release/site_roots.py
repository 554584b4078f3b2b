"""The site's roots on a desktop: who may do what, from the first one to the one that counts now.

Every change of it is a new root: made with the root key, with the next number, signed by the key of the root before.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root

from cloud_sync.release.root_key import RootKey
from cloud_sync.release.signing_time import require_clock
from edge_runtime.contracts.errors import NotFound, RootKeyWrong, TrustRefused
from edge_runtime.update.durable import write_durably
from edge_runtime.update.roots import (
    FIELD,
    RELEASE_ROLES,
    ListedDesktop,
    RootFacts,
    check_root,
    encode_field,
    follow,
    read_root,
)

ROOT_LIFETIME = datetime.timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Desktop:
    """A desktop as a root admits it."""

    name: str
    certificate: str
    """PEM, of the key with which it talks to boxes."""
    key: Key
    """With which it signs releases."""


class SiteRoots:
    """``N.root.json`` in the release repository's folder; at least one is there.

    :raises NotFound: there is none.
    :raises TrustRefused: the newest one is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        paths = sorted(folder.glob("*.root.json"), key=lambda path: _number(path.name))
        if not paths:
            raise NotFound(f"There is no release repository in {folder}.")
        self.paths: list[Path] = paths
        """The first one first."""
        try:
            self.newest: bytes = paths[-1].read_bytes()
            self.facts: RootFacts = check_root(self.newest)
        except Exception as error:
            raise TrustRefused(
                f"{paths[-1].name} in the site's repository cannot be used: {error}.",
                hint="Restore the repository from a copy or from another desktop; boxes go on as they are.",
            ) from error

    @property
    def version(self) -> int:
        return self.facts.version

    @property
    def keyids(self) -> list[str]:
        """Of the root role."""
        return list(_root(self.newest).roles[Root.type].keyids)

    @property
    def root_keys(self) -> list[Key]:
        """Of the root role."""
        root = _root(self.newest)
        return [root.keys[keyid] for keyid in root.roles[Root.type].keyids]

    def body(self, version: int) -> bytes:
        """:raises NotFound: it is not here."""
        try:
            return (self._folder / f"{version}.root.json").read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"This desktop has no root {version}.") from error

    def chain(self) -> list[bytes]:
        """Every root that is here, the first one first."""
        return [path.read_bytes() for path in self.paths]

    def certificate_of(self, keyid: str) -> str | None:
        """Of a root key, as the newest root that names it has it: who knows no newer one knows its holder by it.

        :raises RootKeyWrong: no root here names it.
        """
        for body in reversed(self.chain()):
            if keyid in _root(body).roles[Root.type].keyids:
                return read_root(body).root_certificate
        raise RootKeyWrong("This key has never signed the roots of this site.")

    def desktops(self) -> dict[str, Desktop]:
        """By fingerprint; empty where the newest root is of the time before roots listed them."""
        root = _root(self.newest)
        listed = self.facts.desktops or {}
        return {
            fingerprint: Desktop(entry.name, entry.certificate, root.keys[entry.keyid])
            for fingerprint, entry in listed.items()
        }

    def adopt(self, body: bytes) -> SiteRoots:
        """Take the next root over from a box, a file or the object store; one that is known changes nothing.

        :raises TrustRefused: it does not follow from the newest one here, or another one of its number is here.
        :raises InputInvalid: it is no root.
        """
        facts = read_root(body)
        if facts.version <= self.version:
            if self.body(facts.version) != body:
                raise _two_roots(facts.version)
            return self
        follow(self.newest, body)
        self._put(facts.version, body)
        return SiteRoots(self._folder)

    def change(
        self, desktops: Mapping[str, Desktop], key: RootKey, *, now_s: int, new_key: RootKey | None = None
    ) -> SiteRoots:
        """The next root, not written yet: it lists exactly ``desktops``, by fingerprint.

        :param new_key: takes the place of ``key`` from this root on.
        :raises RootKeyWrong: ``key`` does not sign this site's roots.
        :raises ClockDoubtful: the clock is in a far age.
        """
        require_clock(now_s, newest_s=0)
        if key.keyid not in self.keyids:
            raise RootKeyWrong("This key does not sign the roots of this site.")
        if new_key is None:
            # The same certificate as before: it is how a box knows the holder of the key.
            signers, certificate = [key], self.facts.root_certificate or key.certificate()
        else:
            signers, certificate = [key, new_key], new_key.certificate()
        expires = max(expiry(now_s), _root(self.newest).expires)
        return self.adopt(
            make_root(
                self.version + 1,
                desktops,
                signers,
                certificate=certificate,
                expires=expires,
                before=self.facts.digest,
            )
        )

    def _put(self, version: int, body: bytes) -> None:
        """A root that is there once is never replaced, whoever writes at the same time."""
        from filelock import FileLock

        path = self._folder / f"{version}.root.json"
        with FileLock(self._folder / "roots.lock"):
            if not path.exists():
                write_durably(path, [body])
            elif path.read_bytes() != body:
                raise _two_roots(version)


def make_root(
    version: int,
    desktops: Mapping[str, Desktop],
    signers: list[RootKey],
    *,
    certificate: str,
    expires: datetime.datetime,
    before: str | None,
) -> bytes:
    """A signed root. The last of ``signers`` is the key that it names as its own; ``certificate`` is that one's.

    :param expires: never before the root that it follows: what was signed under that one counts as a box's time.
    :param before: sha256 of the root that it follows; None: it is the first one.
    """
    own = signers[-1]
    listed = {
        fingerprint: ListedDesktop(name=desktop.name, certificate=desktop.certificate, keyid=desktop.key.keyid)
        for fingerprint, desktop in desktops.items()
    }
    root = Root(
        version=version,
        expires=expires,
        consistent_snapshot=True,
        unrecognized_fields={FIELD: encode_field(listed, certificate, before)},
    )
    root.add_key(own.signer.public_key, Root.type)
    for desktop in desktops.values():
        for role in RELEASE_ROLES:
            root.add_key(desktop.key, role)
    metadata = Metadata(root)
    for signer in signers:
        metadata.sign(signer.signer, append=True)
    return metadata.to_bytes()


def expiry(now_s: int) -> datetime.datetime:
    """When a root that is made now expires."""
    return datetime.datetime.fromtimestamp(now_s, datetime.UTC) + ROOT_LIFETIME


def begin_roots(folder: Path, bodies: Iterable[bytes]) -> SiteRoots:
    """Write a whole chain into an empty folder, or one that has a part of it already.

    :raises InputInvalid, TrustRefused: it is no chain; nothing after the last good one was written.
    """
    trusted: bytes | None = None
    for body in bodies:
        facts = check_root(body) if trusted is None else follow(trusted, body)
        write_durably(folder / f"{facts.version}.root.json", [body])
        trusted = body
    return SiteRoots(folder)


def _two_roots(version: int) -> TrustRefused:
    return TrustRefused(
        f"There are two different roots {version} of this site.",
        hint="Two people changed the site's keys at the same time. Make the change of one of them again.",
    )


def _root(body: bytes) -> Root:
    return Metadata[Root].from_bytes(body).signed


def _number(filename: str) -> int:
    number = filename.split(".")[0]
    return int(number) if number.isdecimal() else 0
