"""A machine that has only sshd, sudo and the system's Python: its own network, processes, users and files.

Its root is an overlay of this machine's, so that everything which is written there lies in one folder and nothing of it
here. There is no systemd. Needs root, unshare and overlayfs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fakes.network import Machine, Network
from tests.waiting import wait_until

SSHD = "/usr/sbin/sshd"
USER, PASSWORD = "engineer", "a long pass'word $x"
REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = "/usr/local/lib/lineside-test"
"""Where a machine sees this repository and the packages that it needs."""
HIDDEN = ("root", "work", "tmp", "run", "home", "opt", "var/lib/lineside-edge")
NOT_OURS = (
    # Copies that the system's own programs make of the tables of users, and what sudo and sshd keep.
    *("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-", "etc/.pwd.lock"),
    *("var/lib/sudo", "run/sudo", "var/log/lastlog", "var/log/wtmp", "var/log/btmp", "etc/ssh", "run/sshd"),
)
_SHARED_FOLDERS = ("var", "var/lib", "var/log")
needed = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(not Path(SSHD).exists() or not shutil.which("sudo"), reason="needs openssh-server and sudo"),
    pytest.mark.skipif(not shutil.which("unshare") or not shutil.which("ip"), reason="needs unshare and iproute2"),
]
_BOOT = """\
set -e
base=$1; opt=$2; home=$3; shared=$4
mount -t tmpfs -o mode=755 tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"
for each in root work run; do mount -t tmpfs -o mode=755 tmpfs "./$each"; done
mount -t tmpfs -o "mode=755,size=$opt" tmpfs ./opt
mount -t tmpfs -o "mode=755,size=$home" tmpfs ./home
mount -t tmpfs -o mode=1777 tmpfs ./tmp
mkdir -p run/sshd run/lock ".$shared/repository" ".$shared/site"
mount --bind "$5" ".$shared/site"
mount --bind "$6" ".$shared/repository"
mount -t proc proc proc
mount --bind /dev dev
echo up
exec cat
"""
_CONFIG = """\
ListenAddress 0.0.0.0:{port}
HostKey /etc/ssh/lineside_{kinds}
PidFile none
UsePAM no
PasswordAuthentication {password}
PermitRootLogin yes
StrictModes no
MaxStartups 100
Subsystem sftp /usr/lib/openssh/sftp-server
{more}
"""


@cache
def _rsa_key() -> Mapping[str, bytes]:
    """The same for every machine: to find its primes takes long."""
    with TemporaryDirectory() as folder:
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", f"{folder}/rsa"], check=True)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


class BareMachine:
    """One that runs; :attr:`root` is the view of its files from outside.

    :param host: the network namespace of the machine; None: this machine's own network.
    """

    def __init__(
        self, folder: Path, host: Machine, address: str, *, opt_bytes: int = 2**32, home_bytes: int = 2**30
    ) -> None:
        self.host, self.address = host, address
        base = folder / "machine"
        base.mkdir(parents=True)
        site = Path(next(path for path in sys.path if path.endswith("site-packages")))
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _BOOT, "boot"]
        self._keeper = subprocess.Popen(
            host.command(*command, str(base), str(opt_bytes), str(home_bytes), SHARED, str(site), str(REPOSITORY)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # It complains of the end that it is given.
            stderr=subprocess.DEVNULL,
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"up\n"
        self._init = self._find_init()
        self.root = Path(f"/proc/{self._init}/root{base}/root")
        self._inside = [
            "nsenter",
            "--target",
            str(self._init),
            "--mount",
            "--pid",
            "--net",
            "chroot",
            str(base / "root"),
        ]
        self._servers: list[subprocess.Popen[bytes]] = []
        self.run("useradd", "--create-home", "--shell", "/bin/bash", USER)
        self.run("chpasswd", stdin=f"{USER}:{PASSWORD}\nroot:{PASSWORD}\n")
        self.sudoers(f"{USER} ALL=(ALL) ALL")
        for kind in ("ed25519", "ecdsa"):
            self.run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", f"/etc/ssh/lineside_{kind}")
        for name, key in _rsa_key().items():
            (self.root / f"etc/ssh/lineside_{name}").write_bytes(key)
            (self.root / f"etc/ssh/lineside_{name}").chmod(0o600)

    def _find_init(self) -> int:
        """The first process of its process namespace, which the keeper's child is."""

        def found() -> int:
            # ip netns exec becomes unshare, whose only child it is.
            children = Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children").read_text().split()
            return int(children[0]) if children else 0

        return wait_until(found, 10, "the machine")

    def command(self, *words: str) -> list[str]:
        """These words as a command that runs there, as root."""
        return [*self._inside, *words]

    def run(self, *words: str, check: bool = True, stdin: str | None = None) -> str:
        done = subprocess.run(
            self.command(*words), text=True, timeout=60, capture_output=True, check=check, input=stdin
        )
        return done.stdout

    def sudoers(self, *lines: str) -> None:
        path = self.root / "etc/sudoers.d/lineside-test"
        path.write_text("".join(f"{line}\n" for line in ("Defaults !fqdn", *lines)))
        path.chmod(0o440)

    def fingerprint(self, kind: str = "ed25519") -> str:
        return self.run("ssh-keygen", "-lf", f"/etc/ssh/lineside_{kind}.pub").split()[1]

    def serve(
        self,
        *,
        port: int = 22,
        password: bool = True,
        kinds: Sequence[str] = ("ed25519", "ecdsa", "rsa"),
        more: str = "",
    ) -> None:
        """Start sshd."""
        config = self.root / "etc/ssh/lineside_config"
        keys = "\nHostKey /etc/ssh/lineside_".join(kinds)
        config.write_text(_CONFIG.format(port=port, kinds=keys, password="yes" if password else "no", more=more))
        command = self.command(SSHD, "-D", "-f", "/etc/ssh/lineside_config", "-E", "/run/sshd.log")
        self._servers.append(subprocess.Popen(command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))
        wait_until(lambda: f":{port:04X} " in self._tcp(), 10, "sshd")

    def _tcp(self) -> str:
        return Path(f"/proc/{self._init}/net/tcp").read_text()

    def written(self) -> dict[str, str]:
        """Everything on it that is not this machine's: path, and what it is."""
        found: dict[str, str] = {}
        base = self.root.parent / "upper"
        tops = [(base, base), *((self.root, self.root / each) for each in ("root", "run", "home", "opt", "tmp"))]
        for top, folder in tops:
            for path in folder.rglob("*"):
                name = str(path.relative_to(top))
                if not name.startswith((*NOT_OURS, SHARED[1:])):
                    found[name] = _describe(path)
        return found

    def changes(self, before: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
        """What was written since; that a folder of the system's own was opened for writing is no change."""
        after = self.written()
        pairs = {name: (before.get(name), after.get(name)) for name in {*before, *after}}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in _SHARED_FOLDERS}

    def cut(self) -> None:
        """Pull the cable; nobody is told."""
        self.host.has("ip link set eth0 down")

    def mend(self) -> None:
        self.host.has("ip link set eth0 up")

        def answers() -> bool:
            with suppress(OSError), socket.create_connection((self.address, 22), timeout=60):
                return True
            return False

        wait_until(answers, 30, "the link")

    def processes(self) -> list[str]:
        """Command lines of everything that runs there."""
        return self.run("ps", "-ww", "-eo", "user:20,args", "--no-headers").splitlines()

    def close(self) -> None:
        os.kill(self._init, signal.SIGKILL)
        self._keeper.communicate()
        for server in self._servers:
            server.wait()


def _describe(path: Path) -> str:
    facts = path.lstat()
    content = ""
    if path.is_symlink():
        content = str(path.readlink())
    elif path.is_file():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{facts.st_mode:o} {facts.st_uid} {facts.st_gid} {content}"


@contextmanager
def bare_machine(folder: Path, net: Network, **options: int) -> Iterator[BareMachine]:
    """On a cable of its own, at an address that no network has (those for tests of networks)."""
    host = net.machine("box")
    here = f"ls{net.token}"
    first = int(IPv4Address("198.18.0.0")) + int(net.token, 16) % 2**15 * 4
    ours, theirs = (str(IPv4Address(first + number)) for number in (1, 2))
    subprocess.run(["ip", "link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", host.name], check=True)
    try:
        # Without an address of IPv6 that cannot be used for its first seconds.
        subprocess.run(["ip", "link", "set", here, "addrgenmode", "none"], check=True)
        subprocess.run(["ip", "address", "add", f"{ours}/30", "dev", here], check=True)
        subprocess.run(["ip", "link", "set", here, "up"], check=True)
        host.has(f"ip address add {theirs}/30 dev eth0", "ip link set eth0 up")
        machine = BareMachine(folder, host, theirs, **options)
        try:
            yield machine
        finally:
            machine.close()
    finally:
        subprocess.run(["ip", "link", "delete", here], check=False, stderr=subprocess.DEVNULL)
