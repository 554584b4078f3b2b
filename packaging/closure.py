"""Which installed distributions ``lineside`` needs with some of its extras, directly or not."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement


def canonical(name: str) -> str:
    """A distribution's name as package indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(*extras: str) -> dict[str, Distribution]:
    """Distributions by canonical name, sorted; ``lineside`` itself is left out."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue: list[tuple[str, frozenset[str]]] = [("lineside", frozenset(extras))]
    while queue:
        name, wanted = item = queue.pop()
        if item in seen:
            continue
        seen.add(item)
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is not installed: run `make setup` first") from None
        for text in found[name].requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                queue.append((canonical(requirement.name), frozenset(requirement.extras)))
    del found["lineside"]
    return dict(sorted(found.items()))
