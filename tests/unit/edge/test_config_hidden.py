"""No secret leaves the box in a configuration, and none is lost or sent elsewhere by editing what hides it."""

from __future__ import annotations

import tomllib

import pytest

from edge_runtime.configuring.hidden import hide, reveal
from edge_runtime.contracts.errors import ConfigInvalid
from edge_runtime.sources import public_address

CAMERAS = """\
name = "Halle … 2"    # not an address
[[pipeline]]
name = "one"
source = "stream:rtsp://admin:hunter2@nvr.local/cam?channel=1&subtype=0"   # was rtsp://old:s3cret@10.0.0.1/
[[pipeline]]
name = "two"
source = 'stream:rtsp://admin:hunter2@nvr.local/cam?channel=2&subtype=0'
# [[pipeline]]
# source = "stream:http://10.0.0.9/video.mjpg?user=admin&pwd=letmein"
[[pipeline]]
name = "three"
source = "stream:rtsp://ope\\u0072ator:p%40ss@10.0.0.7:8554/live"
[[pipeline]]
name = "four"
source = "folder:/var/lib/camera/frames"   # see http://docs.local/page#anchor
"""
SECRETS = ("hunter2", "s3cret", "letmein", "admin", "p%40ss", "erator")


def sources(text: str) -> dict[str, str]:
    return {one["name"]: one["source"] for one in tomllib.loads(text)["pipeline"]}


def test_no_secret_is_shown_and_every_line_stands_where_it_stood() -> None:
    shown = hide(CAMERAS)
    assert not [secret for secret in SECRETS if secret in shown]
    assert shown.count("\n") == CAMERAS.count("\n")
    assert hide(shown) == shown
    assert sources(shown)["one"] == "stream:rtsp://…@nvr.local/cam?channel=…&subtype=…"
    assert "folder:/var/lib/camera/frames" in shown
    assert "http://docs.local/page#anchor" in shown


def test_what_comes_back_unchanged_means_what_stood_there() -> None:
    whole = reveal(hide(CAMERAS), CAMERAS)
    assert sources(whole) == sources(CAMERAS)
    comments = [line.partition("#")[2] for line in CAMERAS.splitlines()]
    assert [line.partition("#")[2] for line in whole.splitlines()] == comments


def test_lines_that_look_alike_keep_their_own_secrets_when_they_change_places() -> None:
    shown = hide(CAMERAS)
    assert sources(shown)["one"] == sources(shown)["two"]
    moved = shown.replace('name = "one"', 'name = "x"').replace('name = "two"', 'name = "one"')
    whole = sources(reveal(moved.replace('name = "x"', 'name = "two"'), CAMERAS))
    assert whole["one"] == sources(CAMERAS)["one"]
    assert whole["two"] == sources(CAMERAS)["two"]


def test_another_path_on_the_same_host_keeps_the_password() -> None:
    edited = hide(CAMERAS).replace("@10.0.0.7:8554/live", "@10.0.0.7:8554/second")
    assert sources(reveal(edited, CAMERAS))["three"] == "stream:rtsp://operator:p%40ss@10.0.0.7:8554/second"
    channel = hide(CAMERAS).replace("channel=…", "channel=5", 1)
    assert sources(reveal(channel, CAMERAS))["one"] == "stream:rtsp://admin:hunter2@nvr.local/cam?channel=5&subtype=0"


PATHS = [
    ("rtsp://h/user=admin&password=x1&channel=1&stream=0.sdp", "rtsp://h/user=…&password=…&channel=…&stream=…"),
    ("rtsp://h:554/user=admin_password=x1_channel=1_stream=0.sdp", "rtsp://h:554/user=…"),
    ("http://cam/pw/x1/video.mjpg", "http://cam/pw/…/video.mjpg"),
    ("http://cam/cgi/User-Name/admin/PASSWORD/x1", "http://cam/cgi/User-Name/…/PASSWORD/…"),
    ("http://cam/admin:x1/video.mjpg", "http://cam/admin:…/video.mjpg"),
    ("rtsps://h:7441/AbCd1234EfGh5678?enableSrtp", "rtsps://h:7441/…?…"),
    ("http://h/live/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/index", "http://h/live/…/index"),
    ("rtsp://a:b@h/x;pwd=x1", "rtsp://…@h/x;pwd=…"),
    ("rtsp://h/Streaming/Channels/101", "rtsp://h/Streaming/Channels/101"),
    ("rtsp://h:554/h264Preview_01_main", "rtsp://h:554/h264Preview_01_main"),
    ("http://h/axis-cgi/mjpg/video.cgi", "http://h/axis-cgi/mjpg/video.cgi"),
]


@pytest.mark.parametrize(("url", "shown"), PATHS)
def test_passwords_in_paths_are_hidden_wherever_the_address_is_shown_and_come_back(url: str, shown: str) -> None:
    text = f'keep = 1\n[[pipeline]]\nname = "one"\nsource = "stream:{url}"   # was {url}\n'
    assert hide(text) == text.replace(url, shown)
    assert hide(hide(text)) == hide(text)
    assert public_address(f"stream:{url}") == f"stream:{shown}"
    assert reveal(hide(text), text) == text
    # An edit elsewhere, and one of the line's own name.
    assert reveal(hide(text).replace('"one"', '"two"'), text) == text.replace('"one"', '"two"')


def test_an_edit_beside_a_secret_in_a_path_keeps_it() -> None:
    first = '[[pipeline]]\nname = "one"\nsource = "stream:rtsp://h/user=admin&password=x1&channel=1"\n'
    edited = hide(first).replace("channel=…", "channel=2")
    assert sources(reveal(edited, first))["one"] == "stream:rtsp://h/user=admin&password=x1&channel=2"
    second = '[[pipeline]]\nname = "one"\nsource = "stream:http://cam/pw/x1/low.mjpg"\n'
    edited = hide(second).replace("low.mjpg", "high.mjpg")
    assert sources(reveal(edited, second))["one"] == "stream:http://cam/pw/x1/high.mjpg"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("rtsp://h/", "rtsp://evil/"),
        ("rtsp://h/", "http://h/"),
        ("password=", "comment="),
        ("user=…&password=…", "…"),
    ],
)
def test_a_secret_of_a_path_goes_nowhere_else(was: str, becomes: str) -> None:
    text = '[[pipeline]]\nname = "one"\nsource = "stream:rtsp://h/user=admin&password=x1"\n'
    assert was in hide(text)
    with pytest.raises(ConfigInvalid, match="what … stands for is not known"):
        reveal(hide(text).replace(was, becomes), text)


@pytest.mark.parametrize(
    "there",
    ["rtsp://…@10.6.6.6/live", "rtsp://…@10.0.0.7:8555/live", "http://…@10.0.0.7:8554/live"],
    ids=["host", "port", "scheme"],
)
def test_a_password_goes_nowhere_else(there: str) -> None:
    edited = hide(CAMERAS).replace("rtsp://…@10.0.0.7:8554/live", there)
    with pytest.raises(ConfigInvalid, match=r"line 12: what … stands for is not known") as told:
        reveal(edited, CAMERAS)
    assert not [secret for secret in SECRETS if secret in f"{told.value} {told.value.hint}"]


def test_a_new_line_cannot_take_what_it_does_not_name() -> None:
    more = '[[pipeline]]\nname = "five"\nsource = "stream:rtsp://…@nvr.local/cam?channel=…&subtype=…"\n'
    with pytest.raises(ConfigInvalid, match="what … stands for is not known"):
        reveal(hide(CAMERAS) + more, CAMERAS)
    known = '[[pipeline]]\nname = "five"\nsource = "stream:rtsp://…@nvr.local/cam?channel=9"\n'
    whole = sources(reveal(hide(CAMERAS) + known, CAMERAS))
    assert whole["five"] == "stream:rtsp://admin:hunter2@nvr.local/cam?channel=9"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('name = "Halle … 2"', 'name = "stream:rtsp://…@10.0.0.7:8554/live"'),
        ('name = "Halle … 2"', 'name = "rtsp://…@10.0.0.7:8554/other"'),
        ("folder:/var/lib/camera/frames", "folder:rtsp://…@10.0.0.7:8554/live"),
        ("folder:/var/lib/camera/frames", "folder:/x/rtsp://…@10.0.0.7:8554/live"),
        ('name = "Halle … 2"', 'name = "x"\n[inference]\ntoken_file = "rtsp://…@10.0.0.7:8554/live"'),
    ],
    ids=["box's name", "box's name, other path", "folder", "folder below", "path of a file"],
)
def test_a_secret_is_put_nowhere_where_it_would_be_shown(was: str, becomes: str) -> None:
    with pytest.raises(ConfigInvalid) as told:
        reveal(hide(CAMERAS).replace(was, becomes), CAMERAS)
    assert not [secret for secret in SECRETS if secret in f"{told.value} {told.value.hint}"]


@pytest.mark.parametrize(
    "line",
    [
        'source = "stream:rtsp://u:pa/ss@host/x"',
        "# rtsp://u:pa#ss@host/x",
        "# 'rtsp://u:pa<>ss@host/x'",
        'source = "stream:rtsp://u:pass@[::1"',
        'source = """stream:rtsp://u:pass@host/x"""',
        'source = "stream:rtsp://u:pass@host/x',
    ],
)
def test_what_is_no_sound_address_shows_no_password_either(line: str) -> None:
    shown = hide(f"{line}\n")
    assert not [part for part in ("pa/ss", "pa#ss", "pa<>ss", "pass") if part in shown]
