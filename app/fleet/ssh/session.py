"""A signed-in SSH connection to a machine whose host key is the expected one.

The machine's answers are hostile until checked: outputs are bounded, everything has a time limit, and nothing of a
person's is sent before the host key was proved.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.proof import prove
from app.fleet.ssh.sign_in import Check, SignIn
from edge_runtime.contracts.enrolment_errors import (
    EnrolmentUnsuitable,
    SshCutOff,
    SshHostKey,
    SshRefused,
    SshUnexpected,
    SshUnreachable,
)
from edge_runtime.contracts.text import one_line

if TYPE_CHECKING:
    import paramiko

CONNECT_S = 15.0
SILENCE_MS = 20_000
"""What was sent and is not acknowledged for so long has met a dead link."""
TICK_S = 0.2
MAX_OUTPUT = 2**20
KEY_TYPES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256",),
    ("ecdsa-sha2-nistp384",),
    ("ecdsa-sha2-nistp521",),
    ("rsa-sha2-512", "rsa-sha2-256"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command on the machine did."""

    status: int
    stdout: bytes
    stderr: str


class SshSession:
    """Made by :func:`open_session`."""

    def __init__(
        self, target: SshTarget, transport: paramiko.Transport, host_key: str, password: str | None, check: Check
    ) -> None:
        self.target = target
        self.password = password
        """The one that let this person in; None where a key did."""
        self.host_key = host_key
        """Its fingerprint."""
        self._transport = transport
        self._check = check

    def close(self) -> None:
        self._transport.close()

    def run(self, command: str, feed: bytes = b"", *, timeout_s: float = 60.0, limit: int = MAX_OUTPUT) -> Outcome:
        """Run a command, whose words the caller has quoted.

        :param feed: goes to its stdin, and then the end of it.
        :raises SshCutOff: the connection ended, or the time was up.
        :raises SshUnexpected: the machine sends more than ``limit`` bytes.
        """
        with self._talking():
            channel = self._transport.open_session(timeout=CONNECT_S)
            try:
                channel.settimeout(CONNECT_S)
                channel.exec_command(command)
                return self._exchange(channel, feed, time.monotonic() + timeout_s, limit)
            finally:
                channel.close()

    @contextmanager
    def files(self) -> Iterator[paramiko.SFTPClient]:
        """The machine's files over SFTP; errors as :meth:`run`.

        :raises EnrolmentUnsuitable: it offers none.
        """
        import paramiko

        with self._talking():
            channel = self._transport.open_session(timeout=CONNECT_S)
            channel.settimeout(SILENCE_MS / 1000)
            try:
                channel.invoke_subsystem("sftp")
                sftp = paramiko.SFTPClient(channel)
            except (paramiko.SSHException, paramiko.SFTPError, EOFError) as error:
                channel.close()
                if not self._transport.is_active():
                    raise
                raise EnrolmentUnsuitable(
                    f"{self.target.host} offers no file transfer (SFTP): {said(error)}.",
                    hint="Its sshd needs a line `Subsystem sftp …` and the program that it names, and the shell of "
                    f"{self.target.user} must say nothing when it starts. Nothing was changed.",
                ) from error
            with contextlib.closing(sftp):
                yield sftp

    def check(self) -> None:
        """:raises Cancelled: when somebody asked to stop."""
        self._check()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What is begun meanwhile is finished, also where somebody has asked to stop."""
        check, self._check = self._check, lambda: None
        try:
            yield
        finally:
            self._check = check

    def _exchange(self, channel: paramiko.Channel, feed: bytes, deadline: float, limit: int) -> Outcome:
        out, err = bytearray(), bytearray()
        rest = memoryview(feed)
        fed = False
        while True:
            self._check()
            if rest and channel.send_ready():
                try:
                    rest = rest[channel.send(bytes(rest[:32768])) :]
                except OSError:
                    # What runs there has ended without hearing it all, and says why.
                    rest = rest[:0]
            if not rest and not fed:
                channel.shutdown_write()
                fed = True
            while channel.recv_ready():
                out += channel.recv(32768)
            while channel.recv_stderr_ready():
                err += channel.recv_stderr(32768)
            if len(out) + len(err) > limit:
                raise SshUnexpected(f"{self.target.host} answers with more than {limit} bytes.")
            ended = channel.eof_received or channel.closed
            if channel.exit_status_ready() and ended and not channel.recv_ready():
                while channel.recv_stderr_ready():
                    err += channel.recv_stderr(32768)
                return Outcome(channel.recv_exit_status(), bytes(out), err.decode(errors="replace"))
            if not self._transport.is_active():
                raise EOFError
            if time.monotonic() > deadline:
                raise SshCutOff(f"{self.target.host} did not finish in time.")
            if not rest or not channel.send_ready():
                select.select([channel], [], [], TICK_S)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        import paramiko

        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not self._transport.is_active() or isinstance(error, EOFError | TimeoutError | paramiko.SSHException):
                raise SshCutOff(f"The connection to {self.target.host} ended: {said(error)}.") from error
            raise


def said(error: BaseException) -> str:
    """What a library's error says, on one line."""
    return one_line(str(error))[:200].rstrip(".") or type(error).__name__


@contextmanager
def open_session(target: SshTarget, expected: str, sign_in: SignIn, *, check: Check) -> Iterator[SshSession]:
    """Connect, see that the machine has the key with this fingerprint, and only then sign in.

    :raises SshUnreachable: nobody answers there in SSH.
    :raises SshHostKey: whoever answers has other keys.
    :raises SshRefused: it does not let this person in.
    """
    import paramiko

    # Its own log would print whatever a hostile server says; what matters of it comes as an error.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    with ExitStack() as opened:

        def knock() -> paramiko.Transport:
            transport = _connect(target, expected, check)
            opened.callback(transport.close)
            return transport

        transport = knock()
        try:
            transport, password = prove(target, transport, knock, sign_in, check)
        except (EOFError, OSError, paramiko.SSHException) as error:
            raise SshRefused(f"{target.host} ended the sign-in of {target.user}: {said(error)}.") from error
        yield SshSession(target, transport, expected, password, check)


def _connect(target: SshTarget, expected: str, check: Check) -> paramiko.Transport:
    """Ask for one type of key after the other, until one has the fingerprint: a label bears only one of them."""
    import paramiko

    shown: list[str] = []
    for types in KEY_TYPES:
        check()
        transport = paramiko.Transport(_dial(target))
        try:
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = CONNECT_S
            transport.get_security_options().key_types = types
            transport.start_client(timeout=CONNECT_S)
            fingerprint = str(transport.get_remote_server_key().fingerprint)
        except paramiko.ssh_exception.IncompatiblePeer:
            # It has no key of this type.
            transport.close()
            continue
        except (paramiko.SSHException, EOFError, OSError) as error:
            transport.close()
            if shown:
                # It has answered before: perhaps it limits how often one may knock.
                break
            raise SshUnreachable(
                f"What answers at {target.host}, port {target.port}, is no SSH: {said(error)}."
            ) from error
        if fingerprint == expected:
            return transport
        transport.close()
        shown.append(f"{fingerprint} ({types[0]})")
    if not shown:
        raise SshUnreachable(f"{target.host} has no key of a type that is safe today.")
    raise SshHostKey(f"{target.host} should have {expected}, and shows {', '.join(shown)}.")


def _dial(target: SshTarget) -> socket.socket:
    try:
        connection = socket.create_connection((target.host, target.port), timeout=CONNECT_S)
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or said(error)
        raise SshUnreachable(f"No connection to {target.host}, port {target.port}: {reason}.") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # A link that is cut says nothing: without these it would be waited for a quarter of an hour.
    for name, value in (
        ("TCP_USER_TIMEOUT", SILENCE_MS),
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
    ):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection
