"""Where a box takes its code, as people write it."""

from __future__ import annotations

import pytest

from app.fleet.pairing import read_address
from edge_runtime.contracts.errors import InputInvalid


@pytest.mark.parametrize(
    ("typed", "host", "port"),
    [
        ("192.0.2.7", "192.0.2.7", 7444),
        (" box.local:7000 ", "box.local", 7000),
        ("[2001:db8::7]:7000", "2001:db8::7", 7000),
        ("[2001:db8::7]", "2001:db8::7", 7444),
        ("2001:db8::7", "2001:db8::7", 7444),
    ],
)
def test_an_address_may_leave_out_the_port(typed: str, host: str, port: int) -> None:
    address = read_address(typed)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize("typed", ["", "  ", "box:", "box:0", "box:99999", "http://box", "a b", "[::1", "user@box"])
def test_what_is_no_address_is_named(typed: str) -> None:
    with pytest.raises(InputInvalid, match="not an address"):
        read_address(typed)
