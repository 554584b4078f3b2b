"""Rows in Parquet come back as they were, and of several files each key once."""

from __future__ import annotations

import io
from typing import Any

import duckdb
import pytest

from cloud_sync.metrics import parquet
from cloud_sync.metrics.partitions import KINDS, Kind
from cloud_sync.metrics.tables import FORMS, Coding, Holds
from edge_runtime.contracts.errors import ObjectCorrupt

VALUES: dict[Holds, Any] = {
    Holds.TEXT: "text",
    Holds.WHOLE: 2**40,
    Holds.MOMENT: 1_790_000_000_123,
    Holds.SHARE: 0.9712,
    Holds.NUMBER: -1.5e-7,
    Holds.WHOLES: [1, 0, 2**40],
    Holds.TEXTS: ["缺陷", ""],
}


def row(kind: Kind, **different: object) -> parquet.Row:
    return tuple(different.get(column.name, VALUES[column.holds]) for column in FORMS[kind].columns)


def result(boot: str, seq: int, label: str = "ok") -> parquet.Row:
    return row("results", boot=boot, seq=seq, label=label)


def file(kind: Kind, *rows: parquet.Row) -> bytes:
    return parquet.encode(kind, [parquet.batch_of(kind, rows)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_comes_back(kind: Kind) -> None:
    form = FORMS[kind]
    empty: parquet.Row = tuple(
        []
        if column.holds in (Holds.WHOLES, Holds.TEXTS)
        else VALUES[column.holds]
        if column.name in form.order
        else None
        for column in form.columns
    )
    body = file(kind, row(kind), empty)
    assert parquet.read_columns(kind, body, form.names) == [row(kind), empty]
    assert parquet.read_columns(kind, file(kind), form.names) == []


def test_columns_are_laid_as_they_are_meant_to_be(tmp_path: Any) -> None:
    path = tmp_path / "one.parquet"
    for kind in KINDS:
        path.write_bytes(file(kind, *[row(kind)] * 300))
        found = duckdb.sql(f"SELECT path_in_schema, encodings, compression FROM parquet_metadata('{path}')").fetchall()
        by_name = {name.partition(",")[0]: (encodings, compression) for name, encodings, compression in found}
        for column in FORMS[kind].columns:
            encodings, compression = by_name[column.name]
            assert compression == "ZSTD"
            wanted = {Coding.DICTIONARY: "RLE_DICTIONARY"}.get(column.coding, column.coding.value.upper())
            assert wanted in encodings, column


def test_of_several_files_each_key_stands_once_and_in_order() -> None:
    one = file("results", result("boot 1", 1), result("boot 1", 3), result("boot 2", 1))
    other = file("results", result("boot 0", 9), result("boot 1", 2), result("boot 1", 3))
    body, rows = parquet.merge("results", [one, other, one])
    assert rows == 5
    keys = [("boot 0", 9), ("boot 1", 1), ("boot 1", 2), ("boot 1", 3), ("boot 2", 1)]
    assert parquet.read_columns("results", body, ("boot", "seq")) == keys
    assert parquet.merge("results", [body]) == (body, 5)
    assert parquet.merge("results", [file("results"), file("results")]) == (file("results"), 0)


def test_the_newest_of_equal_keys_stands_in_whatever_order_files_come() -> None:
    def hour(version: int, moment: int = 0) -> bytes:
        return file("hours", row("hours", moment=moment, version=version, frames=version * 10))

    for versions in ((1, 2, 10), (10, 2, 1), (2, 10, 1)):
        body, rows = parquet.merge("hours", [*map(hour, versions), hour(1, 3_600_000)])
        assert rows == 2
        assert parquet.read_columns("hours", body, ("moment", "frames")) == [(0, 100), (3_600_000, 10)]

    def label(clock: str, replica: str, said: str | None) -> bytes:
        return file("labels", row("labels", clock=clock, replica=replica, label=said))

    body, rows = parquet.merge("labels", [label("2", "b", None), label("1", "z", "dent"), label("2", "a", "ok")])
    assert (rows, parquet.read_columns("labels", body, ("label",))) == (1, [(None,)])


@pytest.mark.parametrize("at", [0, 5, -1, -6, -20, 60])
def test_damage_is_an_error_with_a_name(at: int) -> None:
    body = bytearray(file("results", *(result("boot", seq) for seq in range(50))))
    body[at] ^= 0xFF
    try:
        read = parquet.read_columns("results", bytes(body), FORMS["results"].names)
    except ObjectCorrupt:
        return
    # A flipped bit may still be a Parquet file: that is why every file's name has its digest.
    assert isinstance(read, list)


def test_what_is_no_parquet_or_of_another_kind_is_refused() -> None:
    body = file("results", result("boot", 1))
    for wrong in (b"", b"PAR1", b"x" * 100, body[:-10], body[10:], file("minutes", row("minutes"))):
        with pytest.raises(ObjectCorrupt):
            parquet.merge("results", [body, wrong])


def test_shares_are_kept_to_four_places() -> None:
    body = file("results", *(row("results", seq=seq, confidence=seq / 7) for seq in range(8)))
    for (confidence,), seq in zip(parquet.read_columns("results", body, ("confidence",)), range(8), strict=True):
        assert confidence == pytest.approx(seq / 7, abs=0.000051)
    assert io.BytesIO(body).read(4) == b"PAR1"
