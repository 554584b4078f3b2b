"""Whether a release is one that this box's site signed, and not an older one: python-tuf's rules, and no file."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

# Private, and python-tuf has no public counterpart: its Updater keeps files of its own, which must not be the memory of
# what was accepted, and takes the time from the system's clock, which a box cannot rely on. The version is pinned in
# packaging/constraints.txt, and tests/unit/update/test_verify.py attacks these rules through this module.
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from edge_runtime.build_time import build_time_s
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound, TrustRefused
from edge_runtime.contracts.rows import Count, Digest
from edge_runtime.update.slots import Accepted, TrustFloor

BUILD_TIME_S = build_time_s()
"""This software did not exist before; a box whose clock says otherwise has lost its battery."""
TARGET_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]{0,63})/(?P=name)-(?P<version>\d{1,6}\.\d{1,6}\.\d{1,6})\.bundle")
_LATEST_S = int(datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC).timestamp())


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
    trust: Accepted
    """The metadata that says so: nothing older may be accepted from now on."""


class Verifier:
    """Follows the signatures from the site's root to a target: python-tuf's rules over bytes that were delivered.

    It keeps nothing. What must not be forgotten comes back in :class:`VerifiedTarget` and in again as ``newest``: who
    calls it writes that down durably before the target is used, so that no cache can be deleted to open the way back.

    :param root: the newest root that the box has accepted; None: it belongs to no site.
    :param delivered: the bytes of a metadata file by its name; raises NotFound.
    """

    def __init__(self, root: bytes | None, delivered: Callable[[str], bytes]) -> None:
        self._root, self._delivered = root, delivered

    def verify(self, target: str, *, floors: Mapping[str, int], now_ms: int, newest: TrustFloor) -> VerifiedTarget:
        """What the site says about ``target``.

        The bytes themselves are not looked at: compare them with the digest that comes back.

        :param floors: lowest release of each model name that is accepted.
        :param now_ms: the box's clock; the time used is never before the build or the newest signature seen.
        :param newest: the newest metadata accepted before, of keys that still count.
        :raises TrustRefused: with the reason in plain words.
        """
        named = TARGET_NAME.fullmatch(target)
        if named is None:
            raise TrustRefused(f"{target[:100]!r} is not the name of a release.")
        info, seen = self.signed(target, now_ms=now_ms, newest=newest)
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
            sha256=info.hashes.get("sha256", ""),
            size=info.length,
            model_name=named["name"],
            version=named["version"],
            release=facts.release,
            bundle=facts.bundle,
            trust=seen,
        )

    def signed(self, target: str, *, now_ms: int, newest: TrustFloor) -> tuple[TargetFile, Accepted]:
        """What was signed of a target, of whatever kind, and by whom; see :meth:`verify`.

        :raises TrustRefused: with the reason in plain words.
        """
        targets, seen = self._follow(trusted_time_s(now_ms, newest), newest)
        info = targets.targets.get(target)
        if info is None:
            raise TrustRefused(f"{target} is not among the site's signed releases.")
        return info, seen

    def _follow(self, now_s: int, newest: TrustFloor) -> tuple[Targets, Accepted]:
        if self._root is None:
            raise TrustRefused(
                "This box belongs to no site yet: it has no root of trust.",
                hint="Enrol the box from the desktop first.",
            )
        try:
            trusted = TrustedMetadataSet(self._root, EnvelopeType.METADATA)
            trusted.reference_time = datetime.datetime.fromtimestamp(now_s, datetime.UTC)
            bodies = {"timestamp": self._read("timestamp.json")}
            timestamp = trusted.update_timestamp(bodies["timestamp"])
            _signed_in_its_time(timestamp.version, trusted.root)
            _not_older("timestamp", timestamp.version, newest.timestamp)
            _not_older("root", trusted.root.version, newest.root)
            bodies["snapshot"] = self._read(f"{timestamp.snapshot_meta.version}.snapshot.json")
            snapshot = trusted.update_snapshot(bodies["snapshot"])
            _not_older("snapshot", snapshot.version, newest.snapshot)
            listed = snapshot.meta["targets.json"].version
            bodies["targets"] = self._read(f"{listed}.targets.json")
            targets = trusted.update_targets(bodies["targets"])
            _not_older("targets", targets.version, newest.targets)
            if max(snapshot.version, targets.version) > timestamp.version:
                raise TrustRefused(
                    "The release's metadata has numbers beyond the second of its signature: no desktop of Lineside "
                    "signs so.",
                    hint="Find out who signed it, and strike that desktop off.",
                )
            seen = _who_signed(trusted.root, bodies)
        except (exceptions.RepositoryError, exceptions.DownloadError) as error:
            raise _refusal(error, now_s) from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            # The parser is not ours: what it trips over is no signed metadata.
            raise TrustRefused(f"The delivered metadata cannot be read: {error}.") from error
        return targets, seen

    def _read(self, filename: str) -> bytes:
        try:
            return self._delivered(filename)
        except NotFound as error:
            raise exceptions.DownloadError(f"{filename} was not delivered") from error


def trusted_time_s(now_ms: int, newest: TrustFloor) -> int:
    """The box's time in seconds: its clock, but never before this software was built or the newest signature seen."""
    return min(max(now_ms // 1000, BUILD_TIME_S, newest.timestamp), _LATEST_S)


def _signed_in_its_time(version: int, root: Root) -> None:
    """What is signed counts as the box's time from then on, and no signature may push that past the end of the root
    under which it is accepted: the next root, made with a clock that is right, ends later and is always one to go by.
    """
    if version >= root.expires.timestamp():
        raise TrustRefused(
            f"The release was signed as of {_date(version)}, when the site's root {root.version} has expired "
            f"({root.expires.date().isoformat()}).",
            hint="Look at the clock of the desktop that signed it. If the date is right, any change of the keys makes "
            "a new root: `lineside site rotate-key`.",
        )


def _who_signed(root: Root, bodies: Mapping[str, bytes]) -> Accepted:
    """Whose signatures make these count; each of them was checked before."""
    signed: dict[str, dict[str, int]] = {}
    for role, body in bodies.items():
        metadata = Metadata[Targets].from_bytes(body)
        result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        for key in result.signed:
            signed.setdefault(key, {})[role] = metadata.signed.version
    return Accepted(root=root.version, signed={key: TrustFloor(**roles) for key, roles in signed.items()})


def _date(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(min(seconds, _LATEST_S), datetime.UTC).date().isoformat()


def _not_older(role: str, version: int, floor: int) -> None:
    if version < floor:
        raise TrustRefused(
            f"Rollback refused: the delivered {role} {version} is older than {floor}, which this box has accepted "
            "before.",
            hint="Deliver the site's newest metadata; sync the desktops first if there are several.",
        )


def _refusal(error: Exception, now_s: int) -> TrustRefused:
    """A TUF error in the words of this product."""
    match error:
        case exceptions.ExpiredMetadataError():
            return TrustRefused(
                f"The release's signatures have expired: {error}; this box's date is {_date(now_s)}.",
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
