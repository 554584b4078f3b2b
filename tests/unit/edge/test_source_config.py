"""What a ``[[pipeline]]`` may say about its source; a complaint names the line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_runtime.config import PipelineConfig, parse_config
from edge_runtime.contracts.errors import ConfigInvalid, InputInvalid
from edge_runtime.sources import KEYS, check_pipelines, open_source, options_of, public_address
from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.push import PushBoard

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "pipelines.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


def checked(text: str) -> None:
    check_pipelines(parse_config(text), text)


def pipeline(**fields: object) -> str:
    lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in fields.items()]
    return "\n".join(['name = "box"', "[[pipeline]]", 'name = "a"', *lines, ""])


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "folder:/in", "order": "name"},
        {"source": "camera:0", "fps": 5.0},
        {"source": "stream:rtsp://u:p@camera/live", "fps": 0.5},
        {"source": "video:/in.mp4", "fps": 5},
        {"source": "replay:/in", "fps": 5},
        {"source": "push:door"},
        {"source": "signals:/in", "window": 256, "hop": 64, "order": "time"},
        {"source": "lines:/var/log/machine.log"},
    ],
    ids=lambda fields: fields["source"].partition(":")[0],
)
def test_keys_that_fit(fields: dict[str, object]) -> None:
    checked(pipeline(**fields))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (
            {"source": "webcam:0"},
            r"line 4, pipeline\[0\].source: there is no source of kind 'webcam'; installed are cam",
        ),
        ({"source": "folder:in"}, r"line 4, pipeline\[0\].source: .*absolute path"),
        ({"source": "folder:/in", "fps": 5.0}, r"line 5, pipeline\[0\].fps: .*'folder' has no `fps`; it takes `order`"),
        ({"source": "push:door", "hop": 5}, r"line 5, pipeline\[0\].hop: .*it takes none of these keys"),
        ({"hop": 5, "source": "signals:/in"}, r"line 5, pipeline\[0\].source: .*needs `window` as well"),
        ({"source": "camera:front"}, r"line 4, pipeline\[0\].source: a camera is a number"),
        (
            {"source": "stream:ftp://u:s3cret@h/x"},
            r"line 4, pipeline\[0\].source: a stream needs a URL such as rtsp://",
        ),
        ({"source": "lines:log"}, r"line 4, pipeline\[0\].source"),
        ({"source": "replay:/in", "window": 5}, r"line 5, pipeline\[0\].window"),
        ({"source": "folder:/in", "order": "size"}, r"line 5, pipeline\[0\].order"),
        ({"source": "folder:/in", "board": "x"}, r"line 5, pipeline\[0\].board: there is no such field"),
        ({"source": "folder:/in", "once": "true"}, r"line 5, pipeline\[0\].once: there is no such field"),
        ({"source": "folder:/in", "fps": 0}, r"line 5, pipeline\[0\].fps"),
        ({"source": "signals:/in", "window": 0}, r"line 5, pipeline\[0\].window"),
    ],
)
def test_keys_that_do_not_fit_are_named_with_their_line(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigInvalid, match=complaint) as refused:
        checked(pipeline(**fields))
    assert "s3cret" not in str(refused.value)


def test_the_second_pipeline_has_its_own_lines() -> None:
    text = pipeline(source="folder:/in") + '[[pipeline]]\nname = "b"\nsource = "folder:/b"\nwindow = 3\n'
    with pytest.raises(ConfigInvalid, match=r"line 8, pipeline\[1\].window"):
        checked(text)


def test_a_source_is_not_opened_with_what_does_not_fit_it(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="has no `window`"):
        open_source(f"folder:{tmp_path}", tmp_path / "memory.db", SourceOptions(window=3))


def test_all_keys_reach_the_source() -> None:
    config = PipelineConfig(name="a", source="x:y", fps=2.0, window=3, hop=4, order="name")
    board = PushBoard()
    assert options_of(config, board=board, once=True) == SourceOptions(
        pipeline="a", fps=2.0, window=3, hop=4, order="name", board=board, once=True
    )
    assert all(getattr(config, key) is not None for key in KEYS)


def test_addresses_are_shown_without_passwords_whatever_their_kind() -> None:
    assert public_address("folder:/in") == "folder:/in"
    assert public_address("stream:http://u:s3cret@h/x") == "stream:http://…@h/x"
    assert public_address("unknown:s3cret") == "unknown:…"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: str(re.findall(r'source = "(\w+)', text)))
def test_the_examples_of_the_guide_can_be_used(example: str) -> None:
    text = 'name = "box"\n' + example
    config = parse_config(text)
    check_pipelines(config, text)
    assert config.pipeline


def test_the_guide_names_every_kind_and_every_key() -> None:
    guide = GUIDE.read_text("utf-8")
    from importlib.metadata import entry_points

    kinds = entry_points(group="lineside.sources").names
    assert [kind for kind in kinds if f"| `{kind}:" not in guide] == []
    assert [key for key in PipelineConfig.__struct_fields__ if f"| `{key}` |" not in guide] == []
    assert {kind for text in EXAMPLES for kind in re.findall(r'source = "(\w+):', text)} == set(kinds)
