"""How a desktop comes to a site that exists: admitted by another one, or with the root key when all are lost."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.context import Context, Places, open_context
from app.fleet.client import BoxClient
from app.fleet.failures import problems_of
from app.store import boxes as box_store
from app.store.database import Database
from app.store.records import Box, Site
from app.store.writer import Writer
from app.usecases import carried, introducing, trust
from app.usecases.crew import side_by_side
from app.usecases.sites import MAX_NAME, desktop_name
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    AlreadyExists,
    BoxRefused,
    InputInvalid,
    LinesideError,
    RootKeyWrong,
    TrustRefused,
)
from edge_runtime.identity import Identity, create_identity, load_identity
from edge_runtime.update.durable import write_durably

if TYPE_CHECKING:
    from cloud_sync.release.handover import Admission, Handover, JoinRequest, KnownBox
    from cloud_sync.release.root_key import RootKey
    from cloud_sync.release.site_roots import SiteRoots

REQUEST_NAME = "request.json"
"""In the home of a desktop that asked to join and was not admitted yet."""


def request_join(home: Path, file: Path, *, name: str | None = None) -> JoinRequest:
    """On a new desktop: make its keys and write what the holder of the root key needs. Again: the same keys.

    :param name: what the site's people call this desktop; by default the machine's name.
    :raises AlreadyExists: there is a site in ``home``.
    :raises AlreadyExists: ``file`` is there, and is not an earlier request of this desktop.
    :raises InputInvalid: the name cannot be used.
    :raises KeyFileUnwritable, DiskFull: ``file`` or the folder cannot be written.
    """
    from cloud_sync.release.handover import MAX_REQUEST_BYTES, make_request, read_request
    from cloud_sync.release.sign import load_signing_key, new_signing_key

    places = _new_places(home)
    called = _checked(name or desktop_name())
    with carried.writing(home):
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        identity = create_identity(places.keys, called)
        if not places.signing_key.exists():
            new_signing_key(places.signing_key)
    request = make_request(
        called,
        identity.certificate_pem,
        load_signing_key(identity.key_path),
        load_signing_key(places.signing_key),
    )
    place = carried.Place(
        file=file,
        kind="an earlier request of this desktop",
        is_earlier=lambda content: read_request(content, what="file").fingerprint == request.fingerprint,
        most=MAX_REQUEST_BYTES,
    )
    place.put(wire.encode(request))
    write_durably(places.home / REQUEST_NAME, [wire.encode(request)])
    return request


def read_admission(file: Path) -> Handover:
    """What an admission says of the site, for a person to compare its number with what the other desktop shows.

    :raises InputInvalid: it is none.
    """
    return _read_admission(file)[1]


def join(home: Path, file: Path, *, number: str) -> Context:
    """Take over what the admission says and become a desktop of that site. Safe to repeat after a crash.

    :param number: the site's, as the desktop that wrote the admission shows it: what makes it this site and no other.
    :raises InputInvalid, TrustRefused: the file is damaged, of another site, or it admits another desktop.
    """
    from cloud_sync.release import handover as handovers

    places, (admission, handover) = _new_places(home), _read_admission(file)
    if re.sub(r"\D", "", number) != handover.number.replace(" ", ""):
        raise TrustRefused(
            f"This admission is of a site with the number {handover.number}, not {number}.",
            hint="Somebody may have put another file in its place: carry it again, and compare the number with what "
            "the desktop shows that wrote it.",
        )
    if not places.signing_key.exists():
        raise InputInvalid(
            "This desktop has not asked to join yet.", hint="Ask first: `lineside site request-join FILE`."
        )
    identity = load_identity(places.keys)
    # In a folder of its own until it is known to be right: nothing of a wrong file stays.
    draft = places.home / "repository.joining"
    try:
        roots = _begin(handover, draft)
        handovers.check_admission(admission, roots.root_keys)
        if identity.fingerprint not in roots.desktops():
            raise TrustRefused(
                "This admission is for another desktop.",
                hint="Carry this desktop's own request to the holder of the root key, and the answer back.",
            )
        return _settle(places, draft, handover, identity, f"Joined the site {handover.name}.")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def recover(
    home: Path,
    file: Path,
    *,
    passphrase: str,
    name: str | None = None,
    told: introducing.Told = lambda _box, _problem: None,
) -> Context:
    """Take a site over with the file for the safe when every desktop is lost: they are all struck off, and this one is
    the site's only one from then on. Boxes that answer now hear of it at once.

    :raises PassphraseWrong, RootKeyWrong, InputInvalid, TrustRefused: nothing was changed. A root key that no box
        knows, of those that answer, is one that was replaced.
    """
    from cloud_sync.release.root_key import open_key
    from cloud_sync.release.sign import load_signing_key, new_signing_key
    from cloud_sync.release.site_roots import Desktop

    called = _checked(name or desktop_name())
    places, handover = _new_places(home), _read_export(file)
    if handover.root_key is None:
        raise RootKeyWrong(f"There is no root key in {file.name}.")
    key = open_key(handover.root_key.encode(), passphrase, file.name)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = places.home / "repository.joining"
    try:
        roots = _begin(handover, draft)
        roots = _ask_for_newer(handover, roots, key)
        if key.keyid not in roots.keyids:
            raise RootKeyWrong(
                f"The key in {file.name} was replaced by another one, or the file is damaged.",
                hint="Use the newest export of the root key.",
            )
        identity = create_identity(places.keys, called)
        signing = (
            load_signing_key(places.signing_key) if places.signing_key.exists() else new_signing_key(places.signing_key)
        )
        gone = {other: entry.name for other, entry in roots.desktops().items() if other != identity.fingerprint}
        if identity.fingerprint not in roots.desktops():
            desktop = Desktop(called, identity.certificate_pem, trust.public_key(signing))
            roots.change({identity.fingerprint: desktop}, key, now_s=int(time.time()))
        ctx = _settle(places, draft, handover, identity, f"Recovered the site {handover.name} with its root key.", gone)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    try:
        introducing.introduce_with(ctx, box_store.list_boxes(ctx.database), key, told=told)
    except BaseException:
        ctx.close()
        raise
    return ctx


def _checked(name: str) -> str:
    """A name that a desktop may have; :raises InputInvalid: this one may not."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InputInvalid(f"A desktop's name has between 1 and {MAX_NAME} printable characters.")
    return name


def _ask_for_newer(handover: Handover, roots: SiteRoots, key: RootKey) -> SiteRoots:
    """The export may be older than what the boxes have: a root made on top of it would be one that they refuse.

    :raises RootKeyWrong: boxes answer, and none of them knows this root key.
    """
    certificate = roots.facts.root_certificate
    if certificate is None:
        return roots
    refused, knows_it = [], False
    adopting = threading.Lock()

    def ask(box: KnownBox) -> bool | None:
        """Whether it knows the root key; None: it does not say."""
        nonlocal roots
        known = None
        try:
            with problems_of(box.address), BoxClient(box.address, box.certificate, identity) as client:
                newest = client.newest_root()
                known = True
                with adopting:
                    for version in range(roots.version + 1, newest + 1):
                        roots = roots.adopt(client.root(version))
        except BoxRefused:
            return known or False
        except LinesideError:
            # It is off, or has a root beside ours: the one that is made now takes the place of both.
            return known
        return known

    with trust.root_identity(key, certificate) as identity:
        for box, known in side_by_side(ask, handover.boxes, "recover"):
            knows_it = knows_it or known is True
            if known is False:
                refused.append(box.name)
    if refused and not knows_it:
        raise RootKeyWrong(
            f"{', '.join(refused)} answered, and no box knows the root key in this file: it was replaced by another "
            "one since.",
            hint="Use the newest export of the root key. If this is the newest one, these boxes were set up anew: take "
            "them off the network and recover again.",
        )
    return roots


def _settle(
    places: Places,
    draft: Path,
    handover: Handover,
    identity: Identity,
    words: str,
    struck_off: Mapping[str, str] | None = None,
) -> Context:
    """:param struck_off: names of desktops that the newest root does not list any more, by fingerprint."""
    from cloud_sync.release.sign import ReleaseRepository

    releases = {name: body.encode() for name, body in handover.releases.items()}
    ReleaseRepository.take_over(draft, releases, desktop_key_path=places.signing_key)
    shutil.rmtree(places.repository, ignore_errors=True)
    draft.rename(places.repository)
    site = Site(site=handover.site, name=handover.name, created_ms=handover.created_ms, replica=identity.fingerprint)
    database = Database.open(places.database, replica=site.replica)
    try:
        known = {box.box for box in box_store.list_boxes(database)}
        for box in handover.boxes:
            if box.box not in known:
                box_store.put_box(
                    database,
                    Box(
                        box=box.box,
                        name=box.name,
                        address=box.address,
                        certificate=box.certificate,
                        enrolled_ms=box.enrolled_ms,
                    ),
                )

        def enter(writer: Writer) -> None:
            writer.activity("site.joined", site.site, words)
            for fingerprint, name in (struck_off or {}).items():
                writer.activity("trust.struck-off", fingerprint, f"Struck off the desktop {name}.")

        database.write(enter)
    finally:
        database.close()
    # Last: where it is, there is a site.
    write_durably(places.site, [wire.encode(site)], mode=0o600)
    (places.home / REQUEST_NAME).unlink(missing_ok=True)
    return open_context(places.home)


def _begin(handover: Handover, folder: Path) -> SiteRoots:
    from cloud_sync.release.site_roots import begin_roots

    shutil.rmtree(folder, ignore_errors=True)
    first = handover.roots[0] if handover.roots else ""
    if hashlib.sha256(first.encode()).hexdigest() != handover.site:
        raise TrustRefused("The file's roots do not begin with the root of the site that it names.")
    return begin_roots(folder, [body.encode() for body in handover.roots])


def _read_export(file: Path) -> Handover:
    from cloud_sync.release import handover

    content = trust.read_file(file, handover.MAX_HANDOVER_BYTES)
    if handover.is_admission(content):
        raise RootKeyWrong(f"{file.name} is an admission: there is no root key in it.")
    return handover.read_handover(content, what=f"file {file.name}")


def _read_admission(file: Path) -> tuple[Admission, Handover]:
    from cloud_sync.release import handover

    content = trust.read_file(file, handover.MAX_HANDOVER_BYTES)
    if handover.is_export(content):
        raise InputInvalid(
            f"{file.name} is the file with the root key, not an admission.",
            hint="With it a site is recovered: `lineside site recover FILE`.",
        )
    return handover.read_admission(content, what=f"file {file.name}")


def _new_places(home: Path) -> Places:
    places = Places(home.absolute())
    if places.site.exists():
        raise AlreadyExists(f"There is a site in {home} already.", hint="Use it, or choose another folder with --home.")
    return places
