"""``lineside datasets``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Columns, Session

if TYPE_CHECKING:
    from app.store.records import Dataset


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "datasets", "frozen versions of what is labelled")
    topic.verb("list", _list, "dataset versions, newest first")
    topic.verb("show", _show, "one dataset version").add_argument("dataset", help="name, id, or its beginning")
    freeze = topic.verb("freeze", _freeze, "freeze every labelled sample into a version")
    freeze.add_argument("name", help="for people; the content makes the id")
    freeze.add_argument(
        "--held-out", type=float, default=0.2, metavar="SHARE", help="kept away from training (default: 0.2)"
    )


_BRIEF: Columns[Dataset] = {
    "DATASET": lambda dataset: text.short(dataset.dataset),
    "NAME": lambda dataset: dataset.name,
    "FROZEN": lambda dataset: text.moment(dataset.created_ms),
    "TRAIN": lambda dataset: dataset.train,
    "HELD OUT": lambda dataset: dataset.held_out,
    "LABELS": lambda dataset: len(dataset.labels),
}

_FULL: Columns[Dataset] = {
    "dataset": lambda dataset: dataset.dataset,
    "name": lambda dataset: dataset.name,
    "frozen": lambda dataset: text.moment(dataset.created_ms),
    "train": lambda dataset: dataset.train,
    "held out": lambda dataset: dataset.held_out,
    "labels": lambda dataset: ", ".join(dataset.labels),
}


def _list(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import datasets

    with session.open() as ctx:
        empty = "No dataset yet. Freeze what is labelled with `lineside datasets freeze NAME`."
        session.rows("datasets", datasets.list_datasets(ctx), _BRIEF, empty=empty)


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import datasets

    with session.open() as ctx:
        dataset = datasets.get_dataset(ctx, arguments.dataset)
        session.one("dataset", dataset, _FULL, items=datasets.dataset_items(ctx, dataset.dataset))


def _freeze(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import datasets

    with session.open() as ctx:
        session.one("dataset", datasets.freeze_dataset(ctx, arguments.name, held_out=arguments.held_out), _FULL)
