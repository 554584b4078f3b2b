"""Rows to Parquet and back. Arrow is loaded where it is used: a start-up never needs it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from cloud_sync.metrics.partitions import Kind
from cloud_sync.metrics.tables import FORMS, Coding, Column, Holds, TableForm, data_type
from edge_runtime.contracts.errors import ObjectCorrupt

if TYPE_CHECKING:
    from arro3.core import Array, RecordBatch, Table

Row = tuple[Any, ...]
"""Values in the order of the form's columns: moments in ms since 1970, shares as floats, lists as sequences."""

BATCH = 10_000
_LISTS = {Holds.WHOLES: Holds.WHOLE, Holds.TEXTS: Holds.TEXT}


def batch_of(kind: Kind, rows: Sequence[Row]) -> RecordBatch:
    """Rows in their order, in a form that takes little memory until they are written."""
    form = FORMS[kind]
    return _batch(form, sorted(rows, key=itemgetter(*map(form.names.index, form.order))))


def encode(kind: Kind, batches: Sequence[RecordBatch]) -> bytes:
    """One file of these, one after the other, of at most :data:`cloud_sync.metrics.plan.MOST_ROWS` together."""
    return _write(FORMS[kind], batches)


def merge(kind: Kind, bodies: Sequence[bytes]) -> tuple[bytes, int]:
    """One file of several, each key once; and how many rows it has.

    :raises ObjectCorrupt: one of them is not what was written.
    """
    import numpy as np
    from arro3.core import Array, DataType

    form = FORMS[kind]
    table = _read(form, bodies)
    if table.num_rows == 0:
        return _write(form, table.to_batches()), 0
    ranks = [_ranks(table, name) for name in (*form.order, *form.newest)]
    order = np.lexsort(ranks[::-1])
    keys = [rank[order] for rank in ranks[: len(form.order)]]
    # The last of equal keys stands: it is the newest where that matters.
    last = np.ones(len(order), dtype=bool)
    last[:-1] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    chosen = order[last].astype(np.uint64)
    (whole,) = table.combine_chunks().to_batches()
    return _write(form, [whole.take(Array.from_numpy(chosen).cast(DataType.uint64()))]), len(chosen)


def read_columns(kind: Kind, body: bytes, names: Sequence[str]) -> list[Row]:
    """Some columns of a file, row by row.

    :raises ObjectCorrupt: it is not a file of this kind.
    """
    table = _read(FORMS[kind], [body]).select(list(names))
    holds = {column.name: column.holds for column in FORMS[kind].columns}
    return list(zip(*(_plain(table, name, holds[name]) for name in names), strict=True))


def _batch(form: TableForm, rows: Sequence[Row]) -> RecordBatch:
    from arro3.core import RecordBatch

    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(form.columns)
    arrays = [_array(column, values) for column, values in zip(form.columns, columns, strict=True)]
    return RecordBatch.from_arrays(arrays, names=form.names)


def _array(column: Column, values: Sequence[Any]) -> Array:
    from arro3.core import Array, DataType, list_array

    if column.holds in _LISTS:
        offsets = [0]
        for value in values:
            offsets.append(offsets[-1] + len(value))
        inner = Array(list(chain.from_iterable(values)), data_type(_LISTS[column.holds]))
        return list_array(Array(offsets, DataType.int32()), inner, type=data_type(column.holds))
    if column.holds is Holds.SHARE:
        return Array(values, DataType.float64()).cast(data_type(Holds.SHARE))
    if column.holds is Holds.MOMENT:
        return Array(values, DataType.int64()).cast(data_type(Holds.MOMENT))
    return Array(values, data_type(column.holds))


def _write(form: TableForm, batches: Sequence[RecordBatch]) -> bytes:
    from arro3.core import Field, RecordBatchReader, Schema
    from arro3.io import write_parquet

    schema = Schema([Field(column.name, data_type(column.holds)) for column in form.columns])
    # The library's type stub has no public name for what it takes here.
    encodings: Any = {_path(one): one.coding.value for one in form.columns if one.coding is not Coding.DICTIONARY}
    dictionaries: Any = {_path(one): one.coding is Coding.DICTIONARY for one in form.columns}
    body = io.BytesIO()
    write_parquet(
        RecordBatchReader.from_batches(schema, batches),
        body,
        compression="zstd(9)",
        writer_version="parquet_2_0",
        column_encoding=encodings,
        column_dictionary_enabled=dictionaries,
        # One page and one group a file: what a page costs would be a tenth of a small one.
        data_page_row_count_limit=2**31,
        data_page_size_limit=8 * 2**20,
        dictionary_page_size_limit=8 * 2**20,
        max_row_group_size=2**31,
        created_by="lineside",
        skip_arrow_metadata=True,
    )
    return body.getvalue()


def _path(column: Column) -> tuple[str, ...]:
    return (column.name, "list", "element") if column.holds in _LISTS else (column.name,)


def _read(form: TableForm, bodies: Sequence[bytes]) -> Table:
    from arro3.core import Table
    from arro3.io import read_parquet

    batches = []
    for body in bodies:
        with _damage():
            reader = read_parquet(io.BytesIO(body), batch_size=BATCH)
            if tuple(reader.schema.names) != form.names:
                raise ObjectCorrupt("A file of figures does not have the columns of its kind.")
            batches += list(reader)
    return Table.from_batches(batches) if batches else Table.from_batches([_batch(form, [])])


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except ObjectCorrupt:
        raise
    except BaseException as error:
        # The library says so by a panic, too, which is no Exception.
        if isinstance(error, Exception) or type(error).__module__ == "pyo3_runtime":
            raise ObjectCorrupt(f"A file of figures cannot be read: {str(error)[:200]}") from error
        raise


def _ranks(table: Table, name: str) -> Any:
    """The column as numbers that are ordered as its values are."""
    import numpy as np
    from arro3.core import DataType

    column = table.column(name)
    if not column.type.is_string(column.type):
        return np.concatenate([chunk.cast(DataType.int64()).to_numpy() for chunk in column.chunks])
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for chunk in column.chunks for value in chunk.to_pylist()]
    ordered = {value: rank for rank, value in enumerate(sorted(numbers))}
    translation = np.array([ordered[value] for value in numbers], dtype=np.int64)
    return translation[np.array(codes, dtype=np.int64)]


def _plain(table: Table, name: str, holds: Holds) -> list[Any]:
    from arro3.core import DataType

    column = table.column(name)
    if holds is Holds.MOMENT:
        column = column.cast(DataType.int64())
    elif holds is Holds.SHARE:
        column = column.cast(DataType.float64())
    return list(column.to_pylist())
