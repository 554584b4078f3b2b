"""What of a configuration is shown: keys that are known, and of a source's address what says which stream it is.

Not what looks like a secret is taken out, but nothing else is left in.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.redact.addresses import HARMLESS, plain_path
from edge_runtime.config import MAX_CONFIG_BYTES, MAX_DOTS, EdgeConfig
from edge_runtime.contracts.errors import ConfigInvalid
from edge_runtime.toml_lines import longest_key

HIDDEN = "…"
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+]{1,15}")
_PAIR = re.compile(r"(\w{1,20})=(\w{0,12})")
_LOCAL_KINDS = frozenset({"camera", "folder", "lines", "push", "replay", "signals", "video"})
"""Their locations are names and paths."""
_DEEPEST = 8
_SCALARS: tuple[tuple[type, tuple[type, ...]], ...] = (
    (msgspec.inspect.StrType, (str,)),
    (msgspec.inspect.LiteralType, (str,)),
    (msgspec.inspect.IntType, (int,)),
    (msgspec.inspect.FloatType, (int, float)),
    (msgspec.inspect.BoolType, (bool,)),
)


def read_config(text: str) -> dict[str, Any]:
    """A box's configuration as plain data, hostile as it is.

    :raises ConfigInvalid: it is no TOML.
    """
    if len(text) > MAX_CONFIG_BYTES or longest_key(text)[0] > MAX_DOTS:
        raise ConfigInvalid("It is too long to be a configuration.")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # What a parser says of a line may have the line in it.
        raise ConfigInvalid("It is not valid TOML.") from error


def shown_config(body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """What of a box's configuration is shown, and how many keys are not."""
    return known_part(body, EdgeConfig)


def known_part(body: Mapping[str, Any], kind: type) -> tuple[dict[str, Any], int]:
    """Of plain data what ``kind``, a struct or dataclass, has fields for; and how many keys it has none for."""
    told, hidden = _known(msgspec.inspect.type_info(kind), body, 0)
    return told or {}, hidden


def shown_source(source: str) -> str:
    """``kind:location`` without what may be a secret: users, paths that are in no manual, values behind ``?``."""
    kind, colon, location = source.partition(":")
    if not colon or not _SCHEME.fullmatch(kind):
        return HIDDEN
    if "://" in location or kind not in _LOCAL_KINDS:
        return f"{kind}:{shown_address(location)}"
    return source


def shown_address(address: str) -> str:
    """The scheme, host and port of an address, the plain part of its path, and which stream it asks for."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    # A password that was not encoded may have any character in it: a host stands behind the last @.
    user, at, rest = rest.rpartition("@")
    place, question, query = rest.partition("?")
    host, slash, path = place.partition("#")[0].partition("/")
    parts = [
        f"{scheme if _SCHEME.fullmatch(scheme) else HIDDEN}://" if separator else "",
        HIDDEN + at if user else "",
        host if _HOST.fullmatch(host) else HIDDEN,
        slash + plain_path(path),
        question + "&".join(_shown_pairs(query)) if query else "",
    ]
    return "".join(parts)


def as_toml(body: Mapping[str, Any]) -> str:
    """Plain data of TOML as a text: tables of numbers, texts and tables."""
    return "\n".join(_lines(body, "")) + "\n"


def _known(kind: Any, body: Any, depth: int) -> tuple[Any, int]:
    inspect = msgspec.inspect
    if isinstance(kind, inspect.UnionType):
        kind = next((one for one in kind.types if not isinstance(one, inspect.NoneType)), kind)
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    if depth > _DEEPEST:
        return None, 1
    if isinstance(kind, inspect.StructType | inspect.DataclassType):
        if not isinstance(body, Mapping):
            return None, 1
        types = {field.encode_name: field.type for field in kind.fields}
        told, hidden = {}, 0
        for name, value in body.items():
            part, more = _known(types[name], value, depth + 1) if name in types else (None, 1)
            hidden += more
            if part is not None:
                told[name] = shown_source(part) if name == "source" and isinstance(part, str) else part
        return told, hidden
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        if not isinstance(body, list):
            return None, 1
        parts = [_known(kind.item_type, one, depth + 1) for one in body]
        return [part for part, _hidden in parts if part is not None], sum(hidden for _part, hidden in parts)
    wanted = next((types for scalar, types in _SCALARS if isinstance(kind, scalar)), ())
    return (body, 0) if isinstance(body, wanted) else (None, 1)


def _shown_pairs(query: str) -> Iterator[str]:
    hidden = False
    for pair in re.split("[&;]", query):
        matched = _PAIR.fullmatch(pair)
        if matched and matched[1].lower() in HARMLESS:
            yield pair
        else:
            hidden = True
    if hidden:
        yield HIDDEN


def _lines(body: Mapping[str, Any], section: str) -> Iterator[str]:
    tables = {name: value for name, value in body.items() if isinstance(value, Mapping | list)}
    for name, value in body.items():
        if name not in tables:
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for name, value in tables.items():
        path = f"{section}.{name}".removeprefix(".")
        for table in value if isinstance(value, list) else [value]:
            yield ""
            yield f"[[{path}]]" if isinstance(value, list) else f"[{path}]"
            yield from _lines(table, path)
