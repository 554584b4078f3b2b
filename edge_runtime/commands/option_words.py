"""What a command says of a value that was typed and is not a setting's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec

from edge_runtime.config import MAX_NUMBER, in_words
from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from msgspec.inspect import Type

T = TypeVar("T", bound=msgspec.Struct)


def checked_options(values: Mapping[str, object], settings: type[T]) -> T:
    """What was typed, as the settings of ``edge.toml`` that it stands for.

    :param values: by the setting's name, which is the option's with other dashes.
    :raises InputInvalid: one of them cannot be; says which and what could.
    """
    try:
        return msgspec.convert(values, settings)
    except msgspec.ValidationError as error:
        # Most starts have no use for it.
        from msgspec.inspect import StructType, type_info

        problem, _, name = str(error).rstrip("`").partition(" - at `$.")
        described = type_info(settings)
        fields = described.fields if isinstance(described, StructType) else ()
        takes = next((_takes(field.type) for field in fields if field.name == name), None)
        option, value = f"--{name.replace('_', '-')}", values.get(name)
        if (wanted := in_words(problem)) != problem:
            raise InputInvalid(f"{option} {wanted}; {str(value)[:100]!r} came.") from error
        if takes is None:
            raise InputInvalid(f"{option}: {problem.replace('`', '')}, not {value!r}.") from error
        raise InputInvalid(f"{option} takes {takes}, not {_number(value)}.") from error


def _takes(kind: Type) -> str | None:
    """In words; None of what is no number."""
    from msgspec.inspect import FloatType, IntType, UnionType

    if isinstance(kind, UnionType):
        return next((words for words in map(_takes, kind.types) if words), None)
    if not isinstance(kind, IntType | FloatType):
        return None
    # The largest number that fits into the setting is nothing that somebody wants to hear of.
    most = kind.le if kind.le is not None and kind.le < MAX_NUMBER else None
    bounds = (("at least", kind.ge), ("more than", kind.gt), ("at most", most), ("less than", kind.lt))
    limits = " and ".join(f"{words} {_number(bound)}" for words, bound in bounds if bound is not None)
    what = "a whole number" if isinstance(kind, IntType) else "a number"
    return f"{what} of {limits}" if limits else what


def _number(value: object) -> str:
    """Without the ``.0`` that nobody typed."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
