"""Boxes as witnesses of a desktop's own chain: real processes, real TLS, and a database that somebody tidied up."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.store import activity as activity_store
from app.store.writer import Writer
from app.usecases import activity, boxes
from app.usecases.witnesses import tell_head
from tests.fakes.running_box import RunningBox

PASSPHRASE = "correct horse"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def site(first_desktop: Path, tmp_path: Path, stack: ExitStack) -> Context:
    return stack.enter_context(open_context(Path(shutil.copytree(first_desktop, tmp_path / "office"))))


@pytest.fixture
def lines(tmp_path: Path, stack: ExitStack) -> list[RunningBox]:
    made = [RunningBox(tmp_path, f"line-{number}") for number in (1, 2)]
    for box in made:
        box.start()
        stack.callback(box.stop)
    return made


def test_a_witness_outlives_what_was_tidied_up(
    site: Context, lines: list[RunningBox], tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    for box in lines:
        boxes.enrol_local(site, box.home)
    boxes.collect(site, "line-1")
    verdict = activity.verify_activity(site)
    assert (verdict.standing, verdict.witnessed) == ("witnessed", verdict.entries)
    assert [(one.name, one.says) for one in verdict.witnesses] == [("line-1", "confirms"), ("line-2", "nothing")]
    boxes.collect(site)
    site.database.write(lambda writer: writer.activity("site.noted", "x", "What nobody has witnessed."))
    verdict = activity.verify_activity(site)
    assert [one.says for one in verdict.witnesses] == ["confirms", "confirms"]
    assert verdict.witnessed == verdict.entries - 1
    assert [box.report.broken for box in verdict.boxes] == [None, None]

    # The whole of it is written anew, without what is not to be known; everything fits.
    before = tmp_path / "before"
    site.close()
    shutil.copytree(site.home, before)
    with closing(sqlite3.connect(site.database.path)) as connection, connection:
        connection.execute("DELETE FROM activity")
        connection.execute("DELETE FROM audits")
        connection.execute("DELETE FROM audit_chains")
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'activity'")
    tidied = stack.enter_context(open_context(site.home))

    def soothe(number: int, writer: Writer) -> None:
        writer.activity("site.created", "x", f"All is well {number}.")

    for number in range(9):
        tidied.database.write(partial(soothe, number))
    assert activity_store.read_chain(tidied.database).broken is None
    # It is told to nobody, however often the boxes are visited: they keep the proof.
    boxes.collect(tidied)
    with boxes.connect(tidied, boxes.get_box(tidied, "line-1")) as client:
        tell_head(tidied, client)
    verdict = activity.verify_activity(tidied)
    assert verdict.standing == "broken"
    assert [one.says for one in verdict.witnesses] == ["contradicts", "contradicts"]
    tidied.close()
    capsys.readouterr()
    assert main(["--home", str(site.home), "activity", "verify"]) == 1
    printed = capsys.readouterr().out
    assert "This desktop: BROKEN. The activity chain is not the one of which line-" in printed
    assert "line-2 has witnessed another entry" in printed

    # The one that was put aside still stands, also while no box answers; but then it says how much that is worth.
    assert main(["--home", str(before), "activity", "verify"]) == 0
    assert "the chain is intact as far as entry" in capsys.readouterr().out
    for box in lines:
        box.stop()
    assert main(["--home", str(before), "activity", "verify"]) == 0
    printed = capsys.readouterr().out
    assert "no box that answers has witnessed it" in printed
    assert printed.count("could not be asked") == 2


def test_a_cut_end_is_found(site: Context, lines: list[RunningBox], stack: ExitStack) -> None:
    boxes.enrol_local(site, lines[0].home)
    boxes.collect(site)
    entries = activity.verify_activity(site).entries
    site.close()
    with closing(sqlite3.connect(site.database.path)) as connection, connection:
        connection.execute("DELETE FROM activity WHERE seq = ?", (entries,))
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'activity'", (entries - 1,))
    cut = stack.enter_context(open_context(site.home))
    verdict = activity.verify_activity(cut)
    (one,) = verdict.witnesses
    assert (verdict.standing, one.says, one.entry) == ("broken", "contradicts", entries)
