"""``lineside bursts``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from app.store.records import Burst
    from app.usecases.bursts import BurstRequest


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "bursts", "bounded pieces of training, here or on a rented machine")
    topic.verb("list", _list, "bursts, newest first")
    topic.verb("show", _show, "one burst and its curve").add_argument("burst", help="id, or its beginning")
    _add_request(topic.verb("quote", _quote, "what a burst would cost at worst"))
    start = topic.verb("start", _start, "start a burst")
    _add_request(start)
    start.add_argument("--follow", action="store_true", help="wait until it is finished")
    topic.verb("follow", _follow, "wait until a burst is finished").add_argument("burst", help="id, or its beginning")
    topic.verb("cancel", _cancel, "stop a burst").add_argument("burst", help="id, or its beginning")
    logs = topic.verb("logs", _logs, "what the burst's agent wrote")
    logs.add_argument("burst", help="id, or its beginning")
    logs.add_argument("--after", type=int, default=0, metavar="N", help="leave the first N lines out")


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="the dataset version to train on: name, id, or its beginning")
    parser.add_argument("--base", metavar="MODEL", help="start from this model's checkpoint")
    parser.add_argument("--recipe", default="classify-images", help="what to train (default: classify-images)")
    parser.add_argument("--host", default="local", help="where (default: local, this machine)")
    parser.add_argument("--minutes", type=float, default=20.0, help="stop after at most so long (default: 20)")
    parser.add_argument("--cap-usd", type=float, default=0.0, metavar="USD", help="never spend more (default: 0)")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="of the recipe; repeatable")


def _request(arguments: argparse.Namespace) -> BurstRequest:
    from app.usecases.bursts import BurstRequest

    return BurstRequest(
        dataset=arguments.dataset,
        base_model=arguments.base,
        recipe=arguments.recipe,
        host=arguments.host,
        minutes=arguments.minutes,
        cap_usd=arguments.cap_usd,
        params=dict(_param(pair) for pair in arguments.param),
    )


def _param(pair: str) -> tuple[str, Any]:
    name, separator, written = pair.partition("=")
    if not name or not separator:
        raise InputInvalid(f"{pair!r} is not NAME=VALUE.")
    try:
        value = json.loads(written)
    except ValueError:
        return name, written
    return name, value if isinstance(value, bool | int | float | str) else written


_BRIEF: Columns[Burst] = {
    "BURST": lambda burst: text.short(burst.burst),
    "RECIPE": lambda burst: burst.recipe,
    "HOST": lambda burst: burst.host,
    "STATE": lambda burst: burst.state,
    "DONE": lambda burst: text.share(burst.progress),
    "STARTED": lambda burst: text.moment(burst.started_ms or burst.created_ms),
    "COST": lambda burst: f"{burst.cost_usd:.2f} USD",
    "MODEL": lambda burst: text.short(burst.model),
}

_FULL: Columns[Burst] = {
    "burst": lambda burst: burst.burst,
    "state": lambda burst: burst.state,
    "now": lambda burst: burst.step,
    "done": lambda burst: text.share(burst.progress),
    "message": lambda burst: burst.message,
    "recipe": lambda burst: burst.recipe,
    "host": lambda burst: burst.host,
    "attempt": lambda burst: burst.attempt,
    "dataset": lambda burst: burst.dataset,
    "starts from": lambda burst: burst.base_model,
    "created": lambda burst: text.moment(burst.created_ms),
    "started": lambda burst: text.moment(burst.started_ms),
    "finished": lambda burst: text.moment(burst.finished_ms),
    "stops by": lambda burst: text.moment(burst.deadline_ms),
    "cost": lambda burst: f"{burst.cost_usd:.2f} USD of at most {burst.cap_usd:.2f} USD",
    "model": lambda burst: burst.model,
}


def _list(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts

    with session.open() as ctx:
        empty = "No burst yet. Start one with `lineside bursts start DATASET`."
        session.rows("bursts", bursts.list_bursts(ctx), _BRIEF, empty=empty)


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts

    with session.open() as ctx:
        burst = bursts.get_burst(ctx, arguments.burst)
        session.one("burst", burst, _FULL, curve=bursts.burst_curve(ctx, burst.burst))


def _quote(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts
    from edge_runtime.contracts import wire

    with session.open() as ctx:
        quote = bursts.quote_burst(ctx, _request(arguments))
        pairs = [(name.replace("_", " "), value) for name, value in wire.to_dict(quote).items()]
        session.answer({"quote": quote}, text.facts(pairs))


def _start(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts

    with session.open() as ctx, session.stoppable() as cancel:
        burst = bursts.start_burst(ctx, _request(arguments), progress=session.progress, cancel=cancel)
        if arguments.follow:
            burst = bursts.follow_burst(ctx, burst.burst, progress=session.progress, cancel=cancel)
        session.one("burst", burst, _FULL)


def _follow(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts

    with session.open() as ctx, session.stoppable() as cancel:
        burst = bursts.follow_burst(ctx, arguments.burst, progress=session.progress, cancel=cancel)
        session.one("burst", burst, _FULL)


def _cancel(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts

    with session.open() as ctx:
        burst = bursts.get_burst(ctx, arguments.burst)
        bursts.cancel_burst(ctx, burst.burst)
        session.one("burst", bursts.get_burst(ctx, burst.burst), _FULL)


def _logs(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import bursts

    with session.open() as ctx:
        burst = bursts.get_burst(ctx, arguments.burst)
        lines = bursts.burst_log(ctx, burst.burst, arguments.after)
        session.answer({"lines": lines, "after": arguments.after}, [text.clean(line) for line in lines])
