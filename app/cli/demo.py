"""``lineside demo``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topics
from app.cli.session import Session
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.demo.report import DemoReport


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    what = "the whole loop on this machine, with real parts: two boxes, training, drift, a better model"
    parser = topics.add_parser("demo", help=what, description=what, parents=[everywhere])
    parser.add_argument(
        "--headless", action="store_true", help="tell of it in the terminal instead of the window (--json does so too)"
    )
    parser.add_argument("--dir", metavar="DIR", help="keep everything there (default: a temporary folder)")
    parser.add_argument("--bucket", metavar="URL", help="s3://BUCKET/PREFIX (default: a folder)")
    parser.add_argument("--endpoint-url", metavar="URL", help="of an S3 server that is not Amazon's")
    parser.add_argument("--seed", type=_seed, default=7, metavar="N", help="of the frames (default: 7)")
    parser.set_defaults(run=_demo)


def _seed(written: str) -> int:
    if not written.isascii() or not written.isdigit() or int(written) >= 2**32:
        raise argparse.ArgumentTypeError(f"{written!r} is not a whole number from 0 to 4294967295")
    return int(written)


def _demo(arguments: argparse.Namespace, session: Session) -> int:
    from app.demo.report import DemoOptions

    options = DemoOptions(
        directory=arguments.dir, bucket=arguments.bucket, endpoint_url=arguments.endpoint_url, seed=arguments.seed
    )
    if session.demo_window is not None and not arguments.headless and not session.as_json:
        return session.demo_window(options)
    from app.demo.play import play

    with session.stoppable(orderly=True) as cancel:
        report = play(options, progress=session.progress, cancel=cancel)
    session.answer(report.to_dict(), _lines(report))
    return 0


def _lines(report: DemoReport) -> list[str]:
    lines = text.table(
        ("ACCURACY", "BEFORE THE CHANGE", "AFTER IT", "AFTER THE UPDATE"),
        [
            (name, text.share(line.before_change), text.share(line.after_change), text.share(line.after_update))
            for name, line in (("line 1", report.line1_accuracy), ("line 2", report.line2_accuracy))
        ],
    )
    lines += [
        "",
        *text.table(
            ("MODEL", "FP32", "INT8", "FP32 SIZE", "INT8 SIZE", "GATE"),
            [
                (
                    model.version,
                    text.share(model.fp32_accuracy),
                    text.share(model.int8_accuracy),
                    text.size(model.fp32_bytes),
                    text.size(model.int8_bytes),
                    model.gate,
                )
                for model in report.models
            ],
        ),
        "",
    ]
    samples, drift, sync = report.samples, report.drift, report.sync
    synced = counted(sync.objects, "file", "files")
    noticed = f"after {counted(drift.frames_until_alert, 'frame', 'frames')}" if drift.alert else "no alert"
    bursts = ", ".join(f"{burst.state.lower()} on {burst.host} in {burst.seconds:.0f} s" for burst in report.bursts)
    boxes = ", ".join(f"{box} {state}" for box, state in report.rollout.boxes.items())
    return lines + text.facts(
        [
            ("samples", f"{samples.seen} seen, {samples.kept} kept, {samples.labelled} labelled"),
            ("drift noticed", noticed),
            ("bursts", bursts),
            ("rollout", f"{report.rollout.state}: {boxes}"),
            (
                "synced",
                f"{synced} ({text.size(sync.bytes)}) to {sync.store}, {sync.pending} waiting",
            ),
            ("took", f"{report.seconds:.0f} s"),
        ]
    )
