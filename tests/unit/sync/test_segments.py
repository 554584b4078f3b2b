"""Segments: what goes in comes out, and what a stranger made is refused without harm."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.journal.changes import (
    MAX_CHANGES,
    MAX_OPEN_BYTES,
    MAX_PACKED_BYTES,
    Change,
    decode_segment,
    encode_segment,
)
from cloud_sync.journal.clock import MAX_AHEAD_MS, format_stamp
from edge_runtime.contracts.errors import InputInvalid, SegmentRefused

NOW_MS = 1_800_000_000_000
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
BODIES = st.none() | st.dictionaries(st.text(max_size=20), SCALARS, max_size=5)


def change(number: int = 0, **fields: Any) -> Change:
    return Change(
        **{
            "table": "samples",
            "key": f"k{number}",
            "body": {"n": number},
            "clock": format_stamp(NOW_MS, number),
            "replica": "a",
            **fields,
        }
    )


def packed(*lines: Any) -> bytes:
    return zstandard.compress(
        b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    )


def header(**fields: Any) -> dict[str, Any]:
    return {"format": 1, "replica": "a", "seq": 1, "count": 1, **fields}


def line(**fields: Any) -> dict[str, Any]:
    return {"table": "samples", "key": "k", "body": {}, "clock": format_stamp(NOW_MS, 0), **fields}


def decode(body: bytes, *, replica: str = "a", seq: int = 1) -> list[Change]:
    return decode_segment(body, replica=replica, seq=seq, now_ms=NOW_MS)


@given(
    st.lists(
        st.tuples(st.text("ab_", min_size=1).filter(lambda t: t[0] != "_"), st.text(min_size=1), BODIES), min_size=1
    )
)
def test_what_goes_in_comes_out(rows: list[tuple[str, str, dict[str, Any] | None]]) -> None:
    changes = [
        Change(table, key, body, format_stamp(NOW_MS, number), "a") for number, (table, key, body) in enumerate(rows)
    ]
    assert decode(encode_segment("a", 1, changes)) == changes


def test_the_same_changes_make_the_same_bytes() -> None:
    first = encode_segment("a", 1, [change(body={"x": 1, "y": 2})])
    assert encode_segment("a", 1, [change(body={"y": 2, "x": 1})]) == first


def test_a_thousand_changes_are_small() -> None:
    assert len(encode_segment("a", 1, [change(number) for number in range(1000)])) < 20_000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "damaged|could not be read"),
        (b"not zstd at all", "damaged"),
        (packed(header(), line())[:-3], "truncated|damaged|changes where"),
        (packed(b"{"), "first line"),
        (packed(b"\xff\xfe"), "first line"),
        (packed([1, 2]), "first line"),
        (packed(header(replica="b"), line()), "segment 1 of desktop b"),
        (packed(header(seq=2), line()), "segment 2 of desktop a"),
        (packed(header(format=3), line()), "first line"),
        (packed(header(count=2), line()), "1 changes where 2"),
        (packed(header(), line(), line()), "2 changes where 1"),
        (packed(header(count=0)), "first line"),
        (packed(header(count=10**9)), "first line"),
        (packed(header(replica="../up"), line()), "first line"),
        (packed(header(), b"[" * 100_000), "change"),
        (packed(header(), b"NaN"), "change"),
        (packed(header(), line(table="sqlite_master; --")), "table"),
        (packed(header(), line(table="")), "table"),
        (packed(header(), line(key="")), "key"),
        (packed(header(), line(key="k" * 1001)), "key"),
        (packed(header(), line(key=7)), "key"),
        (packed(header(), line(body=[])), "body"),
        (packed(header(), line(body={str(number): 0 for number in range(257)})), "body"),
        (packed(header(), line(clock="yesterday")), "stamp"),
        (packed(header(), line(clock=format_stamp(NOW_MS + MAX_AHEAD_MS + 1, 0))), "24 hours ahead"),
        (packed(header(), line(clock=format_stamp(10**15 - 1, 0))), "years ahead"),
    ],
)
def test_what_is_not_sound_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(SegmentRefused, match=words) as caught:
        decode(body)
    assert "desktop a" in caught.value.message


def test_any_damage_of_a_byte_is_noticed_or_harmless() -> None:
    changes = [change(number) for number in range(3)]
    good = encode_segment("a", 1, changes)
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 0x10
        try:
            assert decode(bytes(bad)) == changes
        except SegmentRefused:
            continue


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zstandard.compress(b"\0" * (2 * MAX_OPEN_BYTES))
    assert len(bomb) < MAX_PACKED_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(SegmentRefused, match="unpacks to more"):
            decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * MAX_OPEN_BYTES
    finally:
        tracemalloc.stop()
    with pytest.raises(SegmentRefused, match="at most"):
        decode(b"\0" * (MAX_PACKED_BYTES + 1))


def test_what_readers_would_refuse_is_not_written() -> None:
    for changes in ([], [change()] * (MAX_CHANGES + 1), [change(table="Bad Name")], [change(clock="now")]):
        with pytest.raises(InputInvalid):
            encode_segment("a", 1, changes)


def test_own_segments_are_read_whatever_the_clock_said() -> None:
    ahead = [change(clock=format_stamp(10**15 - 1, 0))]
    assert decode_segment(encode_segment("a", 1, ahead), replica="a", seq=1, now_ms=None) == ahead
