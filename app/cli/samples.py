"""``lineside samples``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics, add_paging
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.store.records import Sample


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "samples", "inputs worth keeping, and their labels")
    listing = topic.verb("list", _list, "samples, newest first")
    which = listing.add_mutually_exclusive_group()
    which.add_argument("--labelled", action="store_true", default=None, help="only those with a label")
    which.add_argument("--unlabelled", dest="labelled", action="store_false", help="only those without one")
    listing.add_argument("--box", metavar="BOX", help="only those of one box")
    listing.add_argument("--reason", choices=("hard", "random", "unlabelled", "import"), help="only those kept for it")
    add_paging(listing)
    topic.verb("show", _show, "one sample").add_argument("sample", help="id, or its beginning")
    topic.verb("counts", _counts, "how many samples there are under each label")
    bring = topic.verb("import", _import, "import the images of a folder; the name of a sub-folder is the label")
    bring.add_argument("folder", type=Path)
    label = topic.verb("label", _label, "label samples; nothing after = takes the label away")
    label.add_argument("labels", nargs="+", metavar="SAMPLE=LABEL", help="id, or its beginning, and the label")
    export = topic.verb("export", _export, "write a sample's own bytes to a file")
    export.add_argument("sample", help="id, or its beginning")
    export.add_argument("file", type=Path)


_BRIEF: Columns[Sample] = {
    "SAMPLE": lambda sample: text.short(sample.sample),
    "WHEN": lambda sample: text.moment(sample.at_ms),
    "FROM": lambda sample: text.short(sample.box) if sample.box else sample.origin,
    "FRAME": lambda sample: sample.frame,
    "KEPT AS": lambda sample: sample.reason,
    "PREDICTED": lambda sample: sample.predicted,
    "CONFIDENCE": lambda sample: text.share(sample.confidence),
    "LABEL": lambda sample: sample.label,
}

_FULL: Columns[Sample] = {
    "sample": lambda sample: sample.sample,
    "when": lambda sample: text.moment(sample.at_ms),
    "from": lambda sample: sample.box or sample.origin,
    "pipeline": lambda sample: sample.pipeline,
    "frame": lambda sample: sample.frame,
    "kind": lambda sample: f"{sample.media}, {text.size(sample.size)}",
    "kept as": lambda sample: sample.reason,
    "predicted": lambda sample: sample.predicted,
    "confidence": lambda sample: text.share(sample.confidence),
    "margin": lambda sample: text.share(sample.margin),
    "label": lambda sample: sample.label,
    "labelled": lambda sample: text.moment(sample.labelled_ms),
}


def _list(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import samples

    with session.open() as ctx:
        page = samples.page_samples(
            ctx,
            cursor=arguments.cursor,
            limit=arguments.limit,
            labelled=arguments.labelled,
            box=arguments.box,
            reason=arguments.reason,
        )
        empty = "No samples. Import some with `lineside samples import FOLDER`, or collect from a box."
        session.rows("samples", page.rows, _BRIEF, empty=empty, cursor=page.cursor, total=page.total)


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import samples

    with session.open() as ctx:
        session.one("sample", samples.get_sample(ctx, arguments.sample), _FULL)


def _counts(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import samples

    with session.open() as ctx:
        counts = samples.counts(ctx)
        lines = text.facts(
            [("samples", counts.total), ("labelled", counts.labelled), ("unlabelled", counts.unlabelled)]
        )
        lines += text.facts([(f"  {label}", count) for label, count in counts.by_label.items()])
        session.answer({"counts": counts}, lines)


def _import(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import samples

    with session.open() as ctx, session.stoppable() as cancel:
        report = samples.import_folder(ctx, arguments.folder, progress=session.progress, cancel=cancel)
        done = f"{counted(report.imported, 'sample', 'samples')} imported ({text.size(report.bytes)})"
        done += f", {counted(report.labelled, 'label', 'labels')}"
        lines = [f"{done}; {report.known} were here before, {len(report.skipped)} left out."]
        lines += [f"  left out: {text.clean(file.path)}: {text.clean(file.reason)}" for file in report.skipped]
        session.answer({"import": report}, lines)


def _label(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import samples

    with session.open() as ctx:
        labels: dict[str, str | None] = {}
        for pair in arguments.labels:
            sample, separator, label = pair.partition("=")
            if not separator:
                raise InputInvalid(f"{pair!r} is not SAMPLE=LABEL.")
            labels[samples.get_sample(ctx, sample).sample] = label or None
        changed = samples.label_samples(ctx, labels)
        session.answer({"labelled": changed}, [f"{counted(changed, 'label', 'labels')} changed."])


def _export(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import samples

    with session.open() as ctx:
        sample = samples.get_sample(ctx, arguments.sample)
        content = samples.sample_bytes(ctx, sample.sample)
        try:
            with arguments.file.open("xb") as stream:
                stream.write(content)
        except OSError as error:
            raise InputInvalid(f"{arguments.file} cannot be written: {error.strerror}.") from error
        answer = {"sample": sample.sample, "file": str(arguments.file), "bytes": len(content)}
        session.answer({"exported": answer}, [f"Wrote {text.size(len(content))} to {arguments.file}."])
