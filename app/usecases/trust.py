"""Desktops and keys: who may look after this site's boxes.

Every change is a new root, signed with the site's offline root key; boxes learn of it at their next contact with any
desktop that has it. Without the root key and its passphrase nothing here can be changed.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.context import changing_keys, settle_keys
from app.store import boxes as box_store
from app.usecases import carried, roots
from app.usecases.sites import check_passphrase, desktop_name
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    AlreadyExists,
    ClockDoubtful,
    DiskFull,
    InputInvalid,
    KeyFileUnwritable,
    LinesideError,
    NotFound,
)
from edge_runtime.identity import Identity, create_identity, fingerprint_of
from edge_runtime.update.durable import sync_folder, write_durably

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import Key

    from app.context import Context
    from cloud_sync.release.handover import Handover, JoinRequest
    from cloud_sync.release.root_key import RootKey
    from cloud_sync.release.site_roots import Desktop


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopRow:
    """A desktop that the site's root lists."""

    fingerprint: str
    name: str
    signing_key: str
    """TUF id of the key with which it signs releases."""
    here: bool
    """It is this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who may do what, as this desktop knows it."""

    site_number: str
    """What a new desktop shows of the site that it joins: people compare the two."""
    root: int
    """Number of the newest root."""
    desktops: tuple[DesktopRow, ...]
    """Empty at a site of before, whose root lists none; the first change begins the list."""
    pending: tuple[str, ...]
    """Names of boxes that have not heard of the newest root yet."""
    root_key: str | None
    """Where the encrypted root key lies on this desktop; None: it was moved away, as it should be."""
    root_key_replaced: bool
    """What lies there is a root key of before, which signs nothing any more."""
    listed_here: bool
    """This desktop is one of those that may release and talk to boxes."""
    date_doubt: str | None
    """Why nothing is signed as of this desktop's date, in words; see :func:`confirm_date`."""


def get_trust(ctx: Context) -> Trust:
    """Who may do what at this site, and which boxes still have to hear of it."""
    from cloud_sync.release import handover

    site = ctx.roots()
    listed = site.desktops()
    rows = [
        DesktopRow(
            fingerprint=fingerprint,
            name=desktop.name,
            signing_key=desktop.key.keyid,
            here=fingerprint == ctx.identity.fingerprint,
        )
        for fingerprint, desktop in listed.items()
    ]
    pending = [box.name for box in box_store.list_boxes(ctx.database) if roots.is_pending(box, site.facts)]
    return Trust(
        site_number=handover.site_number(ctx.site.site),
        root=site.version,
        desktops=tuple(sorted(rows, key=lambda row: (row.name, row.fingerprint))),
        pending=tuple(pending),
        root_key=str(ctx.places.root_key) if ctx.places.root_key.exists() else None,
        root_key_replaced=is_root_key_replaced(ctx),
        listed_here=not listed or ctx.identity.fingerprint in listed,
        date_doubt=_doubt(ctx),
    )


def is_root_key_replaced(ctx: Context) -> bool:
    """Whether the root key that lies on this desktop is one of before; False where that cannot be told."""
    from cloud_sync.release.root_key import next_file, stated_keyid

    file = ctx.places.root_key
    # One whose replacement was cut short comes to its end when it is used next.
    stated = {stated_keyid(file), stated_keyid(next_file(file))} - {None}
    try:
        return bool(stated) and not stated & set(ctx.roots().keyids)
    except LinesideError:
        # A damaged repository: whoever needs it is told.
        return False


def confirm_date(ctx: Context) -> None:
    """Say that this desktop's date is right, however far it is ahead of what was signed before: from then on it signs.

    :raises ClockDoubtful: the date is before what was signed, or the site's root has expired by then.
    """
    _note(ctx, "trust.date-confirmed", ctx.site.site, f"Said that it is {time.strftime('%Y-%m-%d', time.gmtime())}.")
    ctx.repository().confirm_date()


def _doubt(ctx: Context) -> str | None:
    try:
        ctx.repository().require_date()
    except ClockDoubtful as error:
        return f"{error.message} {error.hint}"
    except LinesideError:
        # Not this desktop's to sign, or damaged: who signs is told.
        return None
    return None


def read_request(file: Path) -> JoinRequest:
    """What a new desktop asks for, checked; compare its fingerprint with what that desktop shows.

    :raises InputInvalid: it is no request, or it was changed on its way.
    """
    from cloud_sync.release import handover

    return handover.read_request(read_file(file, handover.MAX_REQUEST_BYTES), what=f"request {file.name}")


def admit(ctx: Context, request: JoinRequest, admission: Path, *, root_key: Path, passphrase: str) -> DesktopRow:
    """Admit a desktop and write the file with which it joins. Again for the same one: only the file is written anew.

    :raises PassphraseWrong, RootKeyWrong, NotFound: the root key cannot be used; nothing was changed.
    :raises AlreadyExists: another desktop is called so, or ``admission`` is another file's place.
    :raises KeyFileUnwritable, DiskFull: ``admission`` cannot be written; nothing was changed.
    """
    from cloud_sync.release import handover
    from cloud_sync.release.site_roots import Desktop

    place = carried.Place(
        file=admission,
        kind="an earlier admission to this site",
        is_earlier=lambda content: handover.read_admission(content, what="file")[1].site == ctx.site.site,
        most=handover.MAX_HANDOVER_BYTES,
    )
    fingerprint = request.fingerprint
    desktop = Desktop(request.name, request.certificate, request.key)
    with changing_keys(ctx.places):
        key = unlock_root(ctx, root_key, passphrase)
        listed = _listed(ctx)
        if any(other.name == request.name for print_, other in listed.items() if print_ != fingerprint):
            raise AlreadyExists(
                f"Another desktop of the site is called {request.name!r}.",
                hint="Make the request anew with another name: `lineside site request-join FILE --name NAME`.",
            )
        place.require(_admission(ctx, key))
        if fingerprint not in listed or listed[fingerprint].key.keyid != desktop.key.keyid:
            words = f"Admitted the desktop {request.name}."
            with noted(ctx, "trust.admitted", fingerprint, words):
                sign_root(ctx, {**listed, fingerprint: desktop}, key)
        place.put(_admission(ctx, key))
    return next(row for row in get_trust(ctx).desktops if row.fingerprint == fingerprint)


def strike_off(ctx: Context, desktop: str, *, root_key: Path, passphrase: str) -> DesktopRow:
    """Let a desktop do nothing any more at this site: for one that was lost, stolen or sold.

    :param desktop: its name, or the beginning of its fingerprint.
    :raises InputInvalid: it is the last one.
    """
    with changing_keys(ctx.places):
        row = find_desktop(ctx, desktop)
        listed = _listed(ctx)
        if len(listed) < 2:
            raise InputInvalid(
                f"{row.name} is the site's only desktop: without it nobody could look after the boxes.",
                hint="Admit another one first: `lineside site admit FILE`.",
            )
        key = unlock_root(ctx, root_key, passphrase)
        with noted(ctx, "trust.struck-off", row.fingerprint, f"Struck off the desktop {row.name}."):
            sign_root(ctx, {other: entry for other, entry in listed.items() if other != row.fingerprint}, key)
    return row


def rotate_key(ctx: Context, *, root_key: Path, passphrase: str) -> DesktopRow:
    """Give this desktop new keys, both for talking to boxes and for signing; the old ones are worth nothing once a box
    has heard of it.

    :raises InputInvalid: this desktop is not listed.
    """
    from cloud_sync.release.sign import new_signing_key
    from cloud_sync.release.site_roots import Desktop

    places = ctx.places
    with changing_keys(places):
        # Another window or command may have changed them since this one was opened.
        settle_keys(places)
        before = ctx.identity.fingerprint
        key = unlock_root(ctx, root_key, passphrase)
        listed = _listed(ctx)
        if before not in listed:
            raise InputInvalid("This desktop is not one of the site's any more.", hint="Have it admitted again.")
        shutil.rmtree(places.next_keys, ignore_errors=True)
        identity = create_identity(places.next_keys, f"lineside {ctx.site.name}")
        signing = new_signing_key(places.next_keys / places.signing_key.name)
        desktop = Desktop(listed[before].name, identity.certificate_pem, public_key(signing))
        others = {other: entry for other, entry in listed.items() if other != before}
        # From the new root on the new keys count; a crash before the old ones are put away is mended at the next start.
        words = f"The desktop {desktop.name} has new keys."
        with noted(ctx, "trust.key-rotated", identity.fingerprint, words):
            sign_root(ctx, {**others, identity.fingerprint: desktop}, key)
            settle_keys(places)
            ctx.repository()
    return next(row for row in get_trust(ctx).desktops if row.here)


def rotate_root(ctx: Context, *, root_key: Path, passphrase: str, new_passphrase: str) -> int:
    """Replace the root key, in the file that holds it; returns the new root's number. Every other copy of the old key
    is worth nothing from then on.

    :param new_passphrase: of the new key; may be that of the old one.
    :raises KeyFileUnwritable, DiskFull: the new key cannot be written beside the old one; nothing was changed.
    """
    from cloud_sync.release.root_key import new_root_key, next_file, sealed_key

    check_passphrase(new_passphrase)
    with changing_keys(ctx.places):
        key, fresh = unlock_root(ctx, root_key, passphrase), new_root_key()
        sealed, waiting = fresh.sealed(new_passphrase), next_file(root_key)
        content, exported = sealed, root_key.read_bytes() != sealed_key(root_key)
        if exported:
            content = wire.encode(replace(_handover(ctx), root_key=sealed.decode("ascii")))
        # First the new key beside the old one, then the root that names it, then its place: see unlock().
        with carried.writing(root_key):
            write_durably(waiting, [content], mode=0o600)
        number = ctx.roots().version + 1
        with noted(ctx, "trust.root-key-rotated", ctx.site.site, f"Root {number} names a new root key."):
            sign_root(ctx, _listed(ctx), key, new_key=fresh)
        if exported:
            content = wire.encode(replace(_handover(ctx), root_key=sealed.decode("ascii")))
        _put_in_place(waiting, content, root_key, number)
    return number


def _put_in_place(waiting: Path, content: bytes, root_key: Path, number: int) -> None:
    """:raises KeyFileUnwritable: after the root was signed; the new key waits beside the old one."""
    try:
        write_durably(waiting, [content], mode=0o600)
        waiting.replace(root_key)
        sync_folder(root_key.parent)
    except (DiskFull, OSError) as error:
        raise KeyFileUnwritable(
            f"Root {number} names the new root key, and it could not take the place of the old one in {root_key.name}. "
            f"It lies in {waiting}.",
            hint="Keep both files together. Once they can be written, export the root key with the new passphrase: "
            "the new key takes its place by itself then.",
        ) from error


def export_root(ctx: Context, file: Path, *, root_key: Path, passphrase: str) -> Path:
    """Write the file for the safe: the encrypted root key, every root, the releases and the boxes. With it and the
    passphrase a new desktop takes the site over when all others are lost.

    :raises AlreadyExists: ``file`` exists and is another site's, or no such file at all.
    :raises KeyFileUnwritable, DiskFull: it cannot be written.
    """
    from cloud_sync.release.handover import MAX_HANDOVER_BYTES, read_handover
    from cloud_sync.release.root_key import sealed_key

    place = carried.Place(
        file=file,
        kind="an earlier export of this site",
        is_earlier=lambda content: read_handover(content, what="file").site == ctx.site.site,
        most=MAX_HANDOVER_BYTES,
        mode=0o600,
    )
    with changing_keys(ctx.places):
        unlock_root(ctx, root_key, passphrase)
        content = wire.encode(replace(_handover(ctx), root_key=sealed_key(root_key).decode("ascii")))
        place.require(content)
        words = f"Exported the root key with root {ctx.roots().version}."
        with noted(ctx, "trust.root-exported", ctx.site.site, words):
            place.put(content)
    return file


def find_desktop(ctx: Context, desktop: str) -> DesktopRow:
    """A desktop by its name or the beginning of its fingerprint.

    :raises NotFound, InputInvalid: there is none, or more than one.
    """
    rows = get_trust(ctx).desktops
    found = [row for row in rows if row.name == desktop] or [row for row in rows if row.fingerprint.startswith(desktop)]
    if not found or not desktop:
        raise NotFound(f"No desktop of the site is called {desktop!r}.", hint="List them: `lineside site desktops`.")
    if len(found) > 1:
        raise InputInvalid(f"More than one desktop begins with {desktop!r}.", hint="Give more of its fingerprint.")
    return found[0]


@contextmanager
def root_identity(key: RootKey, certificate: str) -> Iterator[Identity]:
    """The root key as somebody who talks to boxes.

    TLS takes a key from a file alone. That one is sealed with a secret which no file ever has: if this process is
    killed, nobody can open what it leaves behind, whatever they know.

    :param certificate: the one that the boxes' root lists.
    """
    secret = secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="lineside-") as folder:
        key_path, certificate_path = Path(folder) / "root.key", Path(folder) / "root.crt"
        write_durably(key_path, [key.sealed_for_tls(secret)], mode=0o600)
        write_durably(certificate_path, [certificate.encode("ascii")])
        yield Identity(fingerprint_of(certificate), key_path, certificate_path, secret)


def unlock_root(ctx: Context, root_key: Path, passphrase: str) -> RootKey:
    """:raises PassphraseWrong, RootKeyWrong, NotFound: the root key in that file cannot be used here."""
    from cloud_sync.release.root_key import unlock

    return unlock(root_key, passphrase, keyids=ctx.roots().keyids)


def _listed(ctx: Context) -> dict[str, Desktop]:
    from cloud_sync.release.sign import load_signing_key
    from cloud_sync.release.site_roots import Desktop

    if listed := ctx.roots().desktops():
        return listed
    # A site of before has one desktop, this one, and its root does not list it.
    key = public_key(load_signing_key(ctx.places.signing_key))
    return {ctx.identity.fingerprint: Desktop(desktop_name(), ctx.identity.certificate_pem, key)}


def sign_root(ctx: Context, desktops: dict[str, Desktop], key: RootKey, new_key: RootKey | None = None) -> int:
    """Make the next root, which lists exactly these; returns its number. Call it while the keys are locked."""
    return ctx.roots().change(desktops, key, now_s=int(time.time()), new_key=new_key).version


@contextmanager
def noted(ctx: Context, kind: str, subject: str, words: str) -> Iterator[None]:
    """Write down what is about to be done, and once more when it was: whatever cuts it short in between, the activity
    says who began it.
    """
    _note(ctx, "trust.begun", subject, f"Begun under root {ctx.roots().version}: {words}")
    yield
    _note(ctx, kind, subject, words)


def _admission(ctx: Context, key: RootKey) -> bytes:
    from cloud_sync.release.handover import make_admission

    return wire.encode(make_admission(_handover(ctx), key.signer))


def _handover(ctx: Context) -> Handover:
    from cloud_sync.release.handover import Handover, KnownBox

    return Handover(
        site=ctx.site.site,
        name=ctx.site.name,
        created_ms=ctx.site.created_ms,
        roots=tuple(path.read_text("utf-8") for path in ctx.roots().paths),
        releases={name: body.decode() for name, body in ctx.repository().release_files().items()},
        boxes=tuple(
            KnownBox(
                box=box.box,
                name=box.name,
                address=box.address,
                certificate=box.certificate,
                enrolled_ms=box.enrolled_ms,
            )
            for box in box_store.list_boxes(ctx.database)
        ),
    )


def public_key(key: Ed25519PrivateKey) -> Key:
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(key.public_key())


def read_file(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error


def _note(ctx: Context, kind: str, subject: str, words: str) -> None:
    ctx.database.write(lambda writer: writer.activity(kind, subject, words))
