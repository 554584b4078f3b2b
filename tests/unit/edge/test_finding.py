"""Looking for boxes: what is kept of announcements, whose word counts, and what answers at an address."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.finding import FoundBox
from edge_runtime.contracts.status import Announcement
from edge_runtime.finding.claims import MAX_AT_ONE_ADDRESS, MAX_CLAIMS, MAX_OF_ONE_BOX, MAX_WORDS, Claim, Claims
from edge_runtime.finding.interfaces import Interface, list_interfaces, neighbours_of
from edge_runtime.finding.listen import Heard
from edge_runtime.finding.probe import Outcome, Probed, addresses_of, probe
from edge_runtime.finding.reasons import Expected, reasons_of
from edge_runtime.finding.reception import dropped, make_room
from edge_runtime.finding.schedule import Place
from edge_runtime.finding.search import Evidence, Gathered, gather
from edge_runtime.finding.sweep import MOST_SWEPT, Sweep, plan_sweep
from edge_runtime.identity import Presented, create_identity, server_context

A, B = "a" * 64, "b" * 64
LAN = Interface(name="lan", index=2, networks=(ipaddress.ip_interface("10.0.0.1/24"),))
VPN = Interface(name="vpn", index=3, networks=(ipaddress.ip_interface("fd00::1/64"),), multicast=False)
LOOPBACK = Interface(name="lo", networks=(ipaddress.ip_interface("127.0.0.1/8"),), loopback=True)


def text(box: str = A, name: str = "line-1", **more: str) -> dict[str, str]:
    return {"box": box, "name": name, **more}


def claim(box: str, host: str, name: str = "", *, enrolled: bool = False, pair: int = 0) -> Claim:
    announced = Announcement(box=box, name=name or f"box {box[:1]}", host=host, port=7443, enrolled=enrolled, pair=pair)
    return Claim(announced, (host,))


def answer(host: str, outcome: Outcome = "box", box: str = A, port: int = 7443) -> Probed:
    presented = Presented(box, f"box {box[:1]}", "pem") if outcome == "box" else None
    return Probed(host=host, port=port, outcome=outcome, presented=presented)


def weighed(claims: list[Claim], answers: list[Probed], spare: tuple[Claim, ...] = ()) -> Gathered:
    return gather(claims, {(one.host, one.port): one for one in answers}, (LAN, VPN, LOOPBACK), spare)


def told(claims: list[Claim], answers: list[Probed]) -> tuple[tuple[FoundBox, ...], int]:
    gathered = weighed(claims, answers)
    assert gathered.doors == {}, "of nobody two different things are said"
    return gathered.found, gathered.false_claims


# What is kept of announcements


@given(
    st.dictionaries(st.sampled_from(["box", "name", "enrolled", "pair", "x"]), st.text()),
    st.lists(st.text()),
    st.integers(),
)
def test_no_announcement_is_too_odd(items: dict[str, str], addresses: list[str], port: int) -> None:
    claims = Claims()
    claims.add(items, addresses, port)
    assert len(claims.all()) + claims.malformed == 1


def test_a_flood_has_bounds_and_never_hides_a_box_of_ours() -> None:
    claims = Claims(expected=[A])
    for number in range(MAX_CLAIMS + 500):
        claims.add(text(f"{number:064x}"), [f"10.{number // 60_000}.{number // 250 % 240}.{number % 250}"], 7443)
    assert len(claims.all()) == MAX_CLAIMS
    assert claims.left_out == 500
    claims.add(text(A), ["10.0.0.9"], 7443)
    assert claims.all()[0].announcement.box == A


def test_one_machine_can_pretend_to_be_few_boxes_and_one_box_to_be_at_few_places() -> None:
    claims = Claims()
    for number in range(100):
        claims.add(text(f"{number:064x}"), ["10.0.0.9"], 7443)
    assert len(claims.all()) == MAX_AT_ONE_ADDRESS
    claims = Claims(expected=[A])
    for number in range(200):
        claims.add(text(A), [f"10.0.0.{number}"], 7443)
    assert len(claims.all()) == MAX_OF_ONE_BOX


def test_who_else_speaks_for_a_box_does_not_silence_it() -> None:
    claims = Claims()
    claims.add(text(pair="7444"), ["10.0.0.9"], 7443)
    claims.add(text(name="other", enrolled="1", pair="70000"), ["10.0.0.9"], 7443)
    claims.add(text(pair="7444"), ["10.0.0.9"], 7443)
    said = [(one.announcement.name, one.announcement.enrolled, one.announcement.pair) for one in claims.all()]
    assert said == [("line-1", False, 7444), ("other", True, 0)]
    for number in range(100):
        claims.add(text(name=f"other {number}"), ["10.0.0.9"], 7443)
    assert len(claims.all()) == MAX_WORDS


def test_a_crowd_at_the_address_of_a_box_leaves_its_own_word_aside_and_does_not_lose_it() -> None:
    claims = Claims()
    for number in range(MAX_AT_ONE_ADDRESS):
        claims.add(text(f"{number:064x}"), ["10.0.0.9"], 7443)
    for _ in range(2):
        claims.add(text(A, "box a", pair="7555"), ["10.0.0.9"], 7443)
    assert (len(claims.all()), claims.left_out) == (MAX_AT_ONE_ADDRESS, 1)
    gathered = weighed(claims.all(), [answer("10.0.0.9")], tuple(claims.spare()))
    assert [(one.box, one.announced, one.pair) for one in gathered.found] == [(A, True, 7555)]
    silent = weighed(claims.all(), [answer("10.0.0.9", "silent")], tuple(claims.spare()))
    assert A not in [one.box for one in silent.found]


# Whose word counts


def test_a_key_that_answers_is_a_box_whether_announced_or_not() -> None:
    found, false_claims = told([claim(A, "10.0.0.2", enrolled=True)], [answer("10.0.0.2"), answer("10.0.0.3", box=B)])
    assert [(one.box, one.name, one.announced, one.proved, one.enrolled) for one in found] == [
        (A, "box a", True, True, True),
        (B, "box b", False, True, UNSET),
    ]
    assert found[0].interfaces == ("lan",)
    assert false_claims == 0


def test_an_announcement_that_another_key_contradicts_is_left_out() -> None:
    found, false_claims = told([claim(A, "10.0.0.2")], [answer("10.0.0.2", box=B)])
    assert [(one.box, one.announced) for one in found] == [(B, False)]
    assert false_claims == 1


def test_an_impostor_does_not_move_a_box_that_answers() -> None:
    claims = [claim(A, "10.0.0.66"), claim(A, "10.0.0.2")]
    found, _ = told(claims, [answer("10.0.0.66", "silent"), answer("10.0.0.2")])
    assert [(one.addresses, one.announced) for one in found] == [(("10.0.0.2:7443",), True)]


def test_what_nothing_bears_out_stands_last_as_unproved() -> None:
    found, _ = told([claim(B, "10.0.0.2"), claim(A, "fe80::1%3")], [answer("10.0.0.2", "refused"), answer("fe80::1%3")])
    assert [(one.box, one.proved, one.addresses) for one in found] == [
        (A, True, ("[fe80::1%3]:7443",)),
        (B, False, ("10.0.0.2:7443",)),
    ]


def test_the_key_says_what_a_box_is_called_and_other_names_are_told() -> None:
    forged = claim(A, "10.0.0.2", "EVIL", enrolled=True, pair=9)
    for claims in ([claim(A, "10.0.0.2", pair=7555), forged], [forged, claim(A, "10.0.0.2", pair=7555)], [forged]):
        gathered = weighed(claims, [answer("10.0.0.2")])
        (one,) = gathered.found
        assert (one.name, one.pair) == ("box a", 0)
        assert "EVIL" in one.announced_as
        assert one.enrolled is (True if claims == [forged] else UNSET)
        # Its own port before what others say.
        ports = [7444, 9] if claims == [forged] else [7555, 7444, 9]
        assert gathered.doors == {A: tuple(("10.0.0.2", port) for port in ports)}


@pytest.mark.parametrize("pair", [7444, 7555])
def test_many_who_speak_for_a_box_do_not_hide_where_it_takes_its_code(pair: int) -> None:
    claims = Claims()
    for number in range(MAX_WORDS):
        claims.add(text(name="box a", pair=str(9000 + number)), ["10.0.0.2"], 7443)
    # By now its own word is one too many.
    claims.add(text(name="box a", pair=str(pair)), ["10.0.0.2"], 7443)
    doors = weighed(claims.all(), [answer("10.0.0.2")], tuple(claims.spare())).doors
    assert {("10.0.0.2", 7444), ("10.0.0.2", pair)} <= set(doors[A])


def test_a_name_that_its_certificate_had_to_cut_is_shown_whole() -> None:
    long = "w" * 100
    cut = Probed(host="10.0.0.2", port=7443, outcome="box", presented=Presented(A, long[:64], "pem"))
    gathered = weighed([claim(A, "10.0.0.2", long)], [cut])
    assert ([one.name for one in gathered.found], gathered.doors) == ([long], {})


# Why one is missing


def evidence(
    *,
    interfaces: tuple[Interface, ...] = (LAN, LOOPBACK),
    heard: Heard | None = None,
    answers: dict[Place, Probed] | None = None,
    found: tuple[FoundBox, ...] = (),
    false_claims: int = 0,
    sweep: Sweep | None = None,
    listened_s: float = 2.0,
    not_asked: int = 0,
) -> Evidence:
    return Evidence(
        interfaces=interfaces,
        heard=heard or Heard(),
        answers=answers or {},
        found=found,
        false_claims=false_claims,
        sweep=sweep or Sweep(),
        listened_s=listened_s,
        not_asked=not_asked,
    )


def kinds(
    of: Evidence, *, expected: tuple[Expected, ...] = (), asked: tuple[Place, ...] = (), hears: bool = True
) -> list[str]:
    return [reason.kind for reason in reasons_of(of, expected, asked, lambda _interface, _version: hears)]


def test_nothing_is_said_where_nothing_hides_a_box() -> None:
    assert kinds(evidence()) == []


def test_what_is_wrong_here() -> None:
    down = Interface(name="eth1", networks=(ipaddress.ip_interface("10.1.0.1/24"),), up=False)
    never_used = Interface(name="eth2", up=False)
    assert kinds(evidence(interfaces=(LOOPBACK, down, never_used))) == ["no-network", "interface-down"]
    assert kinds(evidence(interfaces=(LAN, VPN))) == ["no-multicast"]
    assert kinds(evidence(), hears=False) == ["multicast-blocked"]
    assert kinds(evidence(heard=Heard(problem="no"))) == ["not-listening"]


def test_what_is_wrong_on_the_network() -> None:
    twins = tuple(FoundBox(box=box, name="Line-1", addresses=("10.0.0.2:7443",), proved=True) for box in (A, B))
    assert kinds(evidence(found=twins, false_claims=2, not_asked=1, heard=Heard(malformed=1))) == [
        "flooded",
        "false-claims",
        "malformed",
        "name-clash",
    ]


def test_only_names_that_boxes_have_clash_whatever_is_announced() -> None:
    first = FoundBox(box=A, name="line-1", addresses=("10.0.0.2:7443",), announced_as=("line-1",), proved=True)
    second = replace(first, box=B, name="line-2", announced_as=("line-2", "line-1"))
    assert kinds(evidence(found=(first, second))) == []
    assert kinds(evidence(found=(first, replace(second, name="Line-1", announced_as=("line-2",))))) == ["name-clash"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what a socket had no room for")
def test_what_finds_no_room_is_counted_and_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf, socket.socket(type=socket.SOCK_DGRAM) as sender:
        before = deaf.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        assert dropped([deaf]) == 0
        for _ in range(20):
            sender.sendto(bytes(1000), deaf.getsockname())
        count = dropped([deaf])
        assert 0 < count < 20
        make_room([deaf])
        assert deaf.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= before
    reasons = reasons_of(evidence(heard=Heard(dropped=count)), (), (), lambda _interface, _version: True)
    assert [(reason.kind, reason.facts) for reason in reasons] == [("dropped", {"count": str(count)})]


def test_one_ip_version_may_be_blocked_alone() -> None:
    both = Interface(name="lan", networks=tuple(map(ipaddress.ip_interface, ("10.0.0.1/24", "fe80::1/64"))))
    only_ipv6 = Interface(name="cable", networks=(ipaddress.ip_interface("fe80::1/64"),))
    found = reasons_of(evidence(interfaces=(both, only_ipv6)), (), (), lambda _interface, version: version == 4)
    assert [(one.kind, one.subject) for one in found] == [
        ("multicast-blocked", "lan (IPv6)"),
        ("multicast-blocked", "cable"),
    ]


def test_who_answers_and_was_not_heard() -> None:
    quiet = FoundBox(box=A, name="quiet", addresses=("10.0.0.2:7443",), interfaces=("lan",), proved=True)
    assert kinds(evidence(found=(quiet,))) == ["not-announced"]
    assert kinds(evidence(found=(quiet,), listened_s=0.5)) == [], "it had no time to"
    assert kinds(evidence(found=(quiet,)), hears=False) == ["multicast-blocked"], "it could not be heard"
    for crowd in (Heard(left_out=1), Heard(dropped=1)):
        assert "not-announced" not in kinds(evidence(found=(quiet,), heard=crowd)), "its own word may be among those"
    far = replace(quiet, interfaces=())
    assert kinds(evidence(found=(far,))) == [], "announcements do not cross routers"


def interface(*networks: str, **more: bool) -> Interface:
    return Interface(name="lan", networks=tuple(map(ipaddress.ip_interface, networks)), **more)


def test_small_networks_are_asked_at_every_address_and_of_others_it_is_told() -> None:
    small = plan_sweep([interface("10.0.0.1/24", "10.0.0.7/24", "fe80::1/64"), interface("10.0.4.1/22")], 7443)
    assert small.networks == ("10.0.0.0/24", "10.0.4.0/22")
    assert small.unswept == ()
    assert len(small.places) == len(set(small.places)) == 254 + 1022
    assert ("10.0.0.9", 7443) in small.places
    large = plan_sweep([interface("10.0.0.1/16"), interface("fd00::1/64", "fe80::1/64")], 7443)
    assert large.places == ()
    assert [one.network for one in large.unswept] == ["10.0.0.0/16", "fd00::/64", "fe80::/64"]
    assert plan_sweep([interface("10.0.0.1/32"), interface("10.1.0.1/24", up=False), LOOPBACK], 7443) == Sweep()
    many = plan_sweep([interface(f"10.{number}.0.1/22") for number in range(6)], 7443)
    assert len(many.places) <= MOST_SWEPT
    assert len(many.networks) + len(many.unswept) == 6
    assert kinds(evidence(sweep=many)) == ["not-swept"] * len(many.unswept)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("silent", "address-silent"),
        ("refused", "address-refused"),
        ("unreachable", "address-unreachable"),
        ("other", "no-box"),
    ],
)
def test_what_is_wrong_at_an_address(outcome: Outcome, kind: str) -> None:
    answers = {("10.0.0.2", 7443): answer("10.0.0.2", outcome), ("10.9.0.2", 7443): answer("10.9.0.2", outcome)}
    here = Expected(box=A, name="line-1", host="10.0.0.2", port=7443)
    there = Expected(box=B, name="line-2", host="10.9.0.2", port=7443)
    assert kinds(evidence(answers=answers), expected=(here, there)) == [kind, "other-subnet", kind]
    assert kinds(evidence(answers=answers), asked=(("10.0.0.2", 7443),)) == [kind]


def test_another_key_at_the_last_address() -> None:
    answers = {("10.0.0.2", 7443): answer("10.0.0.2", box=B)}
    here = Expected(box=A, name="line-1", host="10.0.0.2", port=7443)
    assert kinds(evidence(answers=answers), expected=(here,)) == ["other-key"]


# Interfaces and addresses


def test_this_machine_has_a_loopback() -> None:
    loopback = next(one for one in list_interfaces() if one.loopback)
    assert loopback.holds(ipaddress.ip_address("127.0.0.1"))
    assert neighbours_of([loopback], "127.0.0.1") == (loopback.name,)


def test_flags_of_the_system(tmp_path: Path) -> None:
    name = next(one.name for one in list_interfaces() if one.loopback)
    (tmp_path / name).mkdir()
    (tmp_path / name / "flags").write_text("0x9\n")
    (tmp_path / name / "operstate").write_text("down\n")
    (seen,) = [one for one in list_interfaces(tmp_path) if one.name == name]
    assert (seen.up, seen.multicast, seen.loopback) == (False, False, True)


def test_a_zone_names_the_interface() -> None:
    both = tuple(
        Interface(name=name, index=index, networks=(ipaddress.ip_interface("fe80::1/64"),))
        for name, index in (("left", 4), ("right", 5))
    )
    assert neighbours_of(both, "fe80::2%5") == neighbours_of(both, "fe80::2%right") == ("right",)
    assert neighbours_of(both, "fe80::2") == ("left", "right")
    assert neighbours_of(both, "no address") == ()


def test_subnets() -> None:
    assert addresses_of("192.0.2.0/30") == ["192.0.2.1", "192.0.2.2"]
    assert addresses_of("192.0.2.7/32") == ["192.0.2.7"]
    for wrong in ("192.0.2.0/33", "plant", "10.0.0.0/8", "fd00::/64"):
        with pytest.raises(InputInvalid):
            addresses_of(wrong)


# Probing


@contextmanager
def listener(context: ssl.SSLContext | None, reply: bytes = b"") -> Iterator[int]:
    """Takes connections until the end: with TLS, or says ``reply``, or says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            kept = []
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    break
                kept.append(connection)
                try:
                    if context:
                        kept.append(context.wrap_socket(connection, server_side=True))
                    elif reply:
                        connection.sendall(reply)
                except OSError:
                    continue
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def test_who_answers(tmp_path: Path) -> None:
    box = create_identity(tmp_path / "box", "line\n1")
    places = []
    with (
        listener(server_context(box, [box.certificate_pem])) as known,
        listener(None, b"SSH-2.0-OpenSSH\r\n") as other,
        listener(None) as silent,
        closing(socket.create_server(("127.0.0.1", 0))) as closed,
    ):
        gone = closed.getsockname()[1]
        closed.close()
        places = [("127.0.0.1", port) for port in (known, other, silent, gone)]
        counted: list[int] = []
        answers = probe([*places, ("256.1.1.1", 1)], timeout_s=1.0, done=counted.append)
    assert [one.outcome for one in answers] == ["box", "other", "silent", "refused", "unreachable"]
    assert counted == [1, 2, 3, 4, 5]
    presented = answers[0].presented
    assert presented is not None
    assert (presented.fingerprint, presented.name) == (box.fingerprint, "line 1")
    assert presented.certificate_pem.split() == box.certificate_pem.split()


def test_a_probe_can_be_stopped() -> None:
    def stop(_count: int) -> None:
        raise InputInvalid("stopped")

    with listener(None, b"x") as port, pytest.raises(InputInvalid, match="stopped"):
        probe([("127.0.0.1", port)] * 3 + [("127.0.0.1", 1)], done=stop)
