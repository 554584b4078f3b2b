"""What the box of a test is told; each test adds what it is about. To be filled in by ``str.format``."""

from __future__ import annotations

BARE = """\
name = "{name}"
[management]
listen = "127.0.0.1:0"
announce = false
pairing = ""
[inference]
http = ""
[spool]
reserve_bytes = 0
"""
"""Reached on this machine alone, by a desktop that knows its address."""
LINE = """\
[[pipeline]]
name = "camera"
source = "folder:{frames}"
"""
"""It watches a folder."""


def named(name: str) -> str:
    """A box of this name that watches a folder, which is still to be filled in."""
    return BARE.replace("{name}", name) + LINE
