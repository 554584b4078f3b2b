"""A secret that is known is taken out in every form; one that a text shows is found; the rest stays readable."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.redact import Redactor, find_secrets, redact
from edge_runtime.contracts import errors
from tests.fakes.planted_secrets import CAMERAS, LINES, Plant

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=9, max_size=60)
MADE_BY_MACHINE = st.text(string.ascii_letters + string.digits, min_size=9, max_size=40).map(lambda text: f"K7{text}")
NEIGHBOURS = st.binary(max_size=9)
HOME = Path("/nowhere/at/all")
HOSTILE_BYTES = 2**18
"""What took hours where time grew with the square of a text's length."""


@given(secret=SECRETS, before=NEIGHBOURS, after=NEIGHBOURS)
def test_a_known_secret_is_in_no_form_left(secret: str, before: bytes, after: bytes) -> None:
    redactor = Redactor([secret], home=HOME)
    whole = base64.b64encode(before + secret.encode() + after).decode()
    for form in (secret, json.dumps(secret), quote(secret), quote(secret, safe=""), quote_plus(secret), whole):
        assert form not in redactor(f"so {form} it went\n")
    # What is left of the base64 does not give it back.
    told = redactor(f"x {whole} y")
    assert whole[len(before) * 8 // 6 + 2 : (len(before) + len(secret)) * 8 // 6 - 2] not in told


@pytest.mark.parametrize("plant", [*CAMERAS.values(), *LINES.values()], ids=[*CAMERAS, *LINES])
@settings(max_examples=20)
@given(secret=MADE_BY_MACHINE)
def test_a_planted_secret_is_taken_out_wherever_it_stands(plant: Plant, secret: str) -> None:
    text = f"2026-03-01 12:00:00 INFO it said {plant(secret)}"
    told = redact(text, home=HOME)
    assert secret not in told
    assert told.startswith("2026-03-01 12:00:00 INFO it said ")
    # Also after a line, and within a JSON text.
    assert secret not in redact(f"before\n{plant(secret)}\nafter", home=HOME)
    assert secret not in str(Redactor([], home=HOME).value({"message": plant(secret)}))


@pytest.mark.parametrize("plant", CAMERAS.values(), ids=CAMERAS)
@settings(max_examples=20)
@given(secret=MADE_BY_MACHINE)
def test_what_an_address_shows_is_taken_out_where_it_stands_alone(plant: Plant, secret: str) -> None:
    found = find_secrets(f"source = {json.dumps('stream:' + plant(secret))}\n")
    redactor = Redactor(found, home=HOME)
    assert secret not in redactor(f"the camera said {secret} and {base64.b64encode(f'x:{secret}'.encode()).decode()}")


def error_texts() -> Iterator[str]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.LinesideError):
            yield kind.title
            yield kind.default_hint


@pytest.mark.parametrize(
    "text",
    [
        *sorted(set(filter(None, error_texts()))),
        "2026-03-01 12:00:00,123 INFO edge_runtime.service.daemon: press-1 listens on [::]:7443",
        "2026-03-01 12:00:00,123 WARNING edge_runtime.sources.live: http://192.0.2.9:8080/video: no frame for 5 s",
        "rtsp://192.0.2.9:554/Streaming/Channels/101?channel=1&subtype=0 refused the password",
        "When a camera refuses the password, the status says so, and the box tries again.",
        "The key of line-2 changed; the token bucket is full.",
        "PassphraseWrong: the passphrase is another one, or the file is damaged.",
        "edge_runtime.contracts.errors.StoreCredentialsMissing: there are none for s3://bucket/site",
        "Use --at ssh://pi@192.0.2.7:22, not http://host:port.",
        '  File "/usr/lib/python3.11/site-packages/app/cli/passphrase.py", line 30, in ask_passphrase',
        "bundle 6629fae49393a05397450978507c4ef16629fae49393a05397450978507c4ef1 committed, 12:30:45, 98.5 %",
        "sha256:6629fae49393a05397450978507c4ef1 at s3://bucket/metrics/date=2026-03-01/box=press-1/part.parquet",
        'token_file = "/etc/lineside/token", max_queue = 64',
        "basic authentication is not what it wants; one pass: begin what is due",
        "https://docs.example.org/guide/first-steps.html says more.",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text, home=HOME) == text
    assert Redactor(["Kamera+Pa55/wort"], home=HOME)(text) == text


@given(text=st.text(st.characters(categories=("Ll", "Zs")), max_size=200))
def test_words_stay(text: str) -> None:
    assert Redactor(["Kamera+Pa55/wort"], home=HOME)(text) == text


def test_what_a_text_shows_is_taken_out_elsewhere_too() -> None:
    text = 'source = "rtsp://me:Kam%2Bera99@192.0.2.7/x"\nproxy_password: s3cr3t-of-it\nhttp%3A%2F%2Fa%3Aencoded77%40b'
    found = find_secrets(text)
    assert {"Kam%2Bera99", "Kam+era99", "s3cr3t-of-it", "encoded77"} <= found
    told = Redactor(found, home=HOME)("Kam+era99 s3cr3t-of-it encoded77 " + base64.b64encode(b"me:Kam+era99").decode())
    assert told == "[secret] [secret] [secret] [secret]"


def test_of_a_key_that_was_cut_the_rest_goes_too() -> None:
    body = "\n".join([f"MC4CAQAwBQYDK2VwBCIEIA/{number}" * 2 for number in range(9)] + ["x7Q="])
    told = redact(f"before\n{body}\n-----END PRIVATE KEY-----\nafter", home=HOME)
    assert told == "before\n[key]\nafter"


HOSTILE = [
    *[
        "://",
        "://?",
        "://h/?a=b&",
        "://a:b ",
        "://a:b x@",
        "rtsp://u:pw1@h\n",
        "%253A%252F%252F",
        "%3A%2F%2Fa%40",
        "a:b@",
    ],
    *["password", "password ", 'password="', "password='", 'password="""', "password=(\n", "password:\n ", "token="],
    *[
        'password\\"',
        '{\\"password\\":',
        "密码",
        "<password>",
        "--password ",
        "-u a:",
        "bearer ",
        'response="',
        "code 1",
    ],
    *["-----BEGIN A PRIVATE KEY-----", "-----END PRIVATE KEY-----", "AAAA\n", "eyJ-", "-----BEGIN " + "A" * 100],
    *[
        "0123456789abcdef",
        "A",
        "A1b2-",
        "fd00:",
        "aa:",
        "1.1.",
        "a@",
        "@",
        ":",
        "/",
        "=",
        "\\",
        '"',
        " ",
        "\n",
        "box-1 ",
    ],
]


@pytest.mark.parametrize("piece", HOSTILE, ids=[repr(piece[:20]) for piece in HOSTILE])
def test_no_text_takes_more_than_in_proportion(piece: str) -> None:
    text = piece * (HOSTILE_BYTES // len(piece.encode()))
    find_secrets(text)
    assert isinstance(Redactor(["Kamera+Pa55/wort"], home=HOME, names={"box-1": "[box 1]"})(text), str)


def test_many_secrets_in_a_long_text_are_all_taken_out() -> None:
    secrets = [f"pw{number:05}x" for number in range(2000)] + ["a" * length + "b1" for length in range(4, 250)]
    told = Redactor(secrets, home=HOME)("\n".join(secrets) + "\n" + "a" * HOSTILE_BYTES)
    assert told == "[secret]\n" * len(secrets) + "a" * HOSTILE_BYTES


def test_names_go_only_where_it_is_wanted() -> None:
    text = "press-1 at 192.0.2.7 and press-10"
    assert Redactor([], home=HOME)(text) == text
    assert Redactor([], home=HOME, names={"press-1": "[box 1]"})(text) == "[box 1] at [address] and press-10"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("PRESS-1 and Press-1", "[box 1] and [box 1]"),
        ("site Plant%20North, PLANT NORTH", "site [site], [site]"),
        ("engineer@plant-pc wrote", "[user]@[host] wrote"),
        ("root@[fd00::5]:22", "[user]@[host]:22"),
        ("at fd00::5, [2001:db8::7]:7443 and ::1", "at [address], [[address]]:7443 and [address]"),
        ("at fe80::1%eth0.", "at [address]."),
        ("at ::ffff:192.0.2.7 and 192.0.2.7:7443.", "at [address] and [address]:7443."),
        ("at 02:42:ac:11:00:02", "at [address]"),
        ("12:30:45 std::vector, map::find()", "12:30:45 std::vector, map::find()"),
        ("version 1.2.3", "version 1.2.3"),
    ],
)
def test_names_and_addresses_go_however_they_are_written(text: str, told: str) -> None:
    assert Redactor([], home=HOME, names={"press-1": "[box 1]", "Plant North": "[site]"})(text) == told
