"""What a person should know of a machine that became a box: by kind, so that the window says it in its language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edge_runtime.contracts.text import one_line

NoteKind = Literal[
    "little-room", "pairing-port", "inference-port", "clock-fast", "clock-slow", "name-kept", "config-anew"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    kind: NoteKind
    facts: dict[str, str] = field(default_factory=dict)


WORDS: dict[NoteKind, str] = {
    "little-room": "Only {free} MiB are free for what it sees: below {needed} MiB it keeps nothing, unless "
    "reserve_bytes in its edge.toml says otherwise.",
    "pairing-port": "Port 7444, at which a box takes one-time codes, is taken by {holder}.",
    "inference-port": "Port 8000, at which a box answers programs on its machine, is taken by {holder}: give it "
    "another one under [inference] in its edge.toml.",
    "clock-fast": "Its clock is {apart} fast. Enrolment goes on, but what the box sees would bear wrong times. Set it "
    "there: `sudo date -s @{now_s}`. `lineside boxes clock` measures it.",
    "clock-slow": "Its clock is {apart} slow. Enrolment goes on, but what the box sees would bear wrong times. Set it "
    "there: `sudo date -s @{now_s}`. `lineside boxes clock` measures it.",
    "name-kept": "It is a box called {name} already, and stays so; its edge.toml has the name.",
    "config-anew": "Its edge.toml was gone: the box puts back the one that was in force, or else one is made with the "
    "usual settings and the name {name}.",
}


def duration(milliseconds: int) -> str:
    """In the largest unit that says enough."""
    seconds = milliseconds // 1000
    for unit, size in (("years", 31_557_600), ("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def say(note: Note) -> str:
    """The note as one line of English."""
    apart = duration(int(note.facts["apart_ms"])) if "apart_ms" in note.facts else ""
    return one_line(WORDS[note.kind].format(**note.facts, apart=apart))
