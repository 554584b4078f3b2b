"""A machine with only sshd, sudo and Python becomes a box, and is bare again afterwards: a real OpenSSH server in a
network, with processes, users and files of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.context import open_context
from app.fleet.ssh import session
from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.sign_in import Secret, SignIn
from app.store.ssh_access import access_of
from app.usecases import activity, boxes, enrolment, introducing, joining, sites, trust
from app.usecases.enrolment import Step
from app.usecases.progress import ProgressEvent
from edge_runtime.contracts.enrolment_errors import (
    EdgeBundleTampered,
    EnrolmentUnsuitable,
    SshHostKey,
    SshRefused,
    SshSudo,
    SshUnexpected,
    SshUnreachable,
)
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, TrustRefused
from edge_runtime.identity import create_identity
from tests.fakes.bare_machine import PASSWORD, USER, needed
from tests.fakes.light_bundles import light_bundle
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.visits import NAME, Visit, at, visit

pytestmark = needed
ALL = ("upload", "user", "install", "service", "keys", "start")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return light_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bare(tmp_path: Path, bundle: Path, first_desktop: Path) -> Iterator[Visit]:
    with visit(tmp_path, bundle, first_desktop) as made:
        yield made


def test_from_the_command_line_and_back(bare: Visit) -> None:
    before = bare.machine.written()
    password = bare.secret(PASSWORD)
    where = str(bare.target)
    options = ("--password-file", password, "--bundle", str(bare.bundle))
    label = f"https://labels.example/line-2?ssh={bare.machine.fingerprint()}&model=x1"

    first = bare.run("enrol", where, "--host-key", label, "--name", NAME, *options)
    assert first["changed"] == list(ALL)
    assert first["box"]["name"] == NAME
    assert first["box"]["status"]["version"] == first["version"]
    assert first["boot"] == "by-hand"
    assert first["sent_bytes"] == sum(path.stat().st_size for path in bare.bundle.rglob("*") if path.is_file())
    processes = bare.machine.processes()
    assert sum("lineside-edge run" in line and line.startswith("lineside-edge") for line in processes) == 1
    # The label was needed once: the desktop remembers the key.
    again = bare.run("enrol", where, "--name", NAME, *options)
    assert (again["changed"], again["sent_bytes"]) == ([], 0)
    assert bare.machine.processes() == processes
    assert PASSWORD not in bare.machine.run("cat", "/run/sshd.log")

    refused = bare.run("release", NAME, "--password-file", password, status=1)
    assert refused["error"]["code"] == "input.invalid"
    refused = bare.run("release", NAME, "--yes", "--password-file", password, status=1)
    assert refused["error"]["code"] == "release.rows-wait"
    assert bare.run("refresh")["boxes"][0]["problem"] is None
    released = bare.run("release", NAME, "--yes", "--collect", "--password-file", password)["released"]
    assert {"/opt/lineside-edge", "/var/lib/lineside-edge", "user lineside-edge"} <= set(released["removed"])
    assert "port 7443" in released["looked_for"]
    assert bare.machine.changes(before) == {}
    left = [line for line in bare.machine.processes() if "lineside-edge" in line or "supervise" in line]
    assert [line for line in left if "<defunct>" not in line] == []
    assert bare.run("list")["boxes"] == []
    said = [entry.what for entry in activity.page_activity(bare.ctx).rows]
    assert said[:1] == ["box.released"]
    assert "box.enrolled" in said


def test_at_a_terminal_it_asks_for_what_is_not_given(bare: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    bare.machine.sudoers(f"{USER} ALL=(ALL) NOPASSWD: ALL")
    command = bare.command("enrol", str(bare.target), "--name", NAME, "--bundle", str(bare.bundle))
    said, status = at_terminal(command, {"on the label": bare.machine.fingerprint(), "Password of": PASSWORD})
    assert status == 0, said
    assert PASSWORD not in said
    assert "Changed there: upload, user, install, service, keys, start" in said
    command = bare.command("release", NAME)
    answers = {"Type the name": NAME, "Password of": PASSWORD, "What with that?": "collect"}
    said, status = at_terminal(command, answers)
    assert status == 0, said
    assert f"{NAME} is off this machine and off the list." in said


def at_terminal(command: list[str], answers: dict[str, str]) -> tuple[str, int]:
    """What a command says to somebody who gives each answer as soon as it is asked for; and its status."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    said = ""
    with suppress(OSError):
        while data := os.read(ours, 4096):
            said += data.decode(errors="replace")
            for question, answer in list(answers.items()):
                if question in said and said.rstrip().endswith((":", "]")):
                    os.write(ours, f"{answers.pop(question)}\n".encode())
                    assert answer
    os.close(ours)
    return said, process.wait(60)


def test_no_password_is_ever_seen_by_others(bare: Visit) -> None:
    seen: list[str] = []

    def look(event: ProgressEvent) -> None:
        if not event.fraction:
            seen.extend(bare.machine.processes())

    with ThreadPoolExecutor(1) as pool:
        looking = threading.Event()

        def keep_looking() -> None:
            while not looking.is_set():
                seen.extend(bare.machine.processes())

        kept = pool.submit(keep_looking)
        bare.enrol(hook=look)
        looking.set()
        kept.result()
    assert any("sudo" in line for line in seen)
    assert not any("pass'word" in line for line in seen)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_label_may_bear_any_of_its_keys(bare: Visit, kind: str) -> None:
    report = bare.enrol(host_key=bare.machine.fingerprint(kind))
    assert report.host_key == bare.machine.fingerprint(kind)
    access = access_of(bare.ctx.database, report.box.box)
    assert access is not None
    assert (access.user, access.host, access.port, access.host_key) == (USER, bare.machine.address, 22, report.host_key)


def test_a_machine_with_other_keys_gets_nothing(bare: Visit) -> None:
    before = bare.machine.written()
    labelled = "SHA256:" + "A" * 43
    asked: list[str] = []

    def ask(what: str) -> str:
        asked.append(what)
        return PASSWORD

    with pytest.raises(SshHostKey) as refused:
        bare.enrol(SignIn(ask=ask), host_key=labelled)
    assert labelled in refused.value.message
    for kind in ("ed25519", "ecdsa", "rsa"):
        assert bare.machine.fingerprint(kind) in refused.value.message
    assert asked == []
    (entry,) = [one for one in activity.page_activity(bare.ctx).rows if one.what == "ssh.host-key"]
    assert (entry.subject, labelled in entry.message) == (str(bare.target), True)
    assert "password" not in bare.machine.run("cat", "/run/sshd.log")
    assert bare.machine.changes(before) == {}


def test_a_man_in_the_middle_after_an_enrolment_is_stopped(bare: Visit) -> None:
    enrolled = bare.enrol().host_key
    bare.machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/lineside_other")
    bare.machine.serve(port=2222, kinds=("other",))
    with middle(bare.machine.address, 2222) as port:
        # The name stands for the machine, and leads to somebody else.
        target = SshTarget(USER, "127.0.0.1", port)
        with pytest.raises(SshHostKey) as refused:
            bare.enrol(target=target, host_key=enrolled)
        assert enrolled in refused.value.message
        assert bare.machine.fingerprint("other") in refused.value.message


@contextmanager
def middle(host: str, port: int) -> Iterator[int]:
    """A port here that leads there."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def copy(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass
            finally:
                for end in (source, target):
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                target.close()

        def serve() -> None:
            while True:
                try:
                    near, _ = server.accept()
                except OSError:
                    return
                far = socket.create_connection((host, port))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=ends, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_wrong_password_changes_nothing(bare: Visit) -> None:
    before = bare.machine.written()
    with pytest.raises(SshRefused):
        bare.enrol(SignIn(password="wrong"))
    assert bare.machine.changes(before) == {}


def test_a_key_its_passphrase_and_an_agent(bare: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "pass phrase", "-f", key], check=True)
    folder = bare.machine.root / "home" / USER / ".ssh"
    folder.mkdir()
    shutil.copy(f"{key}.pub", folder / "authorized_keys")
    with pytest.raises(InputInvalid, match="passphrase"):
        bare.enrol(SignIn(key=key))
    asked: list[str] = []

    def ask(what: Secret) -> str:
        asked.append(what)
        return {"passphrase": "pass phrase", "sudo": PASSWORD}[what]

    assert bare.enrol(SignIn(key=key, ask=ask)).changed == ALL
    assert asked == ["passphrase", "sudo"]

    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        agent.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "pass phrase", "-N", "", "-f", key], check=True)
        subprocess.run(["ssh-add", "-q", str(key)], check=True)
        assert bare.enrol(SignIn(sudo_password=PASSWORD)).changed == ()
    finally:
        agent.kill()
        agent.communicate()


def test_rights(bare: Visit) -> None:
    before = bare.machine.written()
    with pytest.raises(SshSudo, match="may not act as root"):
        bare.enrol(SignIn(password=PASSWORD, sudo_password="wrong"))
    bare.machine.sudoers()
    with pytest.raises(SshSudo):
        bare.enrol()
    bare.machine.sudoers(f"{USER} ALL=(ALL) ALL")
    assert bare.machine.changes(before) == {}
    bare.machine.sudoers("Defaults use_pty", f"{USER} ALL=(ALL) NOPASSWD: ALL")
    asked: list[str] = []
    signed = SignIn(password=PASSWORD, ask=asked.append)
    assert bare.enrol(signed).changed == ALL
    bare.machine.sudoers("Defaults use_pty", f"{USER} ALL=(ALL) ALL")
    assert bare.enrol().changed == ()
    assert bare.enrol(target=SshTarget("root", bare.machine.address)).changed == ()
    assert asked == []


def test_what_is_wrong_is_said_before_anything_is_written(bare: Visit, tmp_path: Path, bundle: Path) -> None:
    before = bare.machine.written()
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    manifest = (bundle / "manifest.json").read_text()
    (other / "manifest.json").write_text(manifest.replace('"2.17"', '"9.99"'))
    listen = "import socket, sys; s = socket.create_server(('', 7443)); print('up', flush=True); sys.stdin.read()"
    listener = subprocess.Popen(
        bare.machine.command("python3", "-c", listen), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert listener.stdout is not None
        assert listener.stdout.readline() == b"up\n"
        with pytest.raises(EnrolmentUnsuitable) as refused:
            bare.enrol(bundle=other)
    finally:
        listener.communicate()
    assert "glibc 9.99" in refused.value.message
    assert "Port 7443, at which a box listens for desktops, is taken by python3" in refused.value.message
    (other / "manifest.json").write_text(manifest.replace(os.uname().machine, "riscv64"))
    with pytest.raises(EnrolmentUnsuitable, match="riscv64"):
        bare.enrol(bundle=other)
    assert bare.machine.changes(before) == {}


def test_a_name_that_is_taken(bare: Visit) -> None:
    other = create_identity(bare.folder / "other", "other")
    boxes.enter_box(
        bare.ctx, box=other.fingerprint, name=NAME, address="192.0.2.1:7443", certificate=other.certificate_pem
    )
    before = bare.machine.written()
    with pytest.raises(AlreadyExists):
        bare.enrol()
    assert bare.machine.changes(before) == {}


def test_a_box_of_another_site_is_left_alone(bare: Visit, tmp_path: Path) -> None:
    bare.enrol()
    before = bare.machine.written()
    with sites.create_site(tmp_path / "other", "Plant 4", "correct horse") as other:
        stranger = Visit(other, bare.machine, bare.bundle, tmp_path)
        with pytest.raises(EnrolmentUnsuitable, match=f"another site already, called {NAME}"):
            stranger.enrol()
    still = bare.machine.written()
    assert {name for name in before if name.startswith("opt")} == {name for name in still if name.startswith("opt")}
    assert boxes.refresh(bare.ctx, NAME)[0].problem is None


def test_a_desktop_that_came_after_the_root_key_was_replaced_brings_the_box_all_roots(
    bare: Visit, tmp_path: Path
) -> None:
    bare.enrol()
    office = bare.ctx
    secret: dict[str, Any] = {"root_key": office.places.root_key, "passphrase": "correct horse"}
    for _time in range(2):
        trust.rotate_root(office, new_passphrase="correct horse", **secret)
    request = joining.request_join(tmp_path / "late", tmp_path / "request", name="late")
    trust.admit(office, request, tmp_path / "admission", **secret)
    number = trust.get_trust(office).site_number
    with joining.join(tmp_path / "late", tmp_path / "admission", number=number) as late:
        assert "does not trust" in (boxes.refresh(late, NAME)[0].problem or "")
        again = Visit(late, bare.machine, bare.bundle, tmp_path)
        assert again.enrol().changed == ("keys",)
        box = boxes.refresh(late, NAME)[0]
        assert (box.problem, box.status and box.status.root) == (None, 4)


def test_desktops_that_changed_the_keys_apart_are_told_so_at_the_end(bare: Visit, tmp_path: Path) -> None:
    office = bare.ctx
    secret: dict[str, Any] = {"root_key": office.places.root_key, "passphrase": PASSPHRASE}
    with ExitStack() as stack:
        admitted(office, tmp_path, stack, "lost")
        second = admitted(office, tmp_path, stack)
        trust.strike_off(second, "lost", **secret)
        for _time in range(2):
            trust.rotate_key(office, **secret)
        bare.enrol()
        again = Visit(second, bare.machine, bare.bundle, tmp_path)
        with pytest.raises(TrustRefused, match="struck off lost"):
            again.enrol()
        assert "lost" not in [row.name for row in trust.get_trust(second).desktops]
        # It is on the list, so that what the error says can be done.
        assert introducing.introduce_all(second, [NAME], told=lambda _box, _why: None, **secret) == {}
        assert boxes.refresh(second, NAME)[0].problem is None


def test_another_build_replaces_the_one_before_and_runs(bare: Visit, tmp_path: Path) -> None:
    box = bare.enrol().box
    assert box.status is not None
    before = loaded(bare)
    newer = light_bundle(tmp_path / "newer", note="# another build\n")
    report = bare.enrol(bundle=newer)
    assert report.changed == ("upload", "install", "start")
    assert report.box.box == box.box
    assert len(before) == len(loaded(bare)) == 1
    assert before != loaded(bare)
    assert bare.enrol(bundle=newer).changed == ()


def loaded(bare: Visit) -> set[str]:
    """Versions that the box's process has in its memory."""
    script = "cat /proc/[0-9]*/maps | grep -o '/opt/lineside-edge/versions/[^/]*' | sort -u"
    return set(bare.machine.run("sh", "-c", script).split())


def test_somebody_who_changes_the_upload_gets_nothing_run(bare: Visit) -> None:
    staging = bare.machine.root / "home" / USER / ".lineside-upload"
    shadow = (bare.machine.root / "etc/shadow").read_text()

    def tamper() -> None:
        files = sorted(staging.iterdir(), key=lambda path: path.stat().st_size)
        files[-1].write_bytes(b"other bytes")
        files[0].unlink()
        files[0].symlink_to("/etc/shadow")

    once = bare.enrol(hook=at(Step.INSTALL, tamper))
    assert once.changed == ALL
    assert once.sent_bytes > sum(path.stat().st_size for path in bare.bundle.rglob("*") if path.is_file())
    assert (bare.machine.root / "etc/shadow").read_text().startswith(shadow)

    (bare.machine.root / "opt/lineside-edge/current").unlink()

    def always(event: ProgressEvent) -> None:
        if event.step == Step.INSTALL:
            tamper()

    with pytest.raises(EdgeBundleTampered):
        bare.enrol(hook=always)
    assert not (bare.machine.root / "opt/.lineside-edge.inbox").exists()


def test_a_machine_that_floods_or_is_silent_is_given_up(bare: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.machine.serve(port=2022, more="ForceCommand yes lineside-answer:")
    with pytest.raises(SshUnexpected, match="more than"):
        bare.enrol(target=SshTarget(USER, bare.machine.address, 2022))
    bare.machine.serve(port=2023, more="ForceCommand echo arch=x86_64")
    with pytest.raises(SshUnexpected):
        bare.enrol(target=SshTarget(USER, bare.machine.address, 2023))
    monkeypatch.setattr(session, "CONNECT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(SshUnreachable):
        bare.enrol(target=SshTarget(USER, "127.0.0.1", silent.getsockname()[1]))
    with pytest.raises(SshUnreachable):
        bare.enrol(target=SshTarget(USER, bare.machine.address, 1))


def test_a_yes_is_no_fingerprint(bare: Visit) -> None:
    for answer in ("yes", "", "SHA256:short"):
        said = bare.run("enrol", str(bare.target), "--host-key", answer or "y", status=1)
        assert said["error"]["code"] == "input.invalid"
    said = bare.run("enrol", str(bare.target), status=1)
    assert "--host-key" in said["error"]["hint"]


def test_what_is_remembered_outlives_the_program(bare: Visit) -> None:
    key = bare.enrol().host_key
    with open_context(bare.ctx.home) as again:
        assert enrolment.known_host_key(again, bare.target) == key
        assert enrolment.known_host_key(again, SshTarget(USER, "192.0.2.9")) is None
