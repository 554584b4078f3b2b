"""A secret that is known is taken out in every form; one that a text shows is found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from app.redact import Redactor, find_secrets

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=9, max_size=60)
NEIGHBOURS = st.binary(max_size=9)
HOME = Path("/nowhere/at/all")


@given(secret=SECRETS, before=NEIGHBOURS, after=NEIGHBOURS)
def test_a_known_secret_is_in_no_form_left(secret: str, before: bytes, after: bytes) -> None:
    redactor = Redactor([secret], home=HOME)
    whole = base64.b64encode(before + secret.encode() + after).decode()
    for form in (secret, json.dumps(secret), quote(secret), quote(secret, safe=""), quote_plus(secret), whole):
        assert form not in redactor(f"so {form} it went\n")
    # What is left of the base64 does not give it back.
    told = redactor(f"x {whole} y")
    assert whole[len(before) * 8 // 6 + 2 : (len(before) + len(secret)) * 8 // 6 - 2] not in told


@given(text=st.text(st.characters(categories=("Ll", "Zs")), max_size=200))
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor(["Kamera+Pa55/wort"], home=HOME)(text) == text


def test_what_a_text_shows_is_taken_out_elsewhere_too() -> None:
    text = 'source = "rtsp://me:Kam%2Bera99@192.0.2.7/x"\nproxy_password: s3cr3t-of-it\nhttp%3A%2F%2Fa%3Aencoded77%40b'
    found = find_secrets(text)
    assert {"Kam%2Bera99", "Kam+era99", "s3cr3t-of-it", "encoded77"} <= found
    told = Redactor(found, home=HOME)("Kam+era99 s3cr3t-of-it encoded77 " + base64.b64encode(b"me:Kam+era99").decode())
    assert told == "[secret] [secret] [secret] [secret]"


def test_names_go_only_where_it_is_wanted() -> None:
    text = "press-1 at 192.0.2.7 and press-10"
    assert Redactor([], home=HOME)(text) == text
    assert Redactor([], home=HOME, names={"press-1": "[box 1]"})(text) == "[box 1] at [address] and press-10"
