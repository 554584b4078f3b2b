"""One box hands a bundle to the next, and lets it do nothing else."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from app.fleet import delivery
from app.fleet.client import BoxClient
from app.fleet.delivery import deliver_bundle, needed_bytes
from edge_runtime.contracts.delivery import FetchRequest, GuestRequest
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, Cancelled, InputInvalid, NotFound
from edge_runtime.enrolment import address_file
from edge_runtime.identity import Identity, client_context, create_identity, load_identity
from tests.fakes.box_process import CONFIG, EDGE, BoxProcess
from tests.fakes.deliveries import Boxes, audits, commit, silent, some_boxes, two_versions
from tests.fakes.hostile_neighbour import hostile_neighbour
from tests.fakes.link import Link
from tests.fakes.network import Machine, needs_namespaces, network
from tests.fakes.site import Delivery, FakeSite
from tests.waiting import wait_until

OTHER = "0" * 64
ROUTES = [
    ("GET", "/v1/status"),
    ("GET", "/v1/spool/results"),
    ("GET", "/v1/spool/samples"),
    ("POST", "/v1/spool/results/ack"),
    ("GET", f"/v1/samples/{OTHER}"),
    ("GET", f"/v1/objects/{OTHER}"),
    ("GET", f"/v1/objects/{OTHER}/bytes?offset=0"),
    ("PUT", f"/v1/objects/{OTHER}?offset=0&size=1"),
    ("POST", f"/v1/objects/{OTHER}/make"),
    ("POST", f"/v1/objects/{OTHER}/fetch"),
    ("POST", "/v1/guests"),
    ("PUT", "/v1/metadata/timestamp.json"),
    ("GET", "/v1/roots"),
    ("GET", "/v1/roots/1"),
    ("PUT", "/v1/roots/2"),
    ("POST", "/v1/probe"),
    ("POST", "/v1/install"),
    ("POST", "/v1/rollback"),
    ("POST", "/v1/shadow"),
    ("GET", "/v1/logs"),
    ("POST", "/v1/neighbours"),
    ("GET", "/v1/config"),
    ("PUT", "/v1/config"),
    ("GET", "/v1/clock"),
    ("POST", "/v1/clock"),
    ("POST", "/v1/identity"),
    ("PUT", "/v1/identity"),
    ("GET", "/"),
    ("GET", "/v1/nothing"),
]


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def boxes(tmp_path: Path, site: FakeSite, desktop: Identity) -> Iterator[Boxes]:
    with some_boxes(tmp_path, desktop, site) as made:
        yield made


@pytest.fixture
def release(site: FakeSite) -> Delivery:
    return two_versions(site)[0]


@pytest.fixture
def giver(boxes: Boxes, site: FakeSite, desktop: Identity, release: Delivery) -> BoxProcess:
    """A box that runs the release."""
    box = boxes.start()
    with box.client(desktop) as client:
        commit(client, box, site, release)
    return box


class Guest:
    """A box that asks another one for what it likes, one connection a request."""

    def __init__(self, box: BoxProcess, identity: Identity) -> None:
        self._port = box.port
        self._context = client_context(identity, box.facts["certificate"])

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=10, context=self._context)
        try:
            connection.request(method, path, body)
            with connection.getresponse() as response:
                return response.status, response.read()
        finally:
            connection.close()


def test_a_neighbour_hands_it_over_and_nothing_of_it_crosses_the_desktops_link(
    boxes: Boxes, giver: BoxProcess, site: FakeSite, desktop: Identity, release: Delivery
) -> None:
    taker = boxes.start()
    size = release.file.stat().st_size
    link = Link(taker.port)
    try:
        with BoxClient(link.address, taker.facts["certificate"], desktop) as client:
            neighbours = [partial(giver.client, desktop)]
            needed = needed_bytes(client, release.file, release.sha256, neighbours=neighbours)
            assert (needed.way, needed.sent, needed.disk) == ("neighbour", 0, 2 * size)
            done = deliver_bundle(client, release.file, release.sha256, sent=silent, neighbours=neighbours)
            assert (done.way, done.sent, done.detours) == ("neighbour", 0, ())
            assert link.up < size // 20, "questions alone"
            commit(client, taker, site, release)
            wait_until(lambda: audits(client, "object.fetch-asked"), 10, "the taker's note of who asked")
            (fetched,) = wait_until(lambda: audits(client, "object.fetched"), 10, "the taker's note")
            assert fetched == f"{release.sha256} from the box {giver.facts['box']}."
    finally:
        link.close()
    with giver.client(desktop) as client:
        (ended,) = wait_until(lambda: audits(client, "guest.ended"), 10, "the giver's note")
        (admitted,) = audits(client, "guest.admitted")
        assert f"The box {taker.facts['box']} may read {release.sha256}" in admitted
        assert f"a desktop ended it. It read {size} bytes" in ended


def test_a_guest_may_read_that_one_object_and_nothing_else(
    boxes: Boxes, giver: BoxProcess, desktop: Identity, release: Delivery
) -> None:
    identity = load_identity(boxes.make().home / "keys")
    guest = Guest(giver, identity)
    bytes_of = f"/v1/objects/{release.sha256}/bytes?offset="
    with pytest.raises(OSError):
        guest.ask("GET", f"{bytes_of}0")
    with giver.client(desktop) as client:
        client.admit_guest(GuestRequest(certificate=identity.certificate_pem, sha256=release.sha256, seconds=600))
        whole, beginning = release.file.read_bytes(), guest.ask("GET", f"{bytes_of}0")
        assert beginning[0] == 200
        assert whole.startswith(beginning[1])
        assert guest.ask("GET", f"{bytes_of}{len(whole) - 7}") == (200, whole[-7:])
        for method, path in [*ROUTES, ("GET", f"/v1/objects/{release.sha256}")]:
            for body in (None, b"{}") if method != "GET" else (None,):
                status, answer = guest.ask(method, path, body)
                assert (status, json.loads(answer)["error"]["code"]) == (403, "box.refuses-desktop"), (method, path)
        assert guest.ask("GET", f"{bytes_of}{2**63}")[0] in (400, 403)
        before = client.status()
        client.admit_guest(GuestRequest(certificate=identity.certificate_pem, sha256=release.sha256, seconds=0))
        with pytest.raises(OSError):
            guest.ask("GET", f"{bytes_of}0")
        assert client.status().slots == before.slots


def test_a_restart_ends_what_was_allowed(boxes: Boxes, giver: BoxProcess, desktop: Identity, release: Delivery) -> None:
    identity = load_identity(boxes.make().home / "keys")
    with giver.client(desktop) as client:
        client.admit_guest(GuestRequest(certificate=identity.certificate_pem, sha256=release.sha256, seconds=600))
    assert Guest(giver, identity).ask("GET", f"/v1/objects/{release.sha256}/bytes?offset=0")[0] == 200
    assert giver.stop() == 0
    giver.start()
    with pytest.raises(OSError):
        Guest(giver, identity).ask("GET", f"/v1/objects/{release.sha256}/bytes?offset=0")


def test_what_a_desktop_may_ask_wrongly_is_refused(boxes: Boxes, giver: BoxProcess, desktop: Identity) -> None:
    certificate = boxes.make().facts["certificate"]
    with giver.client(desktop) as client:
        with pytest.raises(NotFound):
            client.admit_guest(GuestRequest(certificate=certificate, sha256=OTHER, seconds=60))
        for seconds in (-1, 100_000):
            with pytest.raises(InputInvalid):
                client.admit_guest(GuestRequest(certificate=certificate, sha256=OTHER, seconds=seconds))
        ask = partial(FetchRequest, host="127.0.0.1", port=1, size=10, seconds=60)
        with pytest.raises(InputInvalid):
            client.fetch_object(OTHER, ask(certificate="no certificate"))
        assert client.object_state(OTHER, 10).fetch is None


def test_where_the_neighbour_fails_the_desktop_sends_what_is_missing(
    boxes: Boxes, giver: BoxProcess, desktop: Identity, release: Delivery
) -> None:
    taker = boxes.start()
    size = release.file.stat().st_size
    with giver.client(desktop) as known:
        assert known.object_state(release.sha256, size).complete
    impostor = boxes.start()
    link = Link(giver.port, from_box=400_000)
    try:
        with taker.client(desktop) as client:
            done = deliver_bundle(
                client,
                release.file,
                release.sha256,
                sent=silent,
                neighbours=[
                    partial(BoxClient, "127.0.0.1:1", giver.facts["certificate"], desktop),
                    partial(BoxClient, f"127.0.0.1:{giver.port}", impostor.facts["certificate"], desktop),
                    partial(impostor.client, desktop),
                    partial(BoxClient, link.address, giver.facts["certificate"], desktop),
                ],
            )
            assert done.way == "whole"
            assert len(done.detours) == 4
            assert 0 < done.sent < size - 200_000, "what the neighbour brought is not sent again"
            assert client.object_state(release.sha256, size).complete
            wait_until(lambda: len(audits(client, "object.not-fetched")) == 1, 10, "the taker's note")
    finally:
        link.close()


def spoil(giver: BoxProcess, desktop: Identity, release: Delivery, *, at: int) -> None:
    """Its digest was looked at a moment ago; now its disk gives other bytes, and says nothing of it."""
    size = release.file.stat().st_size
    slot = next(path for path in (giver.home / "slots").glob("*.bundle") if path.stat().st_size == size)
    with giver.client(desktop) as known:
        assert known.object_state(release.sha256, size).complete
        stat = slot.stat()
        with slot.open("r+b") as file:
            file.seek(at)
            file.write(b"damaged")
        os.utime(slot, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_neighbour_that_hands_over_other_bytes_is_found_out(
    boxes: Boxes, giver: BoxProcess, desktop: Identity, release: Delivery
) -> None:
    taker = boxes.start()
    size = release.file.stat().st_size
    spoil(giver, desktop, release, at=size // 2)
    with taker.client(desktop) as client:
        done = deliver_bundle(
            client, release.file, release.sha256, sent=silent, neighbours=[partial(giver.client, desktop)]
        )
        assert (done.way, done.sent) == ("whole", size)
        assert "The delivered bytes are" in done.detours[0]
        assert client.object_state(release.sha256, size).complete


def test_other_bytes_that_a_neighbour_left_before_it_failed_are_sent_over(
    boxes: Boxes, giver: BoxProcess, desktop: Identity, release: Delivery
) -> None:
    taker = boxes.start()
    size = release.file.stat().st_size
    spoil(giver, desktop, release, at=0)
    link = Link(giver.port, from_box=400_000)
    try:
        with taker.client(desktop) as client:
            neighbour = partial(BoxClient, link.address, giver.facts["certificate"], desktop)
            done = deliver_bundle(client, release.file, release.sha256, sent=silent, neighbours=[neighbour])
            assert (done.way, done.sent) == ("whole", size)
            assert "was wrong" in done.detours[-1]
            assert client.object_state(release.sha256, size).complete
    finally:
        link.close()


def test_garbage_of_a_neighbour_costs_what_it_covered(
    boxes: Boxes, desktop: Identity, release: Delivery, tmp_path: Path
) -> None:
    taker = boxes.start()
    size = release.file.stat().st_size
    trusted = [desktop.certificate_pem, taker.facts["certificate"]]
    handed = list[int]()

    def garbage(offset: int) -> bytes:
        handed.append(offset)
        return b"x" * min(256 * 1024, size - offset)

    with taker.client(desktop) as client:
        part_of_it(client, release, size // 4)
        had = client.object_state(release.sha256, size).have
        assert size // 4 <= had < size
        with hostile_neighbour(tmp_path / "hostile", size, trusted, garbage, desktop) as hostile:
            done = deliver_bundle(client, release.file, release.sha256, sent=silent, neighbours=[hostile])
        assert handed[0] == had
        assert (done.way, done.sent) == ("whole", size - had), "what the desktop had sent before is not sent again"
        assert client.object_state(release.sha256, size).complete


def part_of_it(client: BoxClient, release: Delivery, enough: int) -> None:
    """The desktop's own beginning."""

    def sent(here: int, _all: int) -> None:
        if here >= enough:
            raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        client.deliver(release.file, release.sha256, sent=sent)


@pytest.mark.parametrize("first_s", [0.0, 2.0], ids=["drips", "brings nothing, then drips"])
def test_a_neighbour_that_drips_garbage_is_left_and_the_desktop_sends_it(
    boxes: Boxes,
    desktop: Identity,
    release: Delivery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first_s: float,
) -> None:
    monkeypatch.setattr(delivery, "STALLED_S", 1.0)
    taker = boxes.start()
    size = release.file.stat().st_size
    over, begun = threading.Event(), time.monotonic()

    def drop(offset: int) -> bytes:
        over.wait(first_s if time.monotonic() - begun < first_s else 0.05)
        return b"x" * min(16 * 1024, size - offset)

    trusted = [desktop.certificate_pem, taker.facts["certificate"]]
    with (
        hostile_neighbour(tmp_path / "hostile", size, trusted, drop, desktop) as hostile,
        taker.client(desktop) as client,
    ):
        done = deliver_bundle(
            client, release.file, release.sha256, sent=silent, neighbours=[hostile, hostile], link_bytes_per_s=10**9
        )
        over.set()
        assert done.way == "whole"
        assert "It is too slow" in done.detours[0]
        assert client.object_state(release.sha256, size).complete
        (ended,) = wait_until(lambda: audits(client, "object.not-fetched"), 10, "the box's note")
        assert "The desktop sends it itself." in ended


@needs_namespaces
def test_a_slow_link_is_crossed_once_for_several_boxes(
    boxes: Boxes, site: FakeSite, desktop: Identity, release: Delivery, tmp_path: Path
) -> None:
    size = release.file.stat().st_size
    with network() as net, ExitStack() as stack:
        laptop, plant = net.machine("laptop"), net.machine("plant")
        net.cable([(laptop, "slow", ["10.77.1.1/24"]), (plant, "up", ["10.77.1.2/24"])])
        # Eight megabits a second, where the kernel can do that; what is counted does not depend on it.
        slow = "tc qdisc add dev slow root tbf rate 8mbit burst 32k latency 400ms"
        laptop.run(*slow.split(), check=False)
        laptop.has("ip route add 10.78.0.0/16 via 10.77.1.2")
        plant.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        addresses = []
        for number in range(3):
            machine = net.machine(f"box-{number}")
            net.cable(
                [
                    (plant, f"port{number}", [f"10.78.{number}.1/24"]),
                    (machine, "up", [f"10.78.{number}.2/24"]),
                ]
            )
            machine.has(f"ip route add default via 10.78.{number}.1")
            box = boxes.make(CONFIG.replace("127.0.0.1:0", "0.0.0.0:7443"))
            process = subprocess.Popen(
                machine.command(*EDGE, "run", "--home", str(box.home)), stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_until(address_file(box.home).exists, 60, "the box to listen")
            addresses.append((f"10.78.{number}.2:7443", box))
        # The kernel brings a cable up when it comes to it.
        machines = net.machines[2:]
        for machine, ports in ((laptop, range(3)), (machines[1], (0,)), (machines[2], (0, 1))):
            for port in ports:
                wait_until(partial(reaches, machine, f"10.78.{port}.2"), 60, f"box {port} to be in reach")
        before = crossed(laptop)
        plan = {
            "desktop": str(tmp_path / "desktop"),
            "file": str(release.file),
            "sha256": release.sha256,
            "boxes": [[address, box.facts["certificate"]] for address, box in addresses],
        }
        told = laptop.run(sys.executable, "-m", "tests.fakes.deliver_to", json.dumps(plan), check=False)
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout) == [["whole", size], ["neighbour", 0], ["neighbour", 0]]
        assert size < crossed(laptop) - before < 1.25 * size, "once, with all that was asked and answered"


def reaches(machine: Machine, host: str) -> bool:
    """Whether something listens there for this machine."""
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 7443), 5).close()"
    return machine.run(sys.executable, "-c", connect, host, check=False).returncode == 0


def crossed(laptop: Machine) -> int:
    """Bytes that have crossed the laptop's link, either way."""
    counters = (f"/sys/class/net/slow/statistics/{way}_bytes" for way in ("rx", "tx"))
    return sum(int(laptop.run("cat", counter).stdout) for counter in counters)


def test_a_stranger_is_still_nobody(giver: BoxProcess, tmp_path: Path) -> None:
    stranger = create_identity(tmp_path / "stranger", "stranger")
    with giver.client(stranger) as client, pytest.raises((BoxRefused, BoxUnreachable)):
        client.status()
