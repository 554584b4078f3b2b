"""Figures and times as people read them, in the window's language."""

from __future__ import annotations

import time

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale

NONE = "–"
LATEST_MS = 253_402_300_799_999
"""In the year 9999."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def count(value: int) -> str:
    """With the locale's thousands separator."""
    return QLocale().toString(value)


def size(octets: int) -> str:
    """Bytes in SI units."""
    return QLocale().formattedDataSize(octets, 1, QLocale.DataSizeFormat.DataSizeSIFormat)


def percent(share: float | None, digits: int = 1) -> str:
    return NONE if share is None else f"{share * 100:.{digits}f} %"


def money(usd: float) -> str:
    return f"{usd:.2f} USD"


def short(digest: str | None, length: int = 12) -> str:
    """The beginning of an id, enough to tell it from the others."""
    return digest[:length] if digest else NONE


def clock(at_ms: int | None) -> str:
    """Date and time of day in this machine's zone; the milliseconds where no calendar reaches."""
    if at_ms is None:
        return NONE
    if not -LATEST_MS < at_ms < LATEST_MS:
        return f"{at_ms} ms"
    return QDateTime.fromMSecsSinceEpoch(at_ms).toString("yyyy-MM-dd HH:mm:ss")


def duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return QCoreApplication.translate("formats", "{s} s").format(s=whole)
    if whole < 3600:
        return QCoreApplication.translate("formats", "{m} min {s:02d} s").format(m=whole // 60, s=whole % 60)
    return QCoreApplication.translate("formats", "{h} h {m:02d} min").format(h=whole // 3600, m=whole % 3600 // 60)


def apart(ms: float) -> str:
    """How far two clocks are from each other, whichever is ahead."""
    seconds = abs(ms) / 1000
    if seconds < 1:
        return QCoreApplication.translate("formats", "{n} ms").format(n=round(abs(ms)))
    if seconds < 2 * 86_400:
        return duration(seconds)
    return QCoreApplication.translate("formats", "{n} days").format(n=count(round(seconds / 86_400)))


def off_by(ms: float) -> str:
    """How far one clock is from another: "56 d behind", to be followed by whose."""
    size = apart(ms)
    if ms < 0:
        return QCoreApplication.translate("formats", "{size} behind").format(size=size)
    return QCoreApplication.translate("formats", "{size} ahead of").format(size=size)


def ago(at_ms: int | None, now: int | None = None) -> str:
    """How long ago, in the largest unit that says enough."""
    if at_ms is None:
        return QCoreApplication.translate("formats", "never")
    seconds = ((now if now is not None else now_ms()) - at_ms) / 1000
    if seconds < 10:
        return QCoreApplication.translate("formats", "just now")
    if seconds < 60:
        return QCoreApplication.translate("formats", "{n} s ago").format(n=round(seconds))
    if seconds < 3600:
        return QCoreApplication.translate("formats", "{n} min ago").format(n=round(seconds / 60))
    if seconds < 86_400:
        return QCoreApplication.translate("formats", "{n} h ago").format(n=round(seconds / 3600))
    return QCoreApplication.translate("formats", "{n} d ago").format(n=round(seconds / 86_400))
