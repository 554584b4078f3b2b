"""Machines with odd settings become boxes, or it is said why not: before anything is written, in the right words."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.keys import load_key
from app.fleet.ssh.session import open_session
from app.fleet.ssh.sign_in import Secret, SignIn
from app.usecases import boxes, clocks
from app.usecases.release import Rows
from edge_runtime.contracts.enrolment_errors import EnrolmentUnsuitable, SshRefused, SshSudo, SshUnexpected
from edge_runtime.contracts.errors import ClockForbidden, InputInvalid
from tests.fakes.bare_machine import PASSWORD, USER, needed
from tests.fakes.light_bundles import light_bundle
from tests.fakes.visits import NAME, Visit, visit
from tests.waiting import wait_until

pytestmark = needed
HOME, SFTP, PASSWD = "/var/lib/lineside-edge", "/usr/lib/openssh/sftp-server", "/etc/passwd"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return light_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bare(tmp_path: Path, bundle: Path, first_desktop: Path) -> Iterator[Visit]:
    with visit(tmp_path, bundle, first_desktop) as made:
        yield made


@pytest.mark.parametrize("rule", ["ALL", "NOPASSWD: ALL"])
def test_sudo_that_wants_a_terminal(bare: Visit, rule: str) -> None:
    bare.machine.sudoers("Defaults requiretty", f"{USER} ALL=(ALL) {rule}")
    with pytest.raises(SshSudo, match="at a terminal only") as refused:
        bare.enrol()
    assert f"Defaults:{USER} !requiretty" in refused.value.hint


def test_a_program_that_ends_before_it_has_heard_all_has_its_status(bare: Visit) -> None:
    with open_session(
        bare.target, bare.machine.fingerprint(), SignIn(password=PASSWORD), check=lambda: None
    ) as session:
        for status in range(1, 6):
            ended = session.run(f"echo why >&2; exit {status}", bytes(16 * 2**20))
            assert (ended.status, ended.stderr) == (status, "why\n")


@contextmanager
def running_agent(folder: Path, *keys: Path) -> Iterator[None]:
    """With these keys, in their order."""
    folder.mkdir()
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(folder / "agent")], stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        agent.stdout.readline()
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("SSH_AUTH_SOCK", str(folder / "agent"))
            for key in keys:
                subprocess.run(["ssh-add", "-q", str(key)], check=True)
            yield
    finally:
        agent.kill()
        agent.communicate()


def new_key(path: Path, *more: str, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path, *more], check=True)
    return path


def let_in(bare: Visit, *keys: Path) -> None:
    folder = bare.machine.root / "home" / USER / ".ssh"
    folder.mkdir(exist_ok=True)
    (folder / "authorized_keys").write_text("".join(Path(f"{key}.pub").read_text() for key in keys))


def signed_in(bare: Visit, port: int, sign_in: SignIn) -> str | None:
    """What it took to get in there: the password, or none."""
    target = SshTarget(USER, bare.machine.address, port)
    with open_session(target, bare.machine.fingerprint(), sign_in, check=lambda: None) as session:
        assert session.run("id -un").stdout.decode().strip() == USER
        return session.password


def test_an_agent_with_many_keys_leaves_room_for_the_password(bare: Visit, tmp_path: Path) -> None:
    bare.machine.serve(port=2022, more="MaxAuthTries 2")
    asked: list[str] = []

    def ask(what: str) -> str:
        asked.append(what)
        return PASSWORD

    with running_agent(tmp_path / "agent", *(new_key(tmp_path / f"id-{number}") for number in range(4))):
        target = SshTarget(USER, bare.machine.address, 2022)
        assert "keys" in bare.enrol(SignIn(ask=ask), target=target).changed
    assert asked == ["password"]


def test_of_an_agent_with_many_keys_the_one_that_is_named_is_offered(bare: Visit, tmp_path: Path) -> None:
    keys = [new_key(tmp_path / f"id-{number}") for number in range(8)]
    let_in(bare, keys[7])
    bare.machine.serve(port=2022, more="MaxAuthTries 2")
    with running_agent(tmp_path / "agent", *keys[:7]):
        with pytest.raises(SshRefused, match="2 more keys of the agent were not tried") as refused:
            signed_in(bare, 2022, SignIn())
        assert "public half" in refused.value.hint
        with pytest.raises(InputInvalid, match="no running agent holds"):
            signed_in(bare, 2022, SignIn(key=tmp_path / "id-7.pub"))
    with running_agent(tmp_path / "another", *keys):
        assert signed_in(bare, 2022, SignIn(key=tmp_path / "id-7.pub")) is None


def test_a_server_that_wants_two_proofs_gets_both_or_it_is_said_what_it_wants(bare: Visit, tmp_path: Path) -> None:
    key, other = new_key(tmp_path / "id", passphrase="pass phrase"), new_key(tmp_path / "other")
    let_in(bare, key)
    ways = ("publickey,password", "password,publickey", "publickey,keyboard-interactive", "publickey")
    for port, way in enumerate(ways, 2022):
        bare.machine.serve(port=port, more=f"AuthenticationMethods {way}")

    def ask(what: Secret) -> str | None:
        return {"passphrase": "pass phrase", "password": PASSWORD}.get(what)

    for port in (2022, 2023):
        assert signed_in(bare, port, SignIn(key=key, ask=ask)) == PASSWORD
        with running_agent(tmp_path / f"agent-{port}"):
            subprocess.run(["ssh-keygen", "-q", "-p", "-P", "pass phrase", "-N", "", "-f", key], check=True)
            subprocess.run(["ssh-add", "-q", str(key)], check=True)
            subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "pass phrase", "-f", key], check=True)
            assert signed_in(bare, port, SignIn(password=PASSWORD)) == PASSWORD
            assert signed_in(bare, port, SignIn(ask=ask)) == PASSWORD
    with pytest.raises(SshRefused, match=r"took the key of .*, and still wants a password"):
        signed_in(bare, 2022, SignIn(key=key, ask=lambda what: "pass phrase" if what == "passphrase" else None))
    with pytest.raises(SshRefused, match=r"took the key of .*, and did not accept the password\."):
        signed_in(bare, 2022, SignIn(key=key, ask=lambda what: "pass phrase" if what == "passphrase" else "wrong"))
    with pytest.raises(SshRefused, match=r"does not let .* in with the password\."):
        signed_in(bare, 2023, SignIn(key=key, ask=lambda what: "pass phrase" if what == "passphrase" else "wrong"))
    with pytest.raises(SshRefused, match=r"took the password of .*, and did not accept the key\."):
        signed_in(bare, 2023, SignIn(key=other, password=PASSWORD))
    with pytest.raises(SshRefused, match=r"took the key of .*, and still wants an answer that is typed"):
        signed_in(bare, 2024, SignIn(key=key, ask=ask))
    for port in (2022, 2023, 2024):
        with pytest.raises(SshRefused, match=r"does not let|still wants"):
            signed_in(bare, port, SignIn(key=other, ask=lambda _what: None))
    asked: list[Secret] = []

    def heard(what: Secret) -> str | None:
        asked.append(what)
        return ask(what)

    assert signed_in(bare, 2025, SignIn(key=key, ask=heard)) is None
    assert asked == ["passphrase"], "no password where a key is enough"


@pytest.mark.parametrize("passphrase", ["", "pass phrase"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_every_form_open(tmp_path: Path, kind: str, form: str, passphrase: str) -> None:
    path = new_key(tmp_path / "id", "-m", form, kind=kind, passphrase=passphrase)
    (key,) = load_key(path, lambda: passphrase)
    assert key.get_base64() == Path(f"{path}.pub").read_text().split()[1]
    if passphrase:
        with pytest.raises(InputInvalid, match="passphrase"):
            load_key(path, lambda: "wrong")


def test_keys_of_every_form_sign_in_and_what_is_none_is_named(bare: Visit, tmp_path: Path) -> None:
    key = new_key(tmp_path / "id")
    pkcs8 = new_key(tmp_path / "pkcs8", "-m", "PKCS8", kind="rsa")
    let_in(bare, pkcs8)
    assert signed_in(bare, 22, SignIn(key=pkcs8)) is None
    with pytest.raises(SshRefused):
        signed_in(bare, 22, SignIn(key=key))
    authority = new_key(tmp_path / "authority")
    (bare.machine.root / "etc/ssh/lineside_ca.pub").write_text(Path(f"{authority}.pub").read_text())
    bare.machine.serve(port=2022, more="TrustedUserCAKeys /etc/ssh/lineside_ca.pub")
    for one in (key, new_key(tmp_path / "rsa", kind="rsa")):
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "who", "-n", USER, f"{one}.pub"], check=True)
        for path in (one, Path(f"{one}-cert.pub")):
            assert signed_in(bare, 2022, SignIn(key=path)) is None
    Path(f"{key}-cert.pub").write_text("ssh-rsa-cert-v01@openssh.com AAAA\n")
    with pytest.raises(InputInvalid, match="no certificate of the key"):
        signed_in(bare, 2022, SignIn(key=key))
    for text, why in (
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY"),
        ("nonsense", "no private key"),
        ("", "no priv"),
    ):
        (tmp_path / "odd").write_text(text)
        with pytest.raises(InputInvalid, match=why):
            signed_in(bare, 22, SignIn(key=tmp_path / "odd"))


def test_a_password_that_has_expired_is_not_a_wrong_one(bare: Visit) -> None:
    before = bare.machine.written()
    bare.machine.run("chage", "-d", "0", USER)
    with pytest.raises(SshRefused, match="is right, and has expired"):
        bare.enrol()
    bare.machine.run("chage", "-d", "2026-01-01", USER)
    assert set(bare.machine.changes(before)) <= {"etc/shadow"}


def test_what_is_in_the_way_is_said_before_anything_is_written(bare: Visit) -> None:
    machine = bare.machine
    home = machine.root / HOME[1:]
    ways = (
        (
            "mv /usr/lib/openssh/sftp-server /usr/lib/openssh/x",
            "mv /usr/lib/openssh/x /usr/lib/openssh/sftp-server",
            "SFTP",
        ),
        (f"sed -i s,:/home/{USER}:,:/gone:, {PASSWD}", f"sed -i s,:/gone:,:/home/{USER}:, {PASSWD}", "home folder of"),
        (f"mkdir {HOME}; chown 12345 {HOME}", f"rmdir {HOME}", "belongs to somebody else"),
        (f"mkdir /data; ln -s /data {HOME}", f"rm {HOME}; rmdir /data", "is a link"),
    )
    for spoil, mend, words in ways:
        clean = machine.written()
        machine.run("sh", "-c", spoil)
        before = machine.written()
        with pytest.raises(EnrolmentUnsuitable, match=words):
            bare.enrol()
        assert machine.changes(before) == {}
        machine.run("sh", "-c", mend)
        assert {name for name in machine.changes(clean) if not name.startswith(("usr/lib", "etc/"))} == set()
    assert not home.exists()
    # A shell that talks when it starts hides nothing of the machine, but no file comes through.
    noise = machine.root / "home" / USER / ".bashrc"
    noise.write_text("echo arch=evil; echo uid=0; echo lineside-answer-1:1\n")
    with pytest.raises(EnrolmentUnsuitable, match="SFTP") as refused:
        bare.enrol()
    assert "must say nothing" in refused.value.hint
    noise.unlink()
    enrolled = bare.enrol()
    noise.write_text("echo arch=evil; echo uid=0; echo lineside-answer-1:1\n")
    assert (enrolled.box.problem, bare.enrol().changed) == (None, ())


def test_errors_of_the_machine_are_its_word_against_ours(bare: Visit) -> None:
    told = {"error": {"code": "x.y\x1b[31m", "message": "a\x1b[2J\nlineside: all is well" * 200, "hint": "run this"}}
    liar = bare.machine.root / "usr/local/bin/liar"
    lines = (
        "import os, re, sys",
        "c = os.environ.get('SSH_ORIGINAL_COMMAND', '')",
        "if 'sh -s' in c: os.execvp('/bin/sh', ['/bin/sh', '-s'])",
        "if c.rstrip().endswith('pass'): sys.exit()",
        'mark = re.search(\'"mark": "([^"]+)"\', sys.stdin.read())[1]',
        f"print(mark + {json.dumps(told)!r})",
    )
    script = "\n".join(lines)
    liar.write_text(f"#!/usr/bin/python3\n{script}\n")
    liar.chmod(0o755)
    bare.machine.sudoers(f"{USER} ALL=(ALL) NOPASSWD: ALL")
    bare.machine.serve(port=2022, more="ForceCommand /usr/local/bin/liar")
    with pytest.raises(SshUnexpected, match="an error that is not known here") as refused:
        bare.enrol(target=SshTarget(USER, bare.machine.address, 2022))
    assert len(refused.value.message) < 300
    assert refused.value.message.isprintable()
    assert "run this" not in refused.value.hint


def test_cron_counts_where_it_runs(bare: Visit) -> None:
    root = bare.machine.root
    (root / "etc/cron.d").mkdir(exist_ok=True)
    program = root / "usr/local/sbin/cron"
    program.write_bytes((root / "usr/bin/sleep").read_bytes())
    program.chmod(0o755)
    before = bare.machine.written()
    assert bare.enrol().boot == "by-hand"
    cron = subprocess.Popen(bare.machine.command("/usr/local/sbin/cron", "600"))
    try:
        report = bare.enrol()
        assert (report.boot, report.changed) == ("cron", ("service",))
        assert bare.enrol().changed == ()
        minute, user, command = (root / "etc/cron.d/lineside-edge").read_text().splitlines()[-1].split(" ")
        assert (minute, user) == ("@reboot", "lineside-edge")
        # The power was gone, and cron does what it was told.
        bare.machine.run("sh", "-c", "pkill -9 -u lineside-edge; true")
        words = ("setpriv", "--reuid", user, "--regid", user, "--clear-groups", command)
        started = subprocess.Popen(bare.machine.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(lambda: boxes.refresh(bare.ctx, NAME)[0].problem is None, 60, "the box")
        assert bare.enrol().changed == ()
        bare.release(Rows.DISCARD)
        started.wait(60)
    finally:
        cron.kill()
        cron.wait()
    assert set(bare.machine.changes(before)) <= {"etc/cron.d"}


def test_a_box_that_has_lost_its_supervisor_is_given_one(bare: Visit) -> None:
    bare.enrol()
    supervisor = running(bare, "/bin/supervise")
    bare.machine.run("kill", "-9", supervisor)
    wait_until(lambda: not running(bare, "/bin/supervise"), 10, "the supervisor's end")
    assert boxes.refresh(bare.ctx, NAME)[0].problem is None
    assert bare.enrol().changed == ("start",)
    assert running(bare, "/bin/supervise") not in ("", supervisor)
    assert bare.enrol().changed == ()
    # Now the box itself ends, and is there again.
    box = running(bare, "lineside-edge run")
    bare.machine.run("kill", "-9", box)
    wait_until(lambda: running(bare, "lineside-edge run") not in ("", box), 60, "another box")
    wait_until(lambda: boxes.refresh(bare.ctx, NAME)[0].problem is None, 60, "its answer")


def test_a_home_on_a_disk_of_its_own_is_emptied_and_its_mount_point_left(bare: Visit) -> None:
    bare.machine.run("mkdir", HOME)
    bare.machine.run("mount", "-t", "tmpfs", "-o", "mode=755", "data", HOME)
    bare.machine.run("mkdir", "-m", "700", f"{HOME}/lost+found")
    home = bare.machine.root / HOME[1:]
    for _ in range(2):
        bare.enrol()

        report = bare.release(Rows.DISCARD)
        assert f"everything in {HOME}" in report.removed
        assert any(what.startswith(f"anything in {HOME}, which is left") for what in report.looked_for)
        assert [path.name for path in home.iterdir()] == ["lost+found"]
        assert (home.stat().st_uid, home.stat().st_gid) == (0, 0)
        assert boxes.list_boxes(bare.ctx) == []
        # What a release leaves that was cut off at its last step is nobody's home.
        bare.machine.run("mkdir", f"{HOME}/.gone")
    bare.machine.run("umount", HOME)


def test_a_box_without_its_configuration_keeps_the_name_that_it_has_here(bare: Visit) -> None:
    enrolled = bare.enrol()
    bare.machine.run("rm", f"{HOME}/edge.toml")
    again = bare.enrol(name=None)
    assert (again.box.box, again.box.name) == (enrolled.box.box, NAME)
    assert any("edge.toml was gone" in warning for warning in again.warnings)
    wait_until(lambda: bare.machine.run("ls", f"{HOME}/edge.toml", check=False).strip(), 60, "the file to be put back")
    assert bare.enrol(name=None).warnings == ()


def running(bare: Visit, words: str) -> str:
    """The id of the process of the box's user with these words; empty: there is none."""
    return bare.machine.run("pgrep", "-u", "lineside-edge", "-f", words, check=False).strip()


def test_a_clock_that_nothing_allows_to_set_is_set_by_hand(bare: Visit) -> None:
    bare.enrol()
    with pytest.raises(ClockForbidden) as refused:
        clocks.set_clock(bare.ctx, NAME)
    assert "no systemd" in refused.value.hint
    assert "drop-in" not in refused.value.hint
