"""Figures from rows to an answer: SQLite, Parquet in a real S3 server, DuckDB that reads the bucket itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest

from app.context import Context, open_context
from app.settings import Retention
from app.store import boxes, spool
from app.store.records import Box
from app.usecases import samples as sample_uses
from app.usecases import sites, sync
from app.usecases.metrics import keeping
from edge_runtime.contracts.latency_buckets import RELATIVE_ERROR
from edge_runtime.contracts.rows import ResultRow, SampleRow
from tests.fakes.figures import AUTUMN_MS, Line
from tests.object_server import ObjectServer, object_server

ROOT = Path(__file__).resolve().parents[2]
HOUR_MS = 3_600_000
FIRST, SECOND = "b1" * 32, "b2" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with object_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def ctx(tmp_path: Path, server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    sites.create_site(tmp_path / "home", "North plant", "correct horse").close()
    with open_context(tmp_path / "home") as context:
        sync.setup_store(context, f"s3://{server.bucket}/plant", endpoint_url=server.endpoint_url)
        for number, box in enumerate((FIRST, SECOND)):
            name, address = f"line-{number}", f"192.0.2.{number + 1}:7443"
            boxes.put_box(context.database, Box(box=box, name=name, address=address, certificate="", enrolled_ms=1))
        # The rows are of a day that no rule is to let go, however late it has become.
        keeping.change_retention(context, Retention(bucket_results=None))
        yield context


def answers(ctx: Context, server: ObjectServer) -> list[list[dict[str, Any]]]:
    """What the queries of docs/scale.md say, asked of the bucket."""
    text = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(-- DuckDB.*?)```", text, re.DOTALL)
    assert len(queries) == 2
    host = server.endpoint_url.removeprefix("http://")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # DuckDB's own build of it, which a wheel carries: nothing is downloaded, and its signature is checked.
        connection.execute("SET autoinstall_known_extensions = false")
        connection.execute("SET extension_directory = ?", [_extensions()])
        connection.execute("LOAD httpfs")
        # This server quotes the tag in one answer and not in another, which httpfs takes for another file.
        connection.execute("SET unsafe_disable_etag_checks = true")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{server.credentials.access_key_id}', URL_STYLE 'path', USE_SSL false,"
            f" SECRET '{server.credentials.secret_access_key}', ENDPOINT '{host}', REGION 'us-east-1')"
        )
        found = []
        for query in queries:
            sql = query.replace("s3://BUCKET/", f"s3://{server.bucket}/plant/").replace("'SITE'", f"'{ctx.site.site}'")
            # Moments as milliseconds: for a moment of Python's DuckDB wants yet another package.
            asked = connection.execute(f"SELECT * REPLACE (epoch_ms(hour) AS hour) FROM ({sql.strip().rstrip(';')})")
            names = [column[0] for column in asked.description or ()]
            found.append([dict(zip(names, row, strict=True)) for row in asked.fetchall()])
        return found


def p99(rows: list[ResultRow]) -> dict[tuple[str, int], tuple[int, int]]:
    """By box and hour: how many frames, and the latency that 99 in a hundred do not exceed."""
    found: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for row in rows:
        found[row.box, row.at_ms - row.at_ms % HOUR_MS].append(row.latency_us)
    return {key: (len(all_), sorted(all_)[-(-99 * len(all_) // 100) - 1]) for key, all_ in found.items()}


def test_duckdb_says_p99_and_accuracy_by_box_and_hour_from_the_bucket(ctx: Context, server: ObjectServer) -> None:
    rows: list[ResultRow] = []
    for number, box in enumerate((FIRST, SECOND)):
        # From twenty to midnight on, so that there are two days.
        line = Line(box=box, at_ms=AUTUMN_MS + 24 * HOUR_MS - 20 * 60_000, every_ms=1000.0, seed=number)
        for part in range(4):
            results = line.results(1500)
            spool.collect(ctx.database, "results", results, part + 1, box)
            spool.collect(ctx.database, "rollups", line.minutes(last=part == 3), part + 1, box)
            rows += results
            # Each part goes to the bucket by itself: later ones find files, and hours, of before.
            assert sync.sync_now(ctx).figures_sent >= 1500

    labelled: dict[str, str | None] = {}
    for number, row in enumerate(rows[::100]):
        sample = SampleRow(
            **{name: getattr(row, name) for name in ("box", "boot", "seq", "at_ms", "pipeline", "frame", "sample")},
            media="image/jpeg",
            size=1,
            reason="random" if number % 2 else "hard",
            model=row.model,
            label=row.label,
            confidence=row.confidence,
            margin=row.margin,
        )
        spool.collect(ctx.database, "samples", [sample], number + 1, row.box)
        labelled[row.sample] = row.label if number % 3 else "something else"
    sample_uses.label_samples(ctx, labelled)
    # One changes their mind, and one takes a label back.
    changed, taken_back = list(labelled)[:2]
    labelled |= {changed: "ok", taken_back: None}
    sample_uses.label_samples(ctx, {changed: "ok", taken_back: None})
    assert sync.sync_now(ctx).figures_sent == len(labelled) + 2

    from_rows, from_hours = answers(ctx, server)
    truth = p99(rows)
    said = {(one["box"], int(one["hour"])): one for one in from_rows}
    assert {key: (one["frames"], one["p99_us"]) for key, one in said.items()} == truth

    right: defaultdict[tuple[str, int], list[bool]] = defaultdict(list)
    for row in rows:
        if labelled.get(row.sample) is not None:
            right[row.box, row.at_ms - row.at_ms % HOUR_MS].append(labelled[row.sample] == row.label)
    assert {key: one["labelled"] for key, one in said.items()} == {key: len(all_) for key, all_ in right.items()}
    for key, all_ in right.items():
        assert said[key]["accuracy"] == pytest.approx(sum(all_) / len(all_))

    # Hours are of whole minutes, counted where they began: at either end some frames are of the hour beside it.
    hours = {(one["box"], int(one["hour"])): one for one in from_hours}
    assert hours.keys() == truth.keys()
    assert sum(int(one["frames"]) for one in hours.values()) == len(rows)
    for key, (frames, latency_us) in truth.items():
        assert abs(hours[key]["frames"] - frames) <= 60
        # A minute more or less moves the place in the order as well; by less than the tail is steep here.
        assert hours[key]["p99_us"] == pytest.approx(latency_us, rel=RELATIVE_ERROR + 0.1)


def _extensions() -> str:
    """Where the wheel has put the extension."""
    found = find_spec("duckdb_ext")
    assert found is not None
    assert found.submodule_search_locations
    return str(Path(found.submodule_search_locations[0]) / "extensions")
