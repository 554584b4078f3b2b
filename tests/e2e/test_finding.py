"""Finding real boxes over real networks: several interfaces, other subnets, firewalls, impostors, floods."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.context import open_context
from app.usecases import activity, boxes
from edge_runtime.enrolment import address_file, create_home, read_home
from tests.fakes.network import Machine, Network, needs_namespaces, network
from tests.waiting import wait_until

pytestmark = needs_namespaces
EDGE = (sys.executable, "-m", "edge_runtime")
CONFIG = """\
name = "{name}"
[management]
listen = "{listen}"
pairing = ""
[inference]
http = ""
[spool]
reserve_bytes = 0
"""


@dataclass
class RunningBox:
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def id(self) -> str:
        return read_home(self.home).box


class Factory:
    """Boxes on machines of a network; everything ends with the test."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net, self._folder, self._boxes = net, folder, list[RunningBox]()

    def box(
        self, machine: Machine, name: str, *, listen: str | None = "[::]:7443", home: Path | None = None
    ) -> RunningBox:
        """:param listen: None: with the configuration that `init` gives a box."""
        folder = home or self._folder / f"{machine.name}-{name}"
        create_home(folder, name=name, config=CONFIG.format(name=name, listen=listen) if listen else None)
        command = machine.command(sys.executable, "-m", "edge_runtime", "run", "--home", str(folder))
        box = RunningBox(folder, subprocess.Popen(command, stderr=subprocess.DEVNULL))
        self._boxes.append(box)
        wait_until(address_file(folder).exists, 60, f"{name} to listen")
        return box

    def close(self) -> None:
        for box in self._boxes:
            box.process.kill()
            box.process.wait()


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[Factory]:
    with network() as net:
        made = Factory(net, tmp_path)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def site(first_desktop: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_desktop, tmp_path / "desktop"))


def scan(machine: Machine, home: Path, *arguments: str) -> dict[str, Any]:
    done = machine.run(
        sys.executable, "-m", "app", "--home", str(home), "boxes", "scan", "--json", *arguments, check=False
    )
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def kinds(report: dict[str, Any]) -> set[str]:
    return {reason["kind"] for reason in report["reasons"]}


def test_boxes_are_found_on_every_interface_and_over_ipv6(factory: Factory, site: Path) -> None:
    laptop, one, two = (factory.net.machine(name) for name in ("laptop", "one", "two"))
    factory.net.cable([(laptop, "left", ["10.77.1.1/24"]), (one, "up", ["10.77.1.2/24"])])
    factory.net.cable([(laptop, "right", ["fd77::1/64"]), (two, "up", ["fd77::2/64"])])
    first = factory.box(one, "line-1")
    second = factory.box(two, "line-2")

    def both() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [one["seen"] for one in scan(laptop, site, "--seconds", "3")["found"]]
        return found if len(found) == 2 else []

    found = wait_until(both, 30, "both boxes to be heard")
    seen = {box["name"]: box for box in found}
    assert {name: box["box"] for name, box in seen.items()} == {"line-1": first.id, "line-2": second.id}
    assert seen["line-1"]["addresses"][0] == "10.77.1.2:7443"
    assert seen["line-1"]["interfaces"] == ["left"]
    assert seen["line-2"]["addresses"][0].startswith("[fd77::2]")
    assert seen["line-2"]["interfaces"] == ["right"]
    assert all(box["announced"] and box["proved"] and not box["enrolled"] for box in found)


def test_a_box_on_another_subnet_is_found_by_address_by_subnet_and_through_another_box(
    factory: Factory, site: Path
) -> None:
    laptop, near, far = (factory.net.machine(name) for name in ("laptop", "near", "far"))
    factory.net.cable([(laptop, "lan", ["10.77.1.1/24"]), (near, "up", ["10.77.1.2/24"])])
    factory.net.cable([(near, "plant", ["10.78.0.1/24"]), (far, "up", ["10.78.0.9/24"])])
    near_box = factory.box(near, "near")
    far_box = factory.box(far, "far")
    with open_context(site) as ctx:
        boxes.enrol_local(ctx, near_box.home, address="10.77.1.2:7443")

    via = scan(laptop, site, "--seconds", "2", "--via", "near")
    told = {one["seen"]["name"]: one["seen"] for one in via["found"]}
    assert told["far"]["box"] == far_box.id
    assert told["far"]["told_by"] == ["near"]
    assert "10.78.0.9:7443" in told["far"]["addresses"]

    # With a route, its address and its subnet do without the other box.
    laptop.has("ip route add 10.78.0.0/24 via 10.77.1.2")
    far.has("ip route add 10.77.1.0/24 via 10.78.0.1")
    near.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    for way in (("--address", "10.78.0.9"), ("--subnet", "10.78.0.0/28")):
        report = scan(laptop, site, "--seconds", "0", *way)
        assert [one["seen"]["box"] for one in report["found"] if one["seen"]["name"] == "far"] == [far_box.id], way


def test_why_a_box_is_missing(factory: Factory, site: Path) -> None:
    laptop, one = factory.net.machine("laptop"), factory.net.machine("one")
    assert kinds(scan(laptop, site, "--seconds", "0.2", "--explain")) == {"no-network"}

    factory.net.cable([(laptop, "lan", ["10.77.1.1/24"]), (one, "up", ["10.77.1.2/24"])])
    box = factory.box(one, "line-1")
    with open_context(site) as ctx:
        boxes.enrol_local(ctx, box.home, address="10.77.1.2:7443")
    assert scan(laptop, site, "--seconds", "1", "--explain")["reasons"] == []

    laptop.run(
        "nft", "-f", "-", input="table inet f { chain i { type filter hook input priority 0; udp dport 5353 drop; }; }"
    )
    report = scan(laptop, site, "--seconds", "1", "--explain")
    assert kinds(report) == {"multicast-blocked"}
    # Where it was last it still answers, so it is found all the same.
    assert [one["known_as"] for one in report["found"]] == ["line-1"]
    laptop.has("nft flush ruleset", "ip link set lan multicast off")
    assert "no-multicast" in kinds(scan(laptop, site, "--seconds", "1", "--explain"))
    laptop.has("ip link set lan multicast on")

    box.process.kill()
    box.process.wait()
    assert kinds(scan(laptop, site, "--seconds", "0", "--explain")) == {"address-refused"}
    one.run(
        "nft", "-f", "-", input="table inet f { chain i { type filter hook input priority 0; tcp dport 7443 drop; }; }"
    )
    assert kinds(scan(laptop, site, "--seconds", "0", "--explain")) == {"address-silent"}
    one.has("nft flush ruleset")
    factory.box(one, "line-1", home=box.home.with_name("stranger"))
    report = scan(laptop, site, "--seconds", "0", "--explain")
    assert "other-key" in kinds(report)
    assert [one["known_as"] for one in report["found"]] == [None]

    laptop.has("ip address delete 10.77.1.1/24 dev lan", "ip address add 10.80.0.1/24 dev lan")
    assert kinds(scan(laptop, site, "--seconds", "0", "--explain")) == {"other-subnet", "address-unreachable"}
    laptop.has("ip link set lan down")
    assert "interface-down" in kinds(scan(laptop, site, "--seconds", "0", "--explain"))


def test_two_boxes_of_one_name_are_told_apart(factory: Factory, site: Path) -> None:
    laptop, one, two = (factory.net.machine(name) for name in ("laptop", "one", "two"))
    factory.net.cable([(laptop, "left", ["10.77.1.1/24"]), (one, "up", ["10.77.1.2/24"])])
    factory.net.cable([(laptop, "right", ["10.77.2.1/24"]), (two, "up", ["10.77.2.2/24"])])
    first, second = factory.box(one, "line-1"), factory.box(two, "line-1")
    report = scan(laptop, site, "--seconds", "1", "--address", "10.77.1.2", "--address", "10.77.2.2:7443", "--explain")
    assert {one["seen"]["box"] for one in report["found"]} == {first.id, second.id}
    assert kinds(report) == {"name-clash"}


def test_ten_thousand_hostile_announcements_neither_slow_nor_fool_it(factory: Factory, site: Path) -> None:
    laptop, one, two = (factory.net.machine(name) for name in ("laptop", "one", "two"))
    factory.net.cable([(laptop, "lan", ["10.77.0.1/16"]), (one, "up", ["10.77.0.2/16"])])
    factory.net.cable([(laptop, "other", ["10.78.0.1/16"]), (two, "up", ["10.78.0.2/16"])])
    box = factory.box(one, "line-1")
    with open_context(site) as ctx:
        boxes.enrol_local(ctx, box.home, address="10.77.0.2:7443")
    flood = subprocess.Popen(
        one.command(sys.executable, "-m", "tests.fakes.announcers", "10.77.0.2", "10000", "--impersonate", box.id)
    )
    try:
        # One that nobody knows yet comes late, and on another cable.
        late = factory.box(two, "line-2")
        report = scan(laptop, site, "--seconds", "5", "--explain")
    finally:
        flood.kill()
        flood.wait()
    proved = {one["seen"]["name"]: one for one in report["found"] if one["seen"]["proved"]}
    # The real ones, at their real addresses; of those who only said that they were it, nothing.
    assert {
        name: (one["seen"]["box"], one["seen"]["addresses"][0], one["known_as"]) for name, one in proved.items()
    } == {"line-1": (box.id, "10.77.0.2:7443", "line-1"), "line-2": (late.id, "10.78.0.2:7443", None)}
    assert {"unproved", "flooded"} <= kinds(report)
    assert len(report["reasons"]) < 100


def test_whoever_announces_a_box_under_another_name_does_not_speak_for_it(factory: Factory, tmp_path: Path) -> None:
    laptop, one, evil = (factory.net.machine(name) for name in ("laptop", "one", "evil"))
    factory.net.cable([(laptop, "lan", ["10.77.0.1/16"]), (one, "up", ["10.77.0.2/16"])])
    factory.net.cable([(laptop, "other", ["10.78.0.1/16"]), (evil, "up", ["10.78.0.2/16"])])
    config = CONFIG.format(name="line-1", listen="[::]:7443").replace('pairing = ""', 'pairing = "[::]:7555"')
    create_home(tmp_path / "imaged", name="line-1", config=config)
    box = factory.box(one, "line-1", home=tmp_path / "imaged")
    command = evil.command(
        *(sys.executable, "-m", "tests.fakes.announcers"),
        *("10.78.0.2", "60"),
        *("--at", "10.77.0.2", "--forge", box.id),
    )
    with subprocess.Popen(command) as forger:
        try:
            report = scan(laptop, tmp_path / "nobody", "--seconds", "5", "--explain", "--address", "10.77.0.2")
        finally:
            forger.kill()
    (seen,) = [found["seen"] for found in report["found"] if found["seen"]["proved"]]
    assert (seen["box"], seen["name"], set(seen["announced_as"])) == (box.id, "line-1", {"line-1", "line-60"})
    assert (seen["pair"], seen["enrolled"], seen["announced"]) == (7555, False, True)
    assert "not-announced" not in kinds(report)
    # Of one that is asked where nobody announces anything, nobody says whether it has a site.
    assert (
        "enrolled"
        not in scan(laptop, tmp_path / "nobody", "--seconds", "0", "--address", "10.77.0.2")["found"][0]["seen"]
    )


def test_boxes_known_by_name_only_are_asked_again_all_of_them(factory: Factory, site: Path) -> None:
    laptop, one = factory.net.machine("laptop"), factory.net.machine("one")
    factory.net.cable([(laptop, "lan", ["10.77.1.1/24"]), (one, "up", ["10.77.1.2/24"])])
    command = one.command(sys.executable, "-m", "tests.fakes.terse_boxes", "10.77.1.2", "150")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as terse:
        try:
            assert terse.stdout is not None
            assert terse.stdout.readline() == b"up\n"
            report = scan(laptop, site, "--seconds", "20")
        finally:
            terse.kill()
    assert {found["seen"]["name"] for found in report["found"]} == {f"line-{number}" for number in range(150)}


def moved(home: Path) -> list[str]:
    """What this desktop's activity says of boxes that moved."""
    with open_context(home) as ctx:
        return [entry.message for entry in activity.page_activity(ctx).rows if entry.what == "box.moved"]


def known_at(home: Path) -> str:
    with open_context(home) as ctx:
        return boxes.get_box(ctx, "line-1").address


def test_a_box_that_moved_is_followed_by_a_scan_and_while_boxes_are_watched(factory: Factory, site: Path) -> None:
    laptop, one = factory.net.machine("laptop"), factory.net.machine("one")
    factory.net.cable([(laptop, "lan", ["10.77.1.1/24"]), (one, "up", ["10.77.1.2/24"])])
    box = factory.box(one, "line-1")
    with open_context(site) as ctx:
        boxes.enrol_local(ctx, box.home, address="10.77.1.2:7443")

    # At two addresses, it is asked where it was.
    one.has("ip address add 10.77.1.3/24 dev up")
    report = scan(laptop, site, "--seconds", "0", "--address", "10.77.1.3")
    assert [(one["known_as"], one["moved_from"]) for one in report["found"]] == [("line-1", None)]
    assert known_at(site) == "10.77.1.2:7443"

    # The second address of a network goes with the first.
    one.has("ip address delete 10.77.1.2/24 dev up", "ip address add 10.77.1.3/24 dev up")
    report = scan(laptop, site, "--seconds", "0", "--address", "10.77.1.3")
    assert [one["moved_from"] for one in report["found"]] == ["10.77.1.2:7443"]
    assert known_at(site) == "10.77.1.3:7443"
    assert scan(laptop, site, "--seconds", "0", "--address", "10.77.1.3")["found"][0]["moved_from"] is None

    # Nobody looks for it this time; it is heard because it does not answer any more.
    one.has("ip address delete 10.77.1.3/24 dev up", "ip address add 10.77.1.9/24 dev up")
    refresh = [sys.executable, "-m", "app", "--home", str(site), "boxes", "refresh", "--json"]
    assert json.loads(laptop.run(*refresh, check=False).stdout)["boxes"][0]["problem"]
    watch = (
        "import sys; from pathlib import Path; from app.usecases import finding, sites\n"
        "with sites.open_context(Path(sys.argv[1])) as ctx: print(finding.follow_moved(ctx))"
    )
    wait_until(lambda: laptop.run(sys.executable, "-c", watch, str(site)).stdout.strip() == "1", 60, "it to be heard")
    assert known_at(site) == "10.77.1.9:7443"
    assert json.loads(laptop.run(*refresh).stdout)["boxes"][0]["problem"] is None
    assert moved(site) == [
        "line-1 moved from 10.77.1.3:7443 to 10.77.1.9:7443, where its key answers.",
        "line-1 moved from 10.77.1.2:7443 to 10.77.1.3:7443, where its key answers.",
    ]


def test_a_box_as_it_is_made_is_reached_over_ipv4_and_ipv6(factory: Factory, site: Path, tmp_path: Path) -> None:
    laptop, one, two = (factory.net.machine(name) for name in ("laptop", "one", "two"))
    # A cable from machine to machine, which knows IPv6 alone; and a machine that knows no IPv6.
    factory.net.cable([(laptop, "left", []), (one, "up", [])])
    one.has("sysctl -qw net.ipv6.bindv6only=1")
    two.has("sysctl -qw net.ipv6.conf.all.disable_ipv6=1", "sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
    factory.net.cable([(laptop, "right", ["10.77.2.1/24"]), (two, "up", ["10.77.2.2/24"])])
    first, second = factory.box(one, "line-1", listen=None), factory.box(two, "line-2", listen=None)

    def both() -> dict[str, dict[str, Any]]:
        report = scan(laptop, site, "--seconds", "3")
        found = {one["seen"]["box"]: one["seen"] for one in report["found"] if one["seen"]["proved"]}
        return found if len(found) == 2 else {}

    seen = wait_until(both, 60, "both boxes to be heard")
    assert seen[first.id]["interfaces"] == ["left"]
    assert seen[first.id]["addresses"][0].startswith("[fe80::")
    assert seen[second.id]["addresses"] == ["10.77.2.2:7443"]

    # Its code is taken over IPv6 too, and over IPv4 in spite of the system's setting.
    one.has("ip address add fd77::2/64 dev up nodad", "ip address add 10.77.1.2/24 dev up")
    laptop.has("ip address add fd77::1/64 dev left nodad", "ip address add 10.77.1.1/24 dev left")
    code = tmp_path / "code"
    code.write_text(json.loads(one.run(*EDGE, "code", "--home", str(first.home), "--json").stdout)["code"])
    code.chmod(0o600)
    pair = [sys.executable, "-m", "app", "--home", str(site), "boxes", "pair", "fd77::2", "--code-file", str(code)]
    laptop.run(*pair, "--json")
    with open_context(site) as ctx:
        assert boxes.get_box(ctx, "line-1").address == "[fd77::2]:7443"
    over_ipv4 = scan(laptop, site, "--seconds", "0", "--address", "10.77.1.2")["found"]
    assert [(one["known_as"], one["seen"]["proved"]) for one in over_ipv4] == [("line-1", True)]


NO_MDNS = """\
table inet f {
  chain i { type filter hook input priority 0; udp dport 5353 drop; };
  chain o { type filter hook output priority 0; udp dport 5353 drop; };
}
"""


def names_found(report: dict[str, Any]) -> set[str]:
    return {one["seen"]["name"] for one in report["found"]}


def test_a_box_whose_own_firewall_keeps_it_silent_is_found_and_the_reason_told(factory: Factory, site: Path) -> None:
    laptop, one = factory.net.machine("laptop"), factory.net.machine("one")
    factory.net.cable([(laptop, "lan", ["10.77.1.1/24"]), (one, "up", ["10.77.1.2/24"])])
    one.run("nft", "-f", "-", input=NO_MDNS)
    factory.box(one, "line-1")
    report = scan(laptop, site, "--seconds", "2", "--explain")
    assert names_found(report) == {"line-1"}
    assert kinds(report) == {"not-announced"}
    assert report["looked"]["swept"] == ["10.77.1.0/24"]
    # Where that is too much to ask, it says so, and claims nothing else.
    for machine, host, name in ((laptop, "10.77.1.1", "lan"), (one, "10.77.1.2", "up")):
        machine.has(f"ip address delete {host}/24 dev {name}", f"ip address add {host}/16 dev {name}")
    report = scan(laptop, site, "--seconds", "2", "--explain")
    assert names_found(report) == set()
    assert [(one["kind"], one["subject"]) for one in report["reasons"]] == [("not-swept", "10.77.0.0/16")]


def test_a_laptop_that_has_ipv6_alone_learns_what_its_firewall_drops(factory: Factory, site: Path) -> None:
    laptop, one = factory.net.machine("laptop"), factory.net.machine("one")
    factory.net.cable([(laptop, "lan", ["fd77::1/64"]), (one, "up", ["fd77::2/64"])])
    wait_until(lambda: "tentative" not in laptop.run("ip", "address", "show").stdout, 30, "the addresses to be tried")
    # Nobody asks every address of an IPv6 network.
    assert kinds(scan(laptop, site, "--seconds", "0.5", "--explain")) == {"not-swept"}
    laptop.run("nft", "-f", "-", input=NO_MDNS)
    assert kinds(scan(laptop, site, "--seconds", "0.5", "--explain")) == {"not-swept", "multicast-blocked"}


def test_through_a_box_its_larger_networks_are_asked_and_what_was_named(factory: Factory, site: Path) -> None:
    laptop, near, far, hidden = (factory.net.machine(name) for name in ("laptop", "near", "far", "hidden"))
    factory.net.cable([(laptop, "lan", ["10.77.1.1/24"]), (near, "up", ["10.77.1.2/24"])])
    factory.net.cable([(near, "plant", ["10.78.0.1/22"]), (far, "up", ["10.78.0.9/22"])])
    factory.net.cable([(near, "hall", ["10.79.0.1/16"]), (hidden, "up", ["10.79.3.9/16"])])
    near_box = factory.box(near, "near")
    for machine, name in ((far, "far"), (hidden, "hidden")):
        machine.run("nft", "-f", "-", input=NO_MDNS)
        factory.box(machine, name)
    with open_context(site) as ctx:
        boxes.enrol_local(ctx, near_box.home, address="10.77.1.2:7443")
    report = scan(laptop, site, "--seconds", "1", "--via", "near", "--explain")
    assert "far" in names_found(report)
    assert "hidden" not in names_found(report)
    assert ("not-swept", "10.79.0.0/16") in [(one["kind"], one["subject"]) for one in report["reasons"]]
    assert "10.78.0.0/22" in report["looked"]["swept_via"]
    # What is named is asked from there; from here there is no way to it.
    for way in (("--subnet", "10.79.3.0/28"), ("--address", "10.79.3.9")):
        report = scan(laptop, site, "--seconds", "1", "--via", "near", *way)
        told = {one["seen"]["name"]: one["seen"]["told_by"] for one in report["found"]}
        assert told["hidden"] == ["near"], way
    report = scan(laptop, site, "--seconds", "1", "--via", "near", "--address", "10.79.3.8", "--explain")
    assert ("address-silent", "10.79.3.8:7443") in [(one["kind"], one["subject"]) for one in report["reasons"]]
