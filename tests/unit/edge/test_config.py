"""``edge.toml`` is data: checked in full, and the complaint names line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.config import (
    TEMPLATE,
    SpoolLimits,
    is_loopback,
    join_address,
    load_config,
    parse_config,
    split_address,
)
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import ConfigInvalid, NotFound
from edge_runtime.contracts.status import MAX_WORDS, PipelineStatus
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.service.spool_limits import CLASSES

TWO_LINES = """\
name = "box"
[[pipeline]]
name = "a"
source = "folder:/a"
[[pipeline]]
name = "b"
source = "folder:/b"
"""


def test_the_template_says_the_defaults() -> None:
    config = parse_config(TEMPLATE.format(name='"line-2"'))
    assert config == parse_config('name = "line-2"')
    assert config.management.address == ("::", 7443)
    assert parse_config('name = "x"\nmanagement.listen = "0.0.0.0:7443"').management.address == ("0.0.0.0", 7443)


def test_a_source_is_no_longer_than_a_status_may_tell() -> None:
    long = TWO_LINES.replace("folder:/b", "folder:/" + "b" * (MAX_WORDS - 8))
    source = parse_config(long).pipeline[1].source
    wire.decode(wire.encode(PipelineCounters().status("b", source, has_model=False)), PipelineStatus)
    with pytest.raises(ConfigInvalid, match=r"line 7, pipeline\[1\].source: a source has at most 10000 characters"):
        parse_config(long.replace("/bb", "/bbb"))


def test_pipelines_are_read_in_order() -> None:
    assert [(p.name, p.source) for p in parse_config(TWO_LINES).pipeline] == [("a", "folder:/a"), ("b", "folder:/b")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "x"\n[spool]\nmax_bytes = "a"\n', r"line 3, spool.max_bytes: expected `int`, got `str`"),
        ('name = "x"\n[spool]\n\nreserve_bytes = -1\n', r"line 4, spool.reserve_bytes: expected `int` >= 0"),
        (
            'name = "x"\n[spool.alerts]\n\nmax_age_days = 0\n',
            r"line 4, spool.alerts.max_age_days: expected `float` > 0",
        ),
        ('name = "x"\n[spool]\nresults = {max_bytes = -1}\n', r"line 3, spool.results.max_bytes: expected `int` >= 0"),
        ('name = "x"\n[spool.samples]\nmax_bytes = 1\n', r"line 2, spool.samples: there is no such field"),
        (TWO_LINES.replace("source = ", "sorce = ", 2), r"line 4, pipeline\[0\].sorce: there is no such field"),
        (TWO_LINES.replace('"b"', '"b/c"'), r"line 6, pipeline\[1\].name: wants up to 64 letters"),
        (TWO_LINES + "keep_margin = 2.0\n", r"line 8, pipeline\[1\].keep_margin: expected `float` <= 1"),
        (TWO_LINES + "keep_random = nan\n", r"keep_random"),
        (TWO_LINES.replace('"b"', '"a"'), r"line 6, pipeline\[1\].name: two pipelines are called 'a'"),
        (TWO_LINES.replace("folder:/b", "/b"), r"line 7, pipeline\[1\].source: wants kind:location, for inst"),
        ('name = "x"\n[[pipeline]]\nname = "a"\n', r"line 2, pipeline\[0\]: `source` is missing"),
        ("name = 3", r"line 1, name: expected `str`, got `int`"),
        ("", r"the file: `name` is missing"),
        ('name = "x"\n[typo]\n', r"line 2, typo: there is no such field"),
        ('name = "x"\n[drift]\nwindow = 1\n', r"line 3, drift.window"),
        ('name = "x"\n[management]\nlisten = "0.0.0.0"\n', r"line 3, management.listen: wants host:port, for"),
        ('name = "x"\n[inference]\nhttp = "foo"\n', r'line 3, inference.http: wants host:port, .* or "" for none'),
        ('name = "x"\n[management]\nlisten = "0.0.0.0:99999"\n', r"line 3, management.listen: a port is at most 65535"),
        ('name = "x"\n[inference]\nhttp = "127.0.0.1:65536"\n', r"line 3, inference.http: a port is at most 65535"),
        ('name = "x"\n[inference]\ngrpc = "[::1]:99999"\n', r"line 3, inference.grpc: a port is at most 65535"),
        ('name = "x"\n[inference]\nheader_timeout_s = inf\n', r"line 3, inference.header_timeout_s"),
        ('name = "x"\n[inference]\nmax_run_s = 0\n', r"line 3, inference.max_run_s"),
        ('name = "x"\n[update]\ntrial_seconds = inf\n', r"line 3, update.trial_seconds"),
        ('name = "x"\n[update]\ntrial_seconds = nan\n', r"line 3, update.trial_seconds"),
        (f'name = "x"\n[update]\ntrial_frames = {2**53 + 1}\n', r"line 3, update.trial_frames"),
        (f'name = "x"\n[spool]\nmax_bytes = {2**53 + 1}\n', r"line 3, spool.max_bytes"),
        (f'name = "x"\n[spool]\nmemory_bytes = {2**64}\n', r"line 3, spool.memory_bytes"),
        (f'name = "x"\n[spool.results]\nmax_bytes = {2**53 + 1}\n', r"line 3, spool.results.max_bytes"),
        (f'name = "x"\n[drift]\nreference = {2**53 + 1}\n', r"line 3, drift.reference"),
        (
            TWO_LINES.replace("folder:/a", "push:door").replace("folder:/b", "push:door"),
            r"line 7, pipeline\[1\].source: two pipelines read 'push:door'",
        ),
        ('name = "x"\nname = "y"\n', r"not valid TOML.*line 2"),
        (f'name = "x"\n[update]\ntrial_frames = {"9" * 5000}\n', r"has a number with more digits than any field"),
        (f'name = "x"\n{"a." * 100}a = 1\n', r"line 2: a key has more parts than any field"),
        (f'name = "x"\n["\\"".{"a." * 100}"\\""]\n', r"line 2: a key has more parts than any field"),
        (f'name = {{x = """\n""", {"a." * 100}a = 1}} # "\n', r"line 2: a key has more parts than any field"),
        ('name = "x"\n' + "[[pipeline]]\n" * 257, r"line 258, pipeline\[256\]: a box has at most 256 pipelines"),
        ('\ufeffname = "x"\n', r"begins with a byte order mark"),
        ('name = "x"\n\nmanagement.listen = "bad"\n', r"line 3, management.listen"),
        ('name = "x"\n["update"]\n"trial_frames" = 0\n', r"line 3, update.trial_frames"),
        ("name = 'x'\n[ 'update' ] # now\n 'trial_frames'= 0\n", r"line 3, update.trial_frames"),
        (
            'name = "x"\npipeline = [\n {name = "a", source = "folder:/a"},\n {name = "?", source = "folder:/b"}]\n',
            r"line 2, pipeline\[1\].name",
        ),
        ('name = """\n[update]\ntrial_frames = 1\n"""\n[update]\ntrial_frames = 0\n', r"line 6, update.trial_frames"),
        ("name = '''\n[update]\n'''\n[update]\ntrial_frames = 0\n", r"line 5, update.trial_frames"),
        ('name = "x" # a\u2028b\n[update]\ntrial_frames = 0\n', r"line 3, update.trial_frames"),
        ('name = "a\u0085b"\r\n[update]\r\ntrial_frames = 0\r\n', r"line 3, update.trial_frames"),
        ('name = "x"\n# "\n[update]\n# trial_frames = 1\ntrial_frames = 0\n', r"line 5, update.trial_frames"),
        (TWO_LINES + 'order.by = "time"\n', r"line 8, pipeline\[1\].order"),
        ('name = "x"\n[[[[', r"not valid TOML"),
        ("x = " + "[" * 100_000, r"not valid TOML"),
        ("#" * 300_000, r"longer than"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ConfigInvalid, match=complaint):
        parse_config(text)


def test_a_file_that_is_missing_or_no_text(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    with pytest.raises(NotFound, match=r"edge\.toml"):
        load_config(path)
    path.write_bytes(b'name = "\xff\xfe"')
    with pytest.raises(ConfigInvalid, match="UTF-8"):
        load_config(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigInvalid, match=r"edge\.toml cannot be read: Is a directory"):
        load_config(path)


def test_of_a_file_that_is_too_long_no_more_is_read_than_says_so(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    with path.open("wb") as file:
        # More than any machine has memory for, and next to nothing on the disk.
        file.truncate(2**40)
    with pytest.raises(ConfigInvalid, match="longer than 262144 bytes"):
        load_config(path)


def test_a_class_of_the_spool_keeps_its_defaults_where_nothing_is_said() -> None:
    limits = parse_config('name = "x"\n[spool.results]\nmax_bytes = 1000\n').spool
    assert limits.of("results") == (1000, 30)
    assert limits.of("audits").max_age_days > limits.of("results").max_age_days


def test_the_classes_of_the_spool_fit_into_its_budget() -> None:
    limits = SpoolLimits()
    assert sum(limits.of(kind).max_bytes for kind in CLASSES if kind != "fetched_samples") <= limits.max_bytes


def test_addresses() -> None:
    for text, parts in (
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("box.local:0", ("box.local", 0)),
    ):
        assert split_address(text) == parts
        assert join_address(*parts) == text
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::1234", "::", "127.example", "box")] == [False] * 5
