"""Addresses and fingerprints: what people type, scan and paste."""

from __future__ import annotations

import pytest

from app.fleet.ssh.address import SshTarget, is_target, looks_like_target, read_fingerprint, read_target
from edge_runtime.contracts.errors import InputInvalid

BODY = "l8kSp6eJS5ITOwwCoGEhV0LRND4it0NeXedzaSWISR4"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ssh://pi@192.0.2.7", SshTarget("pi", "192.0.2.7", 22)),
        (" ssh://pi@box-2.local:2222/ ", SshTarget("pi", "box-2.local", 2222)),
        ("ssh://root@[2001:db8::7]", SshTarget("root", "2001:db8::7", 22)),
        ("SSH://root@[fe80::1%eth0]:2222", SshTarget("root", "fe80::1%eth0", 2222)),
        ("ssh://root@[fe80::1%25eth0]:22", SshTarget("root", "fe80::1%eth0", 22)),
    ],
)
def test_an_address_is_read_and_told_again(text: str, target: SshTarget) -> None:
    assert read_target(text) == target
    assert read_target(str(target)) == target


@pytest.mark.parametrize(
    "text",
    [
        *("", "pi@192.0.2.7", "ssh://192.0.2.7", "ssh://@192.0.2.7", "ssh://pi@", "http://pi@192.0.2.7"),
        *(
            "ssh://pi@192.0.2.7:0",
            "ssh://pi@192.0.2.7:70000",
            "ssh://pi@192.0.2.7:x",
            "ssh://pi@192.0.2.7/etc",
            "ssh://pi@a?b",
        ),
        *("ssh://-oProxyCommand=x@a", "ssh://pi@-oProxyCommand=x", "ssh://p i@a", "ssh://pi%0a@a", "ssh://pi;x@a"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputInvalid):
        read_target(text)


@pytest.mark.parametrize("where", ["192.0.2.7", "192.0.2.7:2222", "[2001:db8::7]", "box-2.local"])
def test_that_the_user_is_missing_is_said(where: str) -> None:
    with pytest.raises(InputInvalid, match="as whom to sign in") as refused:
        read_target(f"ssh://{where}")
    assert f"ssh://USER@{where.strip('[]')}" in refused.value.hint.replace("[", "").replace("]", "")


def test_what_only_lacks_its_beginning_is_known() -> None:
    for text in ("engineer@192.0.2.7", "pi@box-2.local:22", "root@[fe80::1%eth0]:22"):
        assert looks_like_target(text)
        assert not is_target(text)
    for text in ("homes/line-2", "/srv/line@2/home", "./a@b/c", "line-2", "@b", "SSH://pi@box"):
        assert not looks_like_target(text)
    assert is_target(" SSH://pi@box")


def test_a_password_has_no_place_in_an_address() -> None:
    with pytest.raises(InputInvalid) as refused:
        read_target("ssh://pi:raspberry@192.0.2.7")
    assert "raspberry" not in refused.value.message


@pytest.mark.parametrize(
    "label",
    [
        f"SHA256:{BODY}",
        f"  256 SHA256:{BODY} root@box (ED25519)\n",
        f"https://labels.example/?key=SHA256:{BODY}=&box=2",
        f"SHA256:{BODY}\nSHA256:{BODY}",
    ],
)
def test_a_fingerprint_is_found_on_a_label(label: str) -> None:
    assert read_fingerprint(label) == f"SHA256:{BODY}"


@pytest.mark.parametrize(
    "label",
    [
        "",
        "yes",
        "y",
        BODY,
        f"SHA256:{BODY[:-1]}",
        f"SHA256:{BODY}A",
        f"SHA256:{BODY[:-1]}5",
        "MD5:ab:cd",
        f"sha1:{BODY}",
    ],
)
def test_anything_else_is_none(label: str) -> None:
    with pytest.raises(InputInvalid):
        read_fingerprint(label)


def test_two_fingerprints_are_one_too_many() -> None:
    with pytest.raises(InputInvalid, match="more than one"):
        read_fingerprint(f"SHA256:{BODY} SHA256:{'A' * 43}")
