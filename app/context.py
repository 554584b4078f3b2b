"""Everything that a use-case needs, opened once and handed in."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.fleet.patches import Patches
from app.secrets import Secrets, Vault
from app.settings import Settings, load_settings, save_settings
from app.store.blobs import Blobs
from app.store.database import Database
from app.store.records import Site
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    DatabaseDamaged,
    InputInvalid,
    KeysBusy,
    NotFound,
    SiteMissing,
    StoreUnreachable,
)
from edge_runtime.identity import CERTIFICATE_NAME, Identity, load_identity
from edge_runtime.update.durable import sync_folder

if TYPE_CHECKING:
    from cloud_sync.bursts.hosts.base import Host
    from cloud_sync.objects import ObjectStore
    from cloud_sync.recipes.base import Recipe
    from cloud_sync.release.sign import ReleaseRepository
    from cloud_sync.release.site_roots import SiteRoots
    from edge_runtime.update.bundle import Bundle

SITE_NAME = "site.json"
DATABASE_NAME = "lineside.db"
KEYS_WAIT_S = 60.0
_Stamp = tuple[int, int] | None
"""How the file of the identity looked; None: it was not there."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of a site lie in its home."""

    home: Path

    @property
    def site(self) -> Path:
        """Written last when a site is made: where it is, there is a site."""
        return self.home / SITE_NAME

    @property
    def database(self) -> Path:
        return self.home / DATABASE_NAME

    @property
    def keys(self) -> Path:
        """This desktop's identity and signing key."""
        return self.home / "keys"

    @property
    def signing_key(self) -> Path:
        return self.keys / "signing.key"

    @property
    def next_keys(self) -> Path:
        """New keys of this desktop that no root lists yet."""
        return self.home / "keys.next"

    @property
    def former_keys(self) -> list[Path]:
        """The keys of before, the oldest first, for boxes that have not heard of the new ones."""
        return sorted(self.home.glob("keys.former*"))

    @property
    def keys_lock(self) -> Path:
        """Locked while keys are changed; see :func:`changing_keys`."""
        return self.home / "keys.lock"

    @property
    def root_key(self) -> Path:
        """The site's offline key, encrypted; best moved to a USB stick in a safe."""
        return self.home / "root" / "root.key.pem"

    @property
    def repository(self) -> Path:
        return self.home / "repository"

    @property
    def objects(self) -> Path:
        return self.home / "objects"

    @property
    def patches(self) -> Path:
        """What makes one bundle of another; may be deleted at any time."""
        return self.home / "patches"

    @property
    def bursts(self) -> Path:
        """Stands in for the object store, for bursts on this machine, until the site has one."""
        return self.home / "bursts"

    @property
    def hosts(self) -> Path:
        """What training hosts keep on this machine."""
        return self.home / "hosts"

    @property
    def visits(self) -> Path:
        """A lock for each machine that is enrolled or released from here."""
        return self.home / "visits"


@dataclass
class Context:
    """A site on this desktop. Make one with :func:`open_context`; close it when done."""

    home: Path
    site: Site
    settings: Settings
    secrets: Secrets
    database: Database
    blobs: Blobs
    places: Places = field(repr=False)
    _identity: tuple[_Stamp, Identity] = field(repr=False)
    """Read from a file that looked so then."""
    signing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held while releases are signed or their signatures read together: several boxes are served at a time."""
    _repository: tuple[str, ReleaseRepository] | None = field(default=None, repr=False)
    """Opened under the root of this digest."""
    _roots: tuple[frozenset[tuple[str, int, int]], SiteRoots] | None = field(default=None, repr=False)
    """Read from files that looked so then."""

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is being written; calling it again does nothing."""
        self.database.close()

    def change_settings(self, settings: Settings) -> None:
        """Save other settings and use them from now on.

        :raises ConfigInvalid: a value is not allowed; the old ones stay.
        """
        save_settings(self.home, settings)
        self.settings = settings
        # Hosts are made from the settings: the next burst uses the new ones.
        self.__dict__.pop("hosts", None)

    @property
    def identity(self) -> Identity:
        """This desktop's, as it is now: another window or command may have given it new keys a moment ago."""
        seen = _stamp(self.places)
        if seen != self._identity[0]:
            # As long as the new keys are on their way to their place, those of before are the ones that there are.
            with suppress(DatabaseDamaged):
                self._identity = seen, _desktop_identity(self.places)
        return self._identity[1]

    @cached_property
    def patches(self) -> Patches:
        """What makes one bundle of another, made when it is needed."""
        return Patches(self.places.patches)

    @cached_property
    def recipes(self) -> Mapping[str, Recipe]:
        """What can be trained, by name."""
        return _plug_ins("lineside.recipes")

    @cached_property
    def hosts(self) -> Mapping[str, Host]:
        """Where it can be trained, by name."""
        makers = _plug_ins("lineside.hosts")
        if python := self.settings.training_python:
            makers["local"] = partial(makers["local"], python=python)
        return {name: make(self.places.hosts / name) for name, make in makers.items()}

    def repository(self) -> ReleaseRepository:
        """The site's signed releases.

        :raises TrustRefused: this desktop is not one of those that may release, or the repository is damaged.
        """
        from cloud_sync.release.sign import ReleaseRepository

        newest = self.roots().facts.digest
        if self._repository is None or self._repository[0] != newest:
            opened = ReleaseRepository.open(self.places.repository, desktop_key_path=self.places.signing_key)
            self._repository = newest, opened
        return self._repository[1]

    def roots(self) -> SiteRoots:
        """Who may do what at this site, as this desktop knows it now."""
        from cloud_sync.release.site_roots import SiteRoots

        # Every contact asks: as long as the files are the same ones, they say the same.
        folder = self.places.repository
        found = ((path.name, path.stat()) for path in folder.glob("*.root.json"))
        seen = frozenset((name, stat.st_mtime_ns, stat.st_ino) for name, stat in found)
        if self._roots is None or self._roots[0] != seen:
            self._roots = seen, SiteRoots(folder)
        return self._roots[1]

    def bundle(self, sha256: str) -> Bundle:
        """A bundle of the library, checked member by member.

        :raises BundleInvalid, BundleTampered: the file is not what it was.
        """
        from edge_runtime.update.bundle import read_bundle

        return read_bundle(self.blobs.path(sha256))

    def open_store(self) -> AbstractContextManager[ObjectStore]:
        """The site's object store, with the credentials that were saved for it or the usual ones.

        :raises InputInvalid: none was set up.
        """
        if self.settings.store is None:
            raise InputInvalid(
                "This site has no object store yet.", hint="Set one up: `lineside sync setup ADDRESS`, or in Settings."
            )
        return self._open(self.settings.store)

    @contextmanager
    def open_burst_store(self) -> Iterator[ObjectStore]:
        """Where bursts and their agents meet: the site's object store, or until it has one a folder of this desktop's.

        One that is away can be opened too: bursts can wait for it.
        """
        from cloud_sync.objects.absent import AbsentStore

        address = self.settings.store or f"folder:{self.places.bursts}"
        with ExitStack() as stack:
            try:
                store: ObjectStore = stack.enter_context(self._open(address))
            except StoreUnreachable as error:
                store = AbsentStore(address, error)
            yield store

    @contextmanager
    def _open(self, address: str) -> Iterator[ObjectStore]:
        from cloud_sync.objects import open_store

        credentials = self.secrets.store_credentials(address) if address.startswith("s3:") else None
        store = open_store(address, endpoint_url=self.settings.endpoint_url, credentials=credentials)
        try:
            yield store
        finally:
            store.close()


def default_home() -> Path:
    """Where a person's site is: ``LINESIDE_HOME``, else the system's place for a program's data."""
    if home := os.environ.get("LINESIDE_HOME"):
        return Path(home).absolute()
    import platformdirs

    return platformdirs.user_data_path("lineside", appauthor=False) / "site"


def open_context(home: Path, *, vault: Vault | None = None) -> Context:
    """Open the site in ``home``.

    :param vault: where secrets are kept; None: the system's keyring, or a private file without one.
    :raises SiteMissing: there is none.
    :raises DatabaseTooNew, DatabaseDamaged, ConfigInvalid: it cannot be opened; nothing was changed.
    """
    places = Places(home.absolute())
    site = read_site(places)
    settings = load_settings(places.home)
    if places.next_keys.exists():
        with changing_keys(places):
            settle_keys(places)
    _remove_copies_of_the_root_key(places)
    identity = _stamp(places), _desktop_identity(places)
    if not places.database.exists() or places.database.stat().st_size == 0:
        raise DatabaseDamaged(f"{places.database} is gone or empty, though the site is here.")
    return Context(
        home=places.home,
        site=site,
        settings=settings,
        secrets=Secrets(site.site, vault),
        database=Database.open(places.database, replica=site.replica),
        blobs=Blobs(places.objects),
        places=places,
        _identity=identity,
    )


def read_site(places: Places) -> Site:
    """Who this home belongs to.

    :raises SiteMissing: nobody yet.
    :raises DatabaseDamaged: the file that says so cannot be read.
    """
    try:
        return wire.decode(places.site.read_bytes(), Site, what="site's file")
    except FileNotFoundError as error:
        raise SiteMissing(f"There is no site in {places.home}.") from error
    except (InputInvalid, msgspec.MsgspecError) as error:
        raise DatabaseDamaged(f"{places.site} cannot be read: {error}") from error


@contextmanager
def changing_keys(places: Places) -> Iterator[None]:
    """Hold all other windows and commands off the keys of this home, from before the root is read until everything
    that follows from the new one is done.

    :raises KeysBusy: another one has not ended in a minute.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(places.keys_lock)
    try:
        lock.acquire(timeout=KEYS_WAIT_S)
    except Timeout as error:
        raise KeysBusy("Another window or command of this desktop is changing the keys.") from error
    try:
        yield
    finally:
        lock.release()


def settle_keys(places: Places) -> None:
    """Bring a change of this desktop's keys to its end where a root lists the new ones, else undo it. Call it while
    :func:`changing_keys`.
    """
    if not places.next_keys.exists():
        return
    if places.keys.exists():
        version = _root_of_next_keys(places)
        if version is None:
            shutil.rmtree(places.next_keys)
            return
        # By the root that ended them, so that the oldest comes first.
        places.keys.rename(places.home / f"keys.former.{version:08}")
    places.next_keys.rename(places.keys)
    sync_folder(places.home)


def _root_of_next_keys(places: Places) -> int | None:
    """The number of the newest root, where it lists this desktop's new keys."""
    from cloud_sync.release.site_roots import SiteRoots

    try:
        facts = SiteRoots(places.repository).facts
        return facts.version if load_identity(places.next_keys).fingerprint in (facts.desktops or {}) else None
    except (InputInvalid, NotFound):
        return None


def _remove_copies_of_the_root_key(places: Places) -> None:
    """What a version of before left in the site's folder when it was killed as it spoke to boxes with that key."""
    for folder in places.home.glob(".root-key.*"):
        shutil.rmtree(folder, ignore_errors=True)


def _stamp(places: Places) -> _Stamp:
    try:
        stat = (places.keys / CERTIFICATE_NAME).stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_ino


def _desktop_identity(places: Places) -> Identity:
    try:
        return load_identity(places.keys)
    except (InputInvalid, NotFound) as error:
        raise DatabaseDamaged(
            f"This desktop's key in {places.keys} cannot be used: {error.message}",
            hint="Put the folder back from a copy; without its key this desktop is a stranger to its boxes.",
        ) from error


def _plug_ins(group: str) -> dict[str, Any]:
    return {point.name: point.load() for point in entry_points(group=group)}
