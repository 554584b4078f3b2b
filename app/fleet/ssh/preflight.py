"""Whether a machine can become a box, judged before anything is written to it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from app.fleet.ssh.notes import Note
from edge_runtime.contracts.rows import Count, Digest

MIB = 2**20
LEAST_MEMORY = 400 * MIB
"""A machine with "512 MB" says a little less."""
SPOOL_RESERVE = 512 * MIB
"""What a box leaves free by default; where less is free it keeps nothing of what it sees."""
SPARE = 16 * MIB
CLOCK_TOLERANCE_MS = 60_000
Text = Annotated[str, Meta(max_length=4096)]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledFacts:
    """The version in force on the machine."""

    id: Text
    """Of exactly these files with exactly this Python."""
    version: Text
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """A box's home that is there already."""

    lived_in: bool = True
    """Something is in it."""
    certificate: Annotated[str, Meta(max_length=16384)] | None = None
    """Of the identity in force; None: there is none that can be read."""
    name: Text | None = None
    root: Annotated[str, Meta(max_length=2**20)] | None = None
    """Root metadata of the site that it belongs to."""
    waiting: Count | None = None
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the machine's hand saw, as root."""

    arch: Text
    python: Text
    python_version: Text
    python_problem: Text
    libc: Text
    free_prefix: Count
    free_home: Count
    staging_disk: Count
    """Where uploads go."""
    prefix_disk: Count
    home_disk: Count
    memory: Count
    clock_ms: int
    taken: dict[str, Text] = field(default_factory=dict)
    """Who listens at a port that a box needs."""
    systemd: bool
    cron: bool
    obstacle: Text = ""
    """What stands where the box is to live."""
    installed: InstalledFacts | None = None
    home: HomeFacts | None = None
    running: bool
    hostname: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be put onto it."""

    arch: str
    glibc: str
    pythons: tuple[str, ...]
    id: Digest
    """What the installer will call exactly this."""
    staged_bytes: int
    """Still to be uploaded, to the home of whoever signs in."""
    copied_bytes: int
    """Root's own copy of all."""
    unpacked_bytes: int
    roots: tuple[str, ...]
    """Root metadata of this site, from its first one on."""
    now_ms: int
    has_staging: bool
    """There is a home folder for uploads."""
    free_staging: int


@dataclass(frozen=True, slots=True)
class Verdict:
    problems: tuple[str, ...] = ()
    """It cannot become a box as long as one is there."""
    notes: tuple[Note, ...] = ()
    """What a person should know; it stops nothing."""


def judge(facts: Facts, wanted: Wanted) -> Verdict:
    """Everything that is wrong, and everything that a person should know."""
    problems: list[str] = []
    notes: list[Note] = []
    if facts.arch != wanted.arch:
        problems.append(f"It is {facts.arch}; the bundle is for {wanted.arch}.")
    if facts.python_version not in wanted.pythons:
        problems.append(f"{facts.python} is {facts.python_version}; the bundle is for {', '.join(wanted.pythons)}.")
    if facts.python_problem:
        problems.append(
            f"The user of the box could not run {facts.python} ({facts.python_problem}): install the system's own."
        )
    if not _is_new_enough(facts.libc, wanted.glibc):
        problems.append(f"Its C library is {facts.libc or 'no glibc'}; glibc {wanted.glibc} or newer is needed.")
    if 0 < facts.memory < LEAST_MEMORY:
        problems.append(f"It has {facts.memory // MIB} MiB of memory; {LEAST_MEMORY // MIB} MiB are needed.")
    if facts.obstacle:
        problems.append(facts.obstacle)
    if not is_installed(facts, wanted):
        problems += _no_room(facts, wanted)
    if facts.free_home < SPOOL_RESERVE:
        room = {"free": str(facts.free_home // MIB), "needed": str(SPOOL_RESERVE // MIB)}
        notes.append(Note(kind="little-room", facts=room))
    if "7443" in facts.taken:
        problems.append(f"Port 7443, at which a box listens for desktops, is taken by {facts.taken['7443']}.")
    if "7444" in facts.taken:
        notes.append(Note(kind="pairing-port", facts={"holder": facts.taken["7444"]}))
    if "8000" in facts.taken and (facts.home is None or not facts.home.lived_in):
        # One that lives here already may have been given another port long ago.
        notes.append(Note(kind="inference-port", facts={"holder": facts.taken["8000"]}))
    if facts.home is not None and facts.home.root and not is_same_site(facts.home.root, wanted.roots):
        called = f", called {facts.home.name}" if facts.home.name else ""
        problems.append(f"It is a box of another site already{called}. Release it there first.")
    if note := clock_note(facts.clock_ms, wanted.now_ms):
        notes.append(note)
    return Verdict(tuple(problems), tuple(notes))


def is_installed(facts: Facts, wanted: Wanted) -> bool:
    """Exactly this is installed there, and every file of it is what it was."""
    return facts.installed is not None and facts.installed.whole and facts.installed.id == wanted.id


def clock_note(theirs_ms: int, ours_ms: int) -> Note | None:
    """What is to be said of the machine's clock, if anything."""
    apart = theirs_ms - ours_ms
    if abs(apart) <= CLOCK_TOLERANCE_MS:
        return None
    facts = {"apart_ms": str(abs(apart)), "now_s": str(ours_ms // 1000)}
    return Note(kind="clock-fast" if apart > 0 else "clock-slow", facts=facts)


def is_same_site(theirs: str, ours: Iterable[str]) -> bool:
    """Whether a root names, or is signed with, a key that one of this site's roots names, be it one that was replaced
    since. One that cannot be read is judged later, by the box itself.
    """
    keys = _root_keys(theirs, signers=True)
    known = set().union(*map(_root_keys, ours))
    return not keys or not known or bool(keys & known)


def _root_keys(root: str, *, signers: bool = False) -> set[str]:
    try:
        said: Any = json.loads(root)
        found = {str(each) for each in said["signed"]["roles"]["root"]["keyids"]}
        return found | {str(each["keyid"]) for each in said["signatures"]} if signers else found
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


def _is_new_enough(libc: str, wanted: str) -> bool:
    name, _, version = libc.partition(" ")
    try:
        have, need = (tuple(int(part) for part in text.split(".")[:2]) for text in (version, wanted))
    except ValueError:
        return False
    return name == "glibc" and have >= need


def _no_room(facts: Facts, wanted: Wanted) -> list[str]:
    if not wanted.has_staging:
        return ["The home folder of whoever signs in, where uploads go, is not there or cannot be written to."]
    programs = wanted.copied_bytes + wanted.unpacked_bytes
    if facts.staging_disk == facts.prefix_disk:
        # Most machines have one disk, which takes both.
        both = wanted.staged_bytes + programs + SPARE
        free = min(facts.free_prefix, wanted.free_staging)
        return [] if free >= both else [_room("the upload and the programs in /opt", both, free)]
    places = (
        ("the upload", wanted.staged_bytes + SPARE, wanted.free_staging),
        ("the programs in /opt", programs + SPARE, facts.free_prefix),
    )
    return [_room(what, needed, free) for what, needed, free in places if free < needed]


def _room(what: str, needed: int, free: int) -> str:
    return f"The disk has too little room for {what}: {needed // MIB + 1} MiB are needed, {free // MIB} MiB are free."
