"""Where figures lie in the object store. Pure.

``metrics/v1/kind=KIND/site=SITE/box=BOX/date=YYYY-MM-DD/REPLICA-NUMBER-DIGEST.parquet``; hours have ``month=YYYY-MM``
and days ``year=YYYY`` in the date's place, for a day of them is too little for a file. DIGEST is the beginning of the
file's sha256. Each desktop writes, replaces and deletes only files that begin with its own id. Files of one partition
may hold the same row twice, also of one desktop: a reader takes each key once, see :mod:`cloud_sync.metrics.tables`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

Kind = Literal["results", "minutes", "hours", "days", "labels"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ROOT = "metrics/v1"
NO_DATE = "__HIVE_DEFAULT_PARTITION__"
"""Hive's word for no value: the partition of rows whose time cannot be right."""
FIRST_YEAR = 2020
"""No box is older: what says so has a clock that was never set."""
AHEAD_MS = 2 * 86_400_000
"""How far a box's clock may be ahead before its time counts as wrong."""

_UNIT = {"results": "date", "minutes": "date", "labels": "date", "hours": "month", "days": "year"}
_FORMAT = {"date": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_FILE = re.compile(
    rf"{ROOT}/kind=(?P<kind>[a-z]+)/site=(?P<site>[^/=]+)/box=(?P<box>[0-9a-f]{{64}})/"
    r"(?P<unit>date|month|year)=(?P<period>[^/=]+)/(?P<replica>[0-9a-f]{64})-(?P<number>\d{1,15})-(?P<digest>[0-9a-f]{32})\.parquet"
)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """The files of one kind, box and period. ``period``: as it stands in the key, or :data:`NO_DATE`."""

    kind: Kind
    box: str
    period: str

    def folder(self, site: str) -> str:
        return f"{ROOT}/kind={self.kind}/site={site}/box={self.box}/{_UNIT[self.kind]}={self.period}"

    def key(self, site: str, replica: str, number: int, body: bytes) -> str:
        """The key of a file. A number is never used twice by a desktop."""
        return f"{self.folder(site)}/{replica}-{number}-{digest_of(body)}.parquet"


@dataclass(frozen=True, slots=True)
class FileName:
    """What a key says."""

    site: str
    partition: Partition
    replica: str
    number: int
    digest: str


def digest_of(body: bytes) -> str:
    """What the name of a file says of its content."""
    return hashlib.sha256(body).hexdigest()[:32]


def read_key(key: str) -> FileName | None:
    """What a key says; None for one that no desktop writes."""
    found = _FILE.fullmatch(key)
    if found is None or found["kind"] not in KINDS or _UNIT[found["kind"]] != found["unit"]:
        return None
    kind: Kind = found["kind"]
    partition = Partition(kind, found["box"], found["period"])
    return FileName(found["site"], partition, found["replica"], int(found["number"]), found["digest"])


def partition_of(kind: Kind, box: str, at_ms: int, now_ms: int) -> Partition:
    """Where a row belongs by the time that it carries; an enrolled box cannot make partitions without end.

    :param now_ms: by this desktop's clock.
    """
    return Partition(kind, box, period_of(kind, at_ms, now_ms))


def period_of(kind: Kind, at_ms: int, now_ms: int) -> str:
    """The period's name; :data:`NO_DATE` for a time before Lineside was made, or ahead of this desktop's."""
    if at_ms > now_ms + AHEAD_MS:
        return NO_DATE
    at = datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms > 0 else None
    if at is None or at.year < FIRST_YEAR:
        return NO_DATE
    return at.strftime(_FORMAT[_UNIT[kind]])


def is_over(partition: Partition, now_ms: int, *, grace_ms: int) -> bool:
    """Whether the partition's period has ended, and ``grace_ms`` have passed since.

    What has no date has no end either: it is never over.
    """
    if partition.period == NO_DATE:
        return False
    return partition.period < period_of(partition.kind, now_ms - grace_ms, now_ms)
