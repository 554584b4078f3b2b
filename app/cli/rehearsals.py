"""``lineside rollouts rehearse``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.rollout_options import (
    add_plan_options,
    add_subject_options,
    plan_of,
    require_one_subject,
    waves_of,
)
from app.cli.session import Session
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.usecases.rehearsal import BoxRehearsal, Rehearsal


def add_verb(topic: Topic) -> None:
    rehearse = topic.verb(
        "rehearse", _rehearse, "what a rollout would send, how long it takes and what would refuse it"
    )
    add_subject_options(rehearse)
    add_plan_options(rehearse)


def _rehearse(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import subject_rehearsal
    from app.usecases.rehearsal import rehearse
    from edge_runtime.config import read_config

    require_one_subject(arguments)
    plan = plan_of(arguments)
    with session.open() as ctx, session.stoppable() as cancel:
        waves, progress = waves_of(ctx, arguments), session.progress
        if arguments.configuration is not None:
            change = read_config(arguments.configuration).decode()
            found = subject_rehearsal.rehearse_configuration(
                ctx, change, waves=waves, plan=plan, progress=progress, cancel=cancel
            )
        elif arguments.program is not None:
            found = subject_rehearsal.rehearse_program(
                ctx, arguments.program, waves=waves, plan=plan, progress=progress, cancel=cancel
            )
        else:
            found = rehearse(ctx, arguments.model, waves=waves, plan=plan, progress=progress, cancel=cancel)
        session.answer({"rehearsal": found}, _lines(found))


def _lines(found: Rehearsal) -> list[str]:
    rows = [
        (
            box.wave,
            box.name,
            text.size(box.bytes),
            _minutes(box.minutes),
            "-" if box.bytes_per_s is None else f"{text.size(round(box.bytes_per_s))}/s ({box.measured})",
            text.size(box.peak_disk_bytes),
            "-" if box.free_disk_bytes is None else text.size(box.free_disk_bytes),
            _verdict(box),
        )
        for box in found.boxes
    ]
    most = f" ({text.size(found.most_bytes)} where boxes cannot hand it on)" if found.most_bytes > found.bytes else ""
    takes = "not known how long" if found.minutes is None else f"{_minutes(found.minutes)} at most, without rests"
    boxes = counted(len(found.boxes), "box", "boxes")
    return [
        f"{found.model}: {text.size(found.bytes)} to {boxes}{most}, {takes}. Nothing was changed.",
        *text.table(("WAVE", "BOX", "TO SEND", "TAKES", "LINK", "PEAK DISK", "FREE", "WOULD BE REFUSED"), rows),
        found.point_of_no_return,
    ]


def _minutes(minutes: float | None) -> str:
    if minutes is None:
        return text.NONE
    return "< 0.1 min" if 0 < minutes < 0.1 else f"{minutes:.1f} min"


def _verdict(box: BoxRehearsal) -> str:
    said = [refusal.words for refusal in box.refusals]
    if box.problem is not None:
        said.insert(0, f"away: {box.problem}")
    return " ".join(said) or "no"
