"""The options by which a rollout is planned, for those who start one and those who rehearse it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.release.plan import Plan

_RATE = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,15})?)\s*(?P<unit>[kKmM]?)(?:B(?:/s)?)?")
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Which boxes, in which order, and how it goes on from wave to wave."""
    parser.add_argument(
        "--wave",
        action="append",
        metavar="BOX[,BOX|label:LABEL…]",
        help="boxes of one wave; the first --wave is the canary, each next one waits for the one before",
    )
    parser.add_argument("--to", metavar="BOX[,BOX|label:LABEL…]", help="all boxes; --canary and --waves divide them")
    parser.add_argument("--canary", type=int, metavar="N", help="with --to: boxes that come first (default: 1)")
    parser.add_argument(
        "--waves", metavar="10%,50%,100%", help="with --to: the share of the others that is through after each wave"
    )
    parser.add_argument(
        "--pause", type=int, default=0, metavar="MINUTES", help="how long a wave rests after its last commit"
    )
    parser.add_argument(
        "--max-failures", type=int, default=0, metavar="N", help="stop when more boxes fail than this (default: 0)"
    )
    parser.add_argument(
        "--cap", metavar="RATE", help="bytes per second to all boxes together at most, such as 500k or 2M"
    )


def add_subject_options(parser: argparse.ArgumentParser) -> None:
    """What is brought: a model, or one of the others."""
    parser.add_argument("model", nargs="?", help="beginning of the id, NAME@VERSION, or the version")
    parser.add_argument(
        "--configuration",
        type=Path,
        metavar="FILE",
        help="in place of a model: the fields of edge.toml that are set, while each box keeps all else",
    )
    parser.add_argument(
        "--program", type=Path, metavar="BUNDLE", help="in place of a model: an edge bundle, for the boxes' own program"
    )


def require_one_subject(arguments: argparse.Namespace) -> None:
    """:raises InputInvalid: nothing is named that could be brought, or more than one thing."""
    if sum(one is not None for one in (arguments.model, arguments.configuration, arguments.program)) != 1:
        raise InputInvalid("Name what is rolled out: a MODEL, --configuration FILE or --program BUNDLE.")


def waves_of(ctx: Context, arguments: argparse.Namespace) -> list[list[str]]:
    """The boxes of each wave.

    :raises InputInvalid: no way to divide them was given, or two.
    """
    if (arguments.wave is None) == (arguments.to is None):
        raise InputInvalid("Say which boxes: with --wave for each wave, or with --to for all of them.")
    if arguments.wave is not None:
        if arguments.canary is not None or arguments.waves is not None:
            raise InputInvalid("--canary and --waves divide what --to names; with --wave leave them out.")
        waves = [_names(wave) for wave in arguments.wave]
        if not all(waves):
            raise InputInvalid("A wave has no box in it.")
        return waves
    from app.usecases.rollouts import plan_waves

    shares = [_share(text) for text in (arguments.waves or "100%").split(",")]
    canary = 1 if arguments.canary is None else arguments.canary
    return plan_waves(ctx, _names(arguments.to), canary=canary, shares=shares)


def plan_of(arguments: argparse.Namespace) -> Plan:
    """:raises InputInvalid: a figure that cannot be."""
    from cloud_sync.release.plan import MAX_FAILURES, MAX_PAUSE_MINUTES, Plan

    if not 0 <= arguments.pause <= MAX_PAUSE_MINUTES:
        raise InputInvalid(f"A pause lasts 0 to {MAX_PAUSE_MINUTES} minutes.")
    if not 0 <= arguments.max_failures <= MAX_FAILURES:
        raise InputInvalid(f"--max-failures is 0 to {MAX_FAILURES}.")
    return Plan(
        pause_minutes=arguments.pause,
        max_failures=arguments.max_failures,
        cap_bytes_per_s=_rate(arguments.cap) if arguments.cap is not None else None,
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _share(text: str) -> float:
    matched = _SHARE.fullmatch(text.strip())
    if matched is None:
        raise InputInvalid(f"{text[:40]!r} is no share such as 50%.")
    return float(matched[1]) / 100


def _rate(text: str) -> int:
    from cloud_sync.release.plan import MAX_CAP_BYTES_PER_S

    matched = _RATE.fullmatch(text.strip())
    rate = round(float(matched["number"]) * _UNITS[matched["unit"].lower()]) if matched else 0
    if not 1 <= rate <= MAX_CAP_BYTES_PER_S:
        raise InputInvalid(
            f"{text[:40]!r} is no rate in bytes per second such as 500k or 2M; at most {MAX_CAP_BYTES_PER_S}."
        )
    return rate
