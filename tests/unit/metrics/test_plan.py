"""Names of files, what becomes one file, and what may go."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.metrics.partitions import KINDS, NO_DATE, Kind, Partition, digest_of, is_over, partition_of, read_key
from cloud_sync.metrics.plan import DAY_MS, GRACE_MS, MOST_FILES, MOST_ROWS, File, Stretch, expired, joined, to_merge
from cloud_sync.objects.base import check_key

BOX, REPLICA, SITE = "b" * 64, "e" * 64, "5" * 64
NOW_MS = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp() * 1000)
NUMBERS = itertools.count(1)


def file(rows: int, period: str = "2026-11-20", kind: Kind = "results") -> File:
    number = next(NUMBERS)
    partition = Partition(kind, BOX, period)
    key = partition.key(SITE, REPLICA, number, b"")
    return File(number=number, key=key, partition=partition, rows=rows, size=1, state="written")


@pytest.mark.parametrize(
    ("kind", "period"),
    [("results", "2026-11-26"), ("minutes", "2026-11-26"), ("hours", "2026-11"), ("days", "2026")],
)
def test_a_key_says_what_the_file_is(kind: Kind, period: str) -> None:
    partition = partition_of(kind, BOX, NOW_MS, NOW_MS)
    assert partition == Partition(kind, BOX, period)
    key = check_key(partition.key(SITE, REPLICA, 17, b"content"))
    name = read_key(key)
    assert name is not None
    assert (name.site, name.partition, name.replica, name.number) == (SITE, partition, REPLICA, 17)
    assert name.digest == digest_of(b"content")
    for stranger in (f"{key}x", key.replace("kind=", "kind=x"), key.replace("-17-", "-x-"), key.replace(BOX, "b")):
        assert read_key(stranger) is None


@pytest.mark.parametrize("at_ms", [-5, 0, 1_500_000_000_000, NOW_MS + 3 * DAY_MS, 253_402_300_799_999])
def test_times_that_cannot_be_right_have_no_date(at_ms: int) -> None:
    for kind in KINDS:
        partition = partition_of(kind, BOX, at_ms, NOW_MS)
        assert partition.period == NO_DATE
        assert read_key(check_key(partition.key(SITE, REPLICA, 1, b""))) is not None
        assert not is_over(partition, NOW_MS, grace_ms=0)


def test_a_day_is_over_when_the_boxes_had_time_to_tell_of_it() -> None:
    midnight_ms = NOW_MS - NOW_MS % DAY_MS
    yesterday = partition_of("results", BOX, midnight_ms - 1, NOW_MS)
    assert not is_over(yesterday, midnight_ms + GRACE_MS - 1, grace_ms=GRACE_MS)
    assert is_over(yesterday, midnight_ms + GRACE_MS, grace_ms=GRACE_MS)


STRETCHES = st.lists(
    st.builds(
        lambda boot, first, length: Stretch(BOX, boot, first, first + length),
        st.sampled_from(["boot 1", "boot 2"]),
        st.integers(0, 60),
        st.integers(0, 20),
    ),
    max_size=12,
)


@given(STRETCHES)
def test_stretches_are_joined_to_the_same_rows_each_once(stretches: list[Stretch]) -> None:
    def rows(all_: list[Stretch]) -> list[tuple[str, int]]:
        return [(one.boot, seq) for one in all_ for seq in range(one.first, one.last + 1)]

    whole = joined(stretches)
    assert rows(whole) == sorted(set(rows(stretches)))


@given(st.lists(st.integers(1, MOST_ROWS), min_size=1, max_size=40))
def test_merging_ends_and_never_makes_a_file_too_large(sizes: list[int]) -> None:
    files = [file(rows) for rows in sizes]
    total = sum(sizes)
    for _ in range(len(sizes) + 1):
        groups = to_merge(files, NOW_MS)
        if not groups:
            break
        for group in groups:
            assert len(group) > 1
            assert sum(one.rows for one in group) <= MOST_ROWS
            files = [one for one in files if one not in group] + [file(sum(one.rows for one in group))]
    else:
        pytest.fail("it goes on merging")
    assert sum(one.rows for one in files) == total
    assert all(one.rows + other.rows > MOST_ROWS for one, other in itertools.pairwise(files))


def test_a_day_that_goes_on_is_left_alone_until_it_has_many_files() -> None:
    today = [file(10, "2026-11-26") for _ in range(MOST_FILES - 1)]
    without_date = [file(10, NO_DATE) for _ in range(MOST_FILES - 1)]
    assert to_merge(today + without_date, NOW_MS) == []
    today.append(file(10, "2026-11-26"))
    assert to_merge(today, NOW_MS) == [tuple(today)]
    assert to_merge([file(10), file(10, kind="minutes")], NOW_MS) == []


def test_what_has_expired_is_older_than_the_rule_and_has_a_date() -> None:
    old, border, without_date = file(1, "2026-10-26"), file(1, "2026-10-27"), file(1, NO_DATE)
    minutes = file(1, "2026-10-26", "minutes")
    files = [old, border, without_date, minutes]
    assert expired(files, "results", 30, NOW_MS) == [old]
    assert expired(files, "minutes", 30, NOW_MS) == [minutes]
    assert expired(files, "results", None, NOW_MS) == []
