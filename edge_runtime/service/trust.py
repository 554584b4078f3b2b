"""Whom this box trusts: the desktops that the site's newest accepted root lists, and releases that it leads to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.contracts.errors import InputInvalid, LinesideError, NotFound, TrustRefused
from edge_runtime.identity import MAX_CERTIFICATE_BYTES, certificate_der, fingerprint_of
from edge_runtime.update.durable import make_folder, write_durably
from edge_runtime.update.parted import Chain, who_returns
from edge_runtime.update.root_store import RootStore
from edge_runtime.update.roots import MAX_ROOT_BYTES, RootFacts, check_root, follow, read_root, same_site

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who may speak to the box: DER certificates by fingerprint."""

    desktops: dict[str, bytes] = field(default_factory=dict)
    root_key: dict[str, bytes] = field(default_factory=dict)
    """The holder of the root key, who may bring a root and nothing else."""

    def who(self, certificate: bytes | None) -> str | None:
        """The fingerprint of the desktop that showed this certificate."""
        return next((fingerprint for fingerprint, der in self.desktops.items() if der == certificate), None)

    def is_root_key(self, certificate: bytes | None) -> bool:
        return certificate is not None and certificate in self.root_key.values()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read from the disk, and how its files looked then."""

    stats: frozenset[tuple[str, int, int, int]]
    roots: dict[int, bytes]
    facts: RootFacts | None
    admitted: Admitted


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Roots that follow from the newest one here, and would bring somebody back."""

    after: str
    """sha256 of that newest one."""
    roots: dict[int, bytes]

    def before(self, version: int) -> dict[int, bytes]:
        return {number: body for number, body in self.roots.items() if number < version}


def _returning(returning: dict[str, str], here: RootFacts, brought: RootFacts, hint: str) -> TrustRefused:
    """:param hint: with ``{names}`` for who would come back."""
    names = ", ".join(sorted(returning.values()))
    return TrustRefused(
        f"Two people changed the keys apart: root {here.version} of this box had struck off {names}, and root "
        f"{brought.version}, which was brought, does not know of that.",
        hint=hint.format(names=names),
    )


def _chain(roots: dict[int, bytes], *, believed: bool = False) -> Chain:
    def body(version: int) -> bytes:
        if version not in roots:
            raise NotFound(f"There is no root {version}.")
        return roots[version]

    return Chain(read_root(roots[max(roots)]), body, believed)


def _followed(bodies: Sequence[bytes]) -> dict[int, bytes]:
    """By number, roots of which each follows from the one before it.

    :raises InputInvalid, TrustRefused: one does not.
    """
    found: dict[int, bytes] = {}
    trusted: bytes | None = None
    for body in bodies:
        facts = check_root(body) if trusted is None else follow(trusted, body)
        found[facts.version] = trusted = body
    return found


def _lacked(version: int, trusted: bytes, bodies: Sequence[bytes]) -> dict[int, bytes]:
    """By number, those of one site's roots that come after this one, the oldest first.

    :raises InputInvalid, TrustRefused: one is no root, or that it is of the same site cannot be seen.
    """
    found: dict[int, bytes] = {}
    for body in bodies:
        facts = check_root(body)
        if facts.version > version:
            if not same_site(trusted, body):
                raise _unrelated(facts.version, version)
            found[facts.version] = trusted = body
            version = facts.version
    return found


def _unrelated(brought: int, here: int) -> TrustRefused:
    """Of a root that neither signed the newest one here nor is signed by it."""
    if brought in (here, here + 1):
        return TrustRefused(
            "This box trusts another site's root already.",
            hint="Initialise the box anew if it really moves to another site.",
        )
    if brought > here:
        between = f"{here + 1} to {brought - 1}" if brought > here + 2 else str(here + 1)
        why = f"or what lies between it and root {here}, the newest one here, is missing: {between}"
    else:
        why = f"or older than root {here}, which this box has"
    return TrustRefused(
        f"Root {brought} is another site's, {why}.",
        hint="The root key may have been replaced meanwhile. Bring all of the site's roots after the box's own, the "
        "oldest first. Nothing was changed.",
    )


class TrustStore:
    """The roots in ``trust.db`` and ``trust/``; reads them anew whenever another process has changed them.

    A box that was enrolled before roots listed desktops has a file ``trust/desktops/FINGERPRINT.pem`` for each; they
    count until it accepts the first root with a list.
    """

    def __init__(self, home: Path) -> None:
        self._desktops = home / "trust" / "desktops"
        self._store = RootStore(home)
        make_folder(self._desktops)
        self._lock = threading.RLock()
        self._seen: _Seen | None = None
        self._waiting = _Waiting("", {})

    def admitted(self) -> Admitted:
        """Who is trusted at this moment."""
        return self._look().admitted

    def pinned(self) -> dict[str, bytes]:
        """The desktops trusted at this moment: DER certificate by fingerprint."""
        return self._look().admitted.desktops

    @property
    def version(self) -> int:
        """Number of the newest root; 0 where there is none."""
        facts = self._look().facts
        return facts.version if facts else 0

    @property
    def digest(self) -> str:
        """sha256 of the newest root; empty where there is none."""
        facts = self._look().facts
        return facts.digest if facts else ""

    @property
    def signers(self) -> dict[str, frozenset[str]]:
        """The keys that sign releases, by role, as the newest root lists them."""
        facts = self._look().facts
        return facts.signers if facts else {}

    def root(self, version: int) -> bytes:
        """A root that was accepted.

        :raises NotFound: it is newer, or older than this box's enrolment.
        """
        body = self._look().roots.get(version)
        if body is None:
            raise NotFound(f"This box has no root {version}; its newest is {self.version}.")
        return body

    def accept(self, body: bytes, *, root_key: bool = False) -> RootFacts | None:
        """Take the next root if it follows from the newest one; from then on exactly its desktops are trusted.

        One that would bring somebody back waits for those that come after it: the first that does not is taken with all
        before it, of which none is ever in force.

        :param root_key: its holder brings it, who may take somebody back.
        :returns: what the new root says; None where it is known already or older.
        :raises InputInvalid: it is no root.
        :raises TrustRefused: it is not signed by this site, or there is another one of its number; or somebody would
            come back whom a root of this box had struck off without that one knowing.
        """
        with self._lock:
            facts, seen = read_root(body), self._look()
            if seen.facts is None:
                raise TrustRefused("This box belongs to no site yet.", hint="Enrol the box from the desktop first.")
            if facts.version <= seen.facts.version:
                self._same(facts, body, seen)
                return None
            brought = self._waiting.before(facts.version) if self._waiting.after == seen.facts.digest else {}
            follow(brought.get(facts.version - 1, seen.roots[seen.facts.version]), body)
            brought[facts.version] = body
            if not root_key and (returning := who_returns(_chain(seen.roots), _chain(brought))):
                if sum(map(len, brought.values())) <= MAX_ROOT_BYTES:
                    self._waiting = _Waiting(seen.facts.digest, brought)
                raise _returning(
                    returning,
                    seen.facts,
                    facts,
                    "Strike off {names} on the desktop that brought it, too; or join the two with `lineside site "
                    "introduce BOX` and the root key.",
                )
            self._keep(brought)
            return facts

    def add_desktop(self, certificate_pem: str) -> str:
        """Trust a desktop from now on; returns its fingerprint. Again for the same one: nothing happens.

        :raises InputInvalid: not a certificate.
        :raises TrustRefused: the site's root lists its desktops, and this is none of them.
        """
        fingerprint = fingerprint_of(certificate_pem)
        facts = self._look().facts
        if facts is not None and facts.desktops is not None:
            if fingerprint not in facts.desktops:
                raise TrustRefused(
                    f"Root {facts.version} of the site does not list the desktop {fingerprint[:12]}.",
                    hint="Have the holder of the root key admit it: `lineside site admit`.",
                )
            return fingerprint
        write_durably(self._desktops / f"{fingerprint}.pem", [certificate_pem.encode("ascii")])
        return fingerprint

    def set_root(self, body: bytes, before: Sequence[bytes] = ()) -> None:
        """Belong to the site of this root, which comes over a trusted way; a newer root of the same site takes the
        place of the one here, whatever lies between the two.

        :param before: the site's roots that lead to it, the oldest first. A box without a site keeps them as well, at
            once: desktops that know only an older one go on from that, and none of them is ever in force alone. Where
            the root key was replaced since the box's own root, it needs those in between.
        :raises InputInvalid: not root metadata that is signed as it says itself.
        :raises TrustRefused: the box trusts another site's root already, or that it is the same one cannot be seen; or
            somebody would come back whom a root of this box had struck off without that one knowing.
        """
        with self._lock:
            facts, seen = check_root(body), self._look()
            if seen.facts is None:
                self._keep(_followed([*before, body]))
                return
            if facts.version <= seen.facts.version:
                self.require_same_site([body])
                self._same(facts, body, seen)
                return
            lacked = _lacked(seen.facts.version, seen.roots[seen.facts.version], [*before, body])
            brought = {read_root(each).version: each for each in before} | lacked
            if returning := who_returns(_chain(seen.roots), _chain(brought, believed=True)):
                raise _returning(
                    returning,
                    seen.facts,
                    facts,
                    "Strike off {names} on the desktop that brought it, too, and do it again. Nothing was changed on "
                    "the box.",
                )
            self._keep(lacked)

    def require_same_site(self, bodies: Sequence[bytes]) -> None:
        """Whether these are roots of the site to which the box belongs, whatever their numbers; also of before the root
        key was replaced.

        :param bodies: the last one is the newest.
        :raises TrustRefused: they are another site's, or that it is the same one cannot be seen.
        """
        with self._lock:
            seen = self._look()
            if seen.facts is None or any(same_site(root, body) for root in seen.roots.values() for body in bodies):
                return
            raise _unrelated(read_root(bodies[-1]).version, seen.facts.version)

    def _same(self, facts: RootFacts, body: bytes, seen: _Seen) -> None:
        if seen.roots.get(facts.version, body) != body:
            raise TrustRefused(
                f"This box has accepted another root {facts.version} than this one.",
                hint="Two people changed the site's keys at the same time. Take this box's root over (ask the box "
                "from a desktop that it trusts), then make your change again.",
            )

    def _keep(self, roots: dict[int, bytes]) -> None:
        self._store.add(roots)
        self._seen = None
        _log.info("root %d of the site is in force", max(roots))

    def _look(self) -> _Seen:
        with self._lock:
            stats = self._stats()
            if self._seen is None or self._seen.stats != stats:
                self._seen = self._read()
            return self._seen

    def _read(self) -> _Seen:
        # Before the reading: what is changed meanwhile is read once more.
        stats = self._stats()
        try:
            roots = self._store.load()
            facts = read_root(roots[max(roots)]) if roots else None
        except LinesideError as error:
            # Nobody is trusted rather than somebody who may have been struck off.
            _log.error("the site's roots cannot be read, and nobody is trusted: %s", error)
            return _Seen(stats, {}, None, Admitted())
        if facts is not None and facts.desktops is not None:
            certificate = facts.root_certificate
            admitted = Admitted(
                {fingerprint: certificate_der(entry.certificate) for fingerprint, entry in facts.desktops.items()},
                {fingerprint_of(certificate): certificate_der(certificate)} if certificate else {},
            )
        else:
            admitted = Admitted(dict(pin for path in self._pems() if (pin := _read_pin(path))))
        return _Seen(stats, roots, facts, admitted)

    def _pems(self) -> list[Path]:
        try:
            return [path for path in self._desktops.iterdir() if path.suffix == ".pem"]
        except FileNotFoundError:
            return []

    def _stats(self) -> frozenset[tuple[str, int, int, int]]:
        stats = []
        for path in (self._store.newest_file, *self._pems()):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            stats.append((path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return frozenset(stats)


def _read_pin(path: Path) -> tuple[str, bytes] | None:
    """A file of the trust folder; one that is not what its name says trusts nobody."""
    try:
        with path.open("r", encoding="ascii") as file:
            pem = file.read(MAX_CERTIFICATE_BYTES + 1)
        if fingerprint_of(pem) != path.stem:
            raise InputInvalid("The certificate is not the one of the file's name.")
        return path.stem, certificate_der(pem)
    except (OSError, ValueError, LinesideError) as error:
        _log.warning("%s in the trust folder is left out: %s", path.name, error)
        return None
