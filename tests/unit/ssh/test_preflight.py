"""Whether a machine can become a box: judged from what it says, whoever it is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from app.fleet.ssh.machine import choose_python, read_probe
from app.fleet.ssh.notes import say
from app.fleet.ssh.preflight import (
    MIB,
    Facts,
    HomeFacts,
    InstalledFacts,
    Wanted,
    clock_note,
    is_same_site,
    judge,
)
from edge_runtime.contracts.enrolment_errors import EnrolmentUnsuitable, SshUnexpected

NOW = 1_790_000_000_000
ID = "ab" * 32


def root(*keys: str, version: int = 1, signers: tuple[str, ...] = ()) -> str:
    signed = {"version": version, "roles": {"root": {"keyids": keys}}}
    return json.dumps({"signed": signed, "signatures": [{"keyid": signer} for signer in signers]})


FACTS = Facts(
    arch="x86_64",
    python="/usr/bin/python3.11",
    python_version="3.11",
    python_problem="",
    libc="glibc 2.36",
    free_prefix=2000 * MIB,
    free_home=2000 * MIB,
    staging_disk=1,
    prefix_disk=1,
    home_disk=1,
    memory=4096 * MIB,
    clock_ms=NOW,
    systemd=True,
    cron=True,
    running=False,
    hostname="box",
)
WANTED = Wanted(
    arch="x86_64",
    glibc="2.28",
    pythons=("3.11", "3.12"),
    id=ID,
    staged_bytes=100 * MIB,
    copied_bytes=100 * MIB,
    unpacked_bytes=500 * MIB,
    roots=(root("a"),),
    now_ms=NOW,
    has_staging=True,
    free_staging=2000 * MIB,
)


def test_a_usual_machine_will_do() -> None:
    assert judge(FACTS, WANTED) == judge(replace(FACTS, clock_ms=NOW + 59_000), WANTED)
    verdict = judge(FACTS, WANTED)
    assert (verdict.problems, verdict.notes) == ((), ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arch": "aarch64"}, "It is aarch64"),
        ({"arch": "x86_64 with a Python of 32 bits"}, "32 bits"),
        ({"python_version": "3.9"}, "is 3.9"),
        ({"python_problem": "Permission denied"}, "could not run /usr/bin/python3.11 (Permission denied)"),
        ({"libc": "glibc 2.27"}, "glibc 2.27"),
        ({"libc": "glibc 2.3"}, "glibc 2.3"),
        ({"libc": ""}, "no glibc"),
        ({"memory": 256 * MIB}, "256 MiB of memory"),
        ({"free_prefix": 650 * MIB}, "for the upload and the programs in /opt"),
        ({"free_prefix": 600 * MIB, "staging_disk": 2}, "for the programs in /opt"),
        ({"obstacle": "/var/lib/lineside-edge, where a box lives, is a link."}, "is a link"),
        ({"taken": {"7443": "nginx"}}, "taken by nginx"),
        ({"home": HomeFacts(root=root("b"), name="line-7")}, "another site already, called line-7"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    (problem,) = judge(replace(FACTS, **change), WANTED).problems
    assert words in problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clock_ms": 0}, "56 years slow"),
        ({"clock_ms": NOW + 3 * 86_400_000}, "3 days fast"),
        ({"taken": {"7444": "nginx"}}, "one-time codes"),
        ({"taken": {"8000": "nginx"}}, "answers programs on its machine, is taken by nginx"),
        ({"taken": {"8000": "nginx"}, "home": HomeFacts(lived_in=False)}, "taken by nginx"),
        ({"free_home": 100 * MIB, "home_disk": 2}, "keeps nothing"),
    ],
)
def test_what_one_should_know_stops_nothing(change: dict[str, Any], words: str) -> None:
    verdict = judge(replace(FACTS, **change), WANTED)
    assert verdict.problems == ()
    (note,) = verdict.notes
    assert words in say(note)


def test_a_box_that_lives_there_may_have_another_port_for_programs() -> None:
    assert judge(replace(FACTS, taken={"8000": "nginx"}, home=HomeFacts(name="line-2")), WANTED).notes == ()


def test_what_is_installed_already_needs_no_room() -> None:
    there = replace(FACTS, free_prefix=0, installed=InstalledFacts(id=ID, version="1", whole=True))
    assert judge(there, WANTED).problems == ()
    damaged = replace(there, installed=InstalledFacts(id=ID, version="1", whole=False))
    assert judge(damaged, WANTED).problems != ()


@pytest.mark.parametrize("home_disk", [1, 2, 3])
def test_room_on_two_disks_is_counted_apart(home_disk: int) -> None:
    apart = replace(FACTS, staging_disk=1, prefix_disk=2, home_disk=home_disk, free_prefix=650 * MIB)
    assert judge(apart, WANTED).problems == ()
    assert judge(apart, replace(WANTED, free_staging=10 * MIB)).problems != ()


@pytest.mark.parametrize("home_disk", [1, 2])
def test_upload_and_programs_on_one_disk_are_counted_together(home_disk: int) -> None:
    together = replace(FACTS, staging_disk=1, prefix_disk=1, home_disk=home_disk, free_prefix=650 * MIB)
    assert "for the upload and the programs" in judge(together, WANTED).problems[0]
    assert judge(replace(together, free_prefix=750 * MIB), WANTED).problems == ()


def test_a_home_folder_that_is_missing_is_no_full_disk() -> None:
    without = replace(WANTED, has_staging=False, free_staging=0)
    (problem,) = judge(FACTS, without).problems
    assert "home folder" in problem
    there = replace(FACTS, installed=InstalledFacts(id=ID, version="1", whole=True))
    assert judge(there, without).problems == ()


def test_a_site_is_known_by_its_root_keys() -> None:
    assert is_same_site(root("a", "b"), [root("b")])
    assert not is_same_site(root("a"), [root("b")])
    for unreadable in ("", "{}", "[1]", '{"signed": 7}', "nonsense"):
        assert is_same_site(unreadable, [root("a")])


def test_a_site_is_known_by_a_root_key_that_was_replaced() -> None:
    ours = [root("a"), root("b", version=2), root("c", version=3)]
    for key in "abc":
        assert is_same_site(root(key), ours)
    assert not is_same_site(root("d"), ours)
    assert is_same_site(root("d", version=4, signers=("c", "d")), ours), "replaced once more, unknown here as yet"


def test_the_clock_of_a_machine_that_is_right_is_no_topic() -> None:
    assert clock_note(NOW, NOW) is None


PROBE = b"""arch=x86_64
uid=1000
home=/home/pi
writable=yes
clock=1790000000
sudo=/usr/bin/sudo
libc=glibc 2.36
free_kib=1000
python=3.9 /usr/bin/python3.9
python=3.11 /usr/bin/python3.11
python=3.11 /usr/bin/python3.11
python=3.12 /usr/local/bin/python3.12
"""


def test_a_shell_says_what_it_has() -> None:
    probe = read_probe(PROBE)
    assert (probe.uid, probe.sudo, probe.free_bytes) == (1000, "/usr/bin/sudo", 1_024_000)
    assert choose_python(probe, ("3.12", "3.11")) == ("3.11", "/usr/bin/python3.11")
    assert choose_python(probe, ("3.12",)) == ("3.12", "/usr/local/bin/python3.12")
    assert choose_python(probe, ()) == ("3.11", "/usr/bin/python3.11")
    with pytest.raises(EnrolmentUnsuitable, match=r"3\.9, 3\.11, 3\.12"):
        choose_python(probe, ("3.13",))


def test_what_a_shell_says_of_itself_first_is_not_heard() -> None:
    noisy = b"arch=evil\nuid=0\nwelcome\n\nlineside-probe:\n" + PROBE.replace(b"writable=yes\n", b"")
    probe = read_probe(noisy)
    assert (probe.arch, probe.uid, probe.has_home) == ("x86_64", 1000, False)
    assert read_probe(PROBE).has_home


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\xff" * 1000,
        b"This account is not available.\n",
        PROBE.replace(b"uid=1000", b"uid=root"),
        PROBE.replace(b"home=/home/pi", b"home=relative"),
        PROBE.replace(b"clock=1790000000", b"clock="),
    ],
)
def test_what_no_shell_says_is_refused(output: bytes) -> None:
    with pytest.raises(SshUnexpected):
        read_probe(output)


def test_a_path_that_could_be_a_command_is_no_python() -> None:
    probe = read_probe(PROBE.replace(b"python=3.11 /usr/bin/python3.11", b"python=3.11 /opt/x y;reboot"))
    assert all(" " not in path for _version, path in probe.pythons)
