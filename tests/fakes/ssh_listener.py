"""An SSH server that lets nobody in, and keeps what it was given."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import paramiko


def _greedy(wants: Sequence[str], passwords: list[str]) -> Any:
    """Takes a key where it wants both, and asks for a password."""
    wanted = list(wants)

    def take_key(_user: str, _key: paramiko.PKey) -> Any:
        if "publickey" not in wanted:
            return paramiko.AUTH_FAILED
        wanted.remove("publickey")
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL

    def take_password(_user: str, password: str) -> Any:
        passwords.append(password)
        return paramiko.AUTH_FAILED

    server = paramiko.ServerInterface()
    server.get_allowed_auths = lambda _user: ",".join(wanted)
    server.check_auth_publickey, server.check_auth_password = take_key, take_password
    return server


@contextmanager
def ssh_listener(wants: Sequence[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Gives its port, the fingerprint of its host key, and the passwords that came.

    :param wants: what it says that it takes: ``password``, and ``publickey`` before it or not.
    """
    key, passwords, opened = paramiko.ECDSAKey.generate(), list[str](), list[paramiko.Transport]()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    transport = paramiko.Transport(connection)
                    opened.append(transport)
                    transport.add_server_key(key)
                    with suppress(paramiko.SSHException, EOFError):
                        transport.start_server(server=_greedy(wants, passwords))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], str(key.fingerprint), passwords
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for transport in opened:
                transport.close()
                transport.join(60)
