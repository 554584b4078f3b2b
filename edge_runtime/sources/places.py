"""What a source reads, by one name: two lines that run at a time must not share it."""

from __future__ import annotations

import os


def place_of(address: str) -> str:
    """The same for two addresses of which the one cannot be read beside the other: files would be answered twice, and a
    device has one reader.

    Of folders and files the path alone is looked at: a network file system that hangs must hold up nobody.

    :param address: ``kind:location``.
    """
    kind, _, location = address.partition(":")
    if kind == "camera":
        device = f"/dev/video{location}" if location.isdigit() else location
        # Each has several names under /dev/v4l.
        return os.path.realpath(device)
    return os.path.normpath(location) if location.startswith("/") else address
