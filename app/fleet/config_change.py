"""What a configuration is changed to on many boxes: some fields, while each box keeps all else that it has. Pure.

A change is a text of the same form as ``edge.toml`` with only the fields in it that are to be set. A section
``[[pipeline]]`` in it means the box's own of that name.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from typing import Any

from edge_runtime.config import CONFIG_NAME, parse_config, require_parseable
from edge_runtime.configuring.hidden import hide
from edge_runtime.contracts.errors import ConfigInvalid, InputInvalid
from edge_runtime.toml_lines import texts

Body = dict[str, Any]


def require_change(change: str) -> None:
    """Check a change before any box hears of it.

    :raises ConfigInvalid: it is no TOML, has no field or one that there is not, or one that is each box's own.
    :raises InputInvalid: it has a secret in it, which would come to every desktop and into the object store.
    """
    body = _body(change)
    if not body:
        raise ConfigInvalid("There is nothing in it.")
    if "name" in body:
        raise ConfigInvalid(
            "A box's name is its own, and is not set on several.", hint="Leave out `name`: each box keeps its own."
        )
    management = body.get("management")
    if isinstance(management, dict) and "listen" in management:
        raise ConfigInvalid(
            "Where a box listens for desktops is not set on several: they would have to find each of them anew.",
            hint="Leave out `management.listen`, or set it box by box: `lineside boxes config BOX --set FILE`.",
        )
    if hide(change) != change:
        raise InputInvalid(
            "There is a password in it, and what is rolled out comes to every desktop and into the object store.",
            hint="Set it box by box: `lineside boxes config BOX --set FILE`.",
        )
    lines = [f"[[pipeline]]\nname = {_name_of(one)!r}\nsource = 'folder:/{number}'" for number, one in _lines_of(body)]
    # The least that a box may have, so that what is wrong is said before anybody is asked.
    with_change("\n".join(["name = 'box'", *lines]) + "\n", change)


def without_comments(change: str) -> str:
    """The change as it travels: a box gets no comment of it, and in prose nobody can tell a password."""
    kept, done = list[str](), 0
    for found in texts(change):
        if change[found.start] == "#":
            kept.append(change[done : found.start].rstrip(" \t"))
            done = found.end
    return "".join([*kept, change[done:]]).strip() + "\n"


def key_of(change: str) -> str:
    """By which a change is known: the sha256 of its fields, whatever the text around them is and in whichever order."""
    return hashlib.sha256(repr(_in_order(_body(change))).encode()).hexdigest()


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _in_order(one)) for key, one in sorted(value.items())]
    if isinstance(value, list):
        ordered = [_in_order(one) for one in value]
        # Sections [[pipeline]] are told apart by their names alone.
        return sorted(ordered, key=repr) if all(isinstance(one, dict) for one in value) else ordered
    return value


def with_change(text: str, change: str) -> str:
    """A box's configuration with the change in it; everything else, comments too, stands as it did.

    :raises ConfigInvalid: it does not go together with what the box has; the reason names the field.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted = merged(_body(text), _body(change))
    if wanted == _body(text):
        return text
    try:
        document = tomlkit.parse(text)
        _set(document, _body(change))
        result = tomlkit.dumps(document)
    except (TOMLKitError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigInvalid(f"The change could not be written into this box's {CONFIG_NAME}: {error}.") from error
    if _body(result) != wanted:
        raise ConfigInvalid(
            f"The change could not be written into this box's {CONFIG_NAME} without changing something else.",
            hint="Set it on this box alone: `lineside boxes config BOX --set FILE`.",
        )
    parse_config(result)
    return result


def holds(text: str, change: str) -> bool:
    """Whether a configuration has every field as the change sets it."""
    return makes(text, change, text)


def makes(text: str, change: str, result: str) -> bool:
    """Whether a configuration with the change in it is the same as another one, comments and order aside."""
    try:
        return merged(_body(text), _body(change)) == _body(result)
    except ConfigInvalid:
        return False


def agree(one: str, other: str) -> bool:
    """Whether a configuration can hold both changes: no field is set by both of them to different values."""
    try:
        return _agree(_body(one), _body(other))
    except ConfigInvalid:
        return False


def _agree(one: Body, other: Body) -> bool:
    if "pipeline" in one and "pipeline" in other:
        lines, others = ({_name_of(line): line for _number, line in _lines_of(body)} for body in (one, other))
        if not all(_agree(lines[name], others[name]) for name in lines.keys() & others.keys()):
            return False
    return all(
        _agree(one[key], other[key])
        if isinstance(one[key], dict) and isinstance(other[key], dict)
        else one[key] == other[key]
        for key in (one.keys() & other.keys()) - {"pipeline"}
    )


def merged(body: Mapping[str, Any], change: Mapping[str, Any]) -> Body:
    """:raises ConfigInvalid: the change is about a pipeline that is not there."""
    result = deepcopy(dict(body))
    for key, value in change.items():
        if key == "pipeline":
            by_name = {_name_of(one): one for _number, one in _lines_of(result)}
            for _number, one in _lines_of(change):
                _line(by_name, one).update(deepcopy(one))
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = deepcopy(value)
    return result


def _set(container: MutableMapping[str, Any], change: Body) -> None:
    for key, value in change.items():
        if key == "pipeline":
            by_name = {_name_of(one): one for one in container[key]}
            for _number, one in _lines_of(change):
                _set(_line(by_name, one), one)
        elif isinstance(value, dict) and isinstance(container.get(key), MutableMapping):
            _set(container[key], value)
        elif container.get(key) != value:
            container[key] = value


def _body(text: str) -> Body:
    require_parseable(text)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigInvalid(f"It is not valid TOML: {error}.") from error


def _lines_of(body: Mapping[str, Any]) -> list[tuple[int, Body]]:
    lines = body.get("pipeline", [])
    if not isinstance(lines, list) or not all(isinstance(one, dict) and _name_of(one) for one in lines):
        raise ConfigInvalid("Each section [[pipeline]] needs the name of the pipeline that it is about.")
    return list(enumerate(lines))


def _line(by_name: Mapping[str, Any], wanted: Body) -> Any:
    found = by_name.get(_name_of(wanted))
    if found is None:
        raise ConfigInvalid(f"This box has no pipeline called {_name_of(wanted)[:64]!r}.")
    return found


def _name_of(line: Mapping[str, Any]) -> str:
    name = line.get("name")
    return str(name) if isinstance(name, str) else ""
