"""Whether a release is one that this box's site signed, and not an older one: python-tuf over the inbox."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound, TrustRefused
from edge_runtime.contracts.rows import Count, Digest
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.slots import TrustFloor

BUILD_TIME_S = int(datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC).timestamp())
"""This software did not exist before; a box whose clock says otherwise has lost its battery."""
TARGET_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]{0,63})/(?P=name)-(?P<version>\d{1,6}\.\d{1,6}\.\d{1,6})\.bundle")
_LATEST_S = int(datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC).timestamp())
_BASE = "inbox:/"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFacts:
    """What a desktop signs beside a target's digest and size: TUF's ``custom``."""

    release: Count
    bundle: Digest
    proofs: dict[Digest, str] = field(default_factory=dict)
    """What boxes measured of exactly these bytes before they were signed: a ``ProbeReport`` as JSON, by box id.
    Text, because the canonical JSON that TUF signs knows no fractions."""


@dataclass(frozen=True, slots=True)
class VerifiedTarget:
    """What the site's signatures say about a target."""

    target: str
    sha256: str
    """Of the bundle file."""
    size: int
    model_name: str
    version: str
    release: int
    bundle: str
    """Bundle id."""
    root_version: int
    timestamp_version: int


class _InboxFetcher(FetcherInterface):
    """Lets the TUF client read what was delivered; there is no network in it."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def _fetch(self, url: str) -> Iterator[bytes]:
        filename = url.rpartition("/")[2]
        try:
            return iter([self._inbox.metadata(filename)])
        except NotFound as error:
            raise exceptions.DownloadHTTPError(f"{filename} was not delivered", 404) from error


class _BoxUpdater(Updater):
    """The TUF client, judging expiry by the box's time in place of the bare system clock."""

    def set_time(self, now_s: int) -> None:
        self._trusted_set.reference_time = datetime.datetime.fromtimestamp(now_s, datetime.UTC)

    @property
    def versions(self) -> TrustFloor:
        """Of the root and the timestamp that were accepted."""
        return TrustFloor(root=self._trusted_set.root.version, timestamp=self._trusted_set.timestamp.version)


class Verifier:
    """Checks targets against the site's root.

    :param folder: holds ``root.json``, put there at enrolment, and the client's cache ``tuf/``.
    """

    def __init__(self, folder: Path, inbox: Inbox) -> None:
        self._root = folder / "root.json"
        self._cache = folder / "tuf"
        self._inbox = inbox

    def verify(self, target: str, *, floors: Mapping[str, int], now_ms: int, newest: TrustFloor) -> VerifiedTarget:
        """Follow the signatures from the site's root to ``target``.

        The bytes themselves are not looked at: compare them with the digest that comes back.

        :param floors: lowest release of each model name that is accepted.
        :param now_ms: the box's clock; the time used is never before the build or the newest signature seen.
        :param newest: the newest metadata accepted before; a lost cache does not open the way back.
        :raises TrustRefused: with the reason in plain words.
        """
        named = TARGET_NAME.fullmatch(target)
        if named is None:
            raise TrustRefused(f"{target[:100]!r} is not the name of a release.")
        now_s = min(max(now_ms // 1000, BUILD_TIME_S, newest.timestamp), _LATEST_S)
        info, seen = self._refresh(target, now_s)
        if seen.root < newest.root or seen.timestamp < newest.timestamp:
            raise TrustRefused(
                "Rollback refused: the delivered metadata is older than what this box has accepted before.",
                hint="Deliver the site's newest metadata; sync the desktops first if there are several.",
            )
        if info is None:
            raise TrustRefused(f"{target} is not among the site's signed releases.")
        sha256 = info.hashes.get("sha256", "")
        try:
            facts = wire.from_dict(info.custom, SignedFacts, what=f"signed facts of {target}")
        except InputInvalid as error:
            raise TrustRefused(error.message) from error
        floor = floors.get(named["name"], 0)
        if facts.release < floor:
            raise TrustRefused(
                f"Rollback refused: {target} is release {facts.release} of {named['name']}; this box has run {floor}."
            )
        return VerifiedTarget(
            target=target,
            sha256=sha256,
            size=info.length,
            model_name=named["name"],
            version=named["version"],
            release=facts.release,
            bundle=facts.bundle,
            root_version=seen.root,
            timestamp_version=seen.timestamp,
        )

    def _refresh(self, target: str, now_s: int) -> tuple[TargetFile | None, TrustFloor]:
        try:
            root = self._root.read_bytes()
        except FileNotFoundError as error:
            raise TrustRefused(
                "This box belongs to no site yet: it has no root of trust.",
                hint="Enrol the box from the desktop first.",
            ) from error
        self._cache.mkdir(parents=True, exist_ok=True)
        try:
            updater = _BoxUpdater(str(self._cache), _BASE, fetcher=_InboxFetcher(self._inbox), bootstrap=root)
            updater.set_time(now_s)
            updater.refresh()
            return updater.get_targetinfo(target), updater.versions
        except (exceptions.RepositoryError, exceptions.DownloadError) as error:
            raise _refusal(error, now_s) from error
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            # The parser is not ours: what it trips over is no signed metadata.
            raise TrustRefused(f"The delivered metadata cannot be read: {error}.") from error


def _refusal(error: Exception, now_s: int) -> TrustRefused:
    """A TUF error in the words of this product."""
    match error:
        case exceptions.ExpiredMetadataError():
            today = datetime.datetime.fromtimestamp(now_s, datetime.UTC).date().isoformat()
            return TrustRefused(
                f"The release's signatures have expired: {error}; this box's date is {today}.",
                hint="Check the clocks of box and desktop, then release again to renew the signatures. "
                "The model that runs goes on.",
            )
        case exceptions.BadVersionNumberError():
            return TrustRefused(f"Rollback refused: {error}.")
        case exceptions.UnsignedMetadataError():
            return TrustRefused(f"Not signed by a key of this box's site: {error}.")
        case exceptions.LengthOrHashMismatchError() | exceptions.DownloadLengthMismatchError():
            return TrustRefused(f"The metadata is not what was signed: {error}.")
        case exceptions.DownloadError():
            return TrustRefused(
                f"The release's metadata is not complete: {error}.", hint="Send the release to the box again."
            )
    return TrustRefused(f"The release's metadata was refused: {error}.")
