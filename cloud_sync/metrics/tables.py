"""The columns of each kind of figures, and how they are laid in Parquet.

Every encoding here is one that Athena, Spark, Trino and DuckDB have read for years; docs/adr/0013 has the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cloud_sync.metrics.partitions import Kind

if TYPE_CHECKING:
    from arro3.core import DataType


class Holds(Enum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole number"
    MOMENT = "milliseconds since 1970, UTC"
    SHARE = "0 to 1, kept to four places"
    NUMBER = "number"
    WHOLES = "list of whole numbers"
    TEXTS = "list of texts"


class Coding(Enum):
    """How a column's values become bytes, before zstd."""

    DICTIONARY = "dictionary"
    DELTA = "delta_binary_packed"
    PREFIX = "delta_byte_array"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    holds: Holds
    coding: Coding = Coding.DICTIONARY


@dataclass(frozen=True, slots=True)
class TableForm:
    """``key``: what makes a row that row, besides site and box; ``columns``: in the order of the file.

    Rows of equal key are the same one, unless ``newest`` says by which columns the one that stands is found: the
    greatest. Files are sorted by ``first``, then the key: what is alike lies together and takes less room. Rows of
    equal key must be equal in ``first``.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    newest: tuple[str, ...] = ()
    first: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """By which columns a file is sorted."""
        return (*self.first, *self.key)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


_BOOT, _SEQ = Column("boot", Holds.TEXT), Column("seq", Holds.WHOLE, Coding.DELTA)
_AT = Column("moment", Holds.MOMENT, Coding.DELTA)
_PIPELINE, _MODEL = Column("pipeline", Holds.TEXT), Column("model", Holds.TEXT)
_CONFIDENCE, _MARGIN = Column("confidence", Holds.SHARE), Column("margin", Holds.SHARE)
_COUNTED = tuple(Column(name, Holds.WHOLE) for name in ("frames", "errors", "kept"))

_ROLLED_UP = TableForm(
    columns=(
        Column("replica", Holds.TEXT),
        _PIPELINE,
        _MODEL,
        _AT,
        Column("minutes", Holds.WHOLE),
        *_COUNTED,
        _CONFIDENCE,
        Column("latency_first", Holds.WHOLE),
        Column("latency_counts", Holds.WHOLES),
        Column("labels", Holds.TEXTS),
        Column("label_counts", Holds.WHOLES),
        Column("value_mean", Holds.NUMBER),
        Column("shadow_frames", Holds.WHOLE),
        Column("shadow_agreed", Holds.WHOLE),
        Column("version", Holds.WHOLE),
    ),
    # Each desktop tells of the minutes that it brought in: what stands of several desktops is added.
    key=("replica", "pipeline", "model", "moment"),
    newest=("version",),
)

FORMS: Mapping[Kind, TableForm] = {
    "results": TableForm(
        columns=(
            _BOOT,
            _SEQ,
            _AT,
            _PIPELINE,
            Column("frame", Holds.TEXT, Coding.PREFIX),
            _MODEL,
            Column("label", Holds.TEXT),
            _CONFIDENCE,
            _MARGIN,
            Column("latency_us", Holds.WHOLE),
            Column("value", Holds.NUMBER),
            # JSON, where there are any.
            Column("objects", Holds.TEXT),
            Column("areas", Holds.TEXT),
        ),
        key=("boot", "seq"),
        first=("pipeline",),
    ),
    "minutes": TableForm(
        columns=(
            _BOOT,
            _SEQ,
            _AT,
            Column("span_ms", Holds.WHOLE),
            _PIPELINE,
            _MODEL,
            *_COUNTED,
            _CONFIDENCE,
            Column("latency_us_p50", Holds.WHOLE),
            Column("latency_us_p99", Holds.WHOLE),
            Column("value_mean", Holds.NUMBER),
            Column("shadow", Holds.TEXT),
            Column("shadow_frames", Holds.WHOLE),
            Column("shadow_agreed", Holds.WHOLE),
            Column("shadow_latency_us_p50", Holds.WHOLE),
        ),
        key=("boot", "seq"),
        first=("pipeline",),
    ),
    "hours": _ROLLED_UP,
    "days": _ROLLED_UP,
    "labels": TableForm(
        columns=(
            Column("sample", Holds.TEXT, Coding.PLAIN),
            _AT,
            _PIPELINE,
            _MODEL,
            Column("predicted", Holds.TEXT),
            _CONFIDENCE,
            _MARGIN,
            # Why the box kept it: "random" ones alone give an unbiased accuracy.
            Column("reason", Holds.TEXT),
            # What the person said; nothing where a label was taken back.
            Column("label", Holds.TEXT),
            Column("labelled", Holds.MOMENT, Coding.DELTA),
            # Which of several desktops spoke last.
            Column("clock", Holds.TEXT, Coding.PREFIX),
            Column("replica", Holds.TEXT),
        ),
        key=("sample",),
        newest=("clock", "replica"),
    ),
}


def data_type(holds: Holds) -> DataType:
    """The Arrow type of a column."""
    from arro3.core import DataType, Field

    types: Mapping[Holds, Callable[[], DataType]] = {
        Holds.TEXT: DataType.string,
        Holds.WHOLE: DataType.int64,
        Holds.MOMENT: lambda: DataType.timestamp("ms", tz="UTC"),
        Holds.SHARE: lambda: DataType.decimal128(5, 4),
        Holds.NUMBER: DataType.float64,
        Holds.WHOLES: lambda: DataType.list(Field("element", DataType.int64(), nullable=False)),
        Holds.TEXTS: lambda: DataType.list(Field("element", DataType.string(), nullable=False)),
    }
    return types[holds]()
