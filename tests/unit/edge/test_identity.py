"""Mutual TLS over real sockets: only the pinned key gets through, and only with TLS 1.3."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import BoxWrongKey, InputInvalid, NotFound
from edge_runtime.identity import (
    CERTIFICATE_NAME,
    KEY_NAME,
    Identity,
    certificate_der,
    client_context,
    create_identity,
    fingerprint_of,
    load_identity,
    require_peer,
    server_context,
)


@contextmanager
def echo_server(context: ssl.SSLContext) -> Iterator[tuple[str, int]]:
    """Answers one connection after another with the four bytes it sends."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            raw.settimeout(60)
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    connection.sendall(connection.recv(4))
            except OSError:
                raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def exchange(address: tuple[str, int], context: ssl.SSLContext) -> bytes:
    with socket.create_connection(address, timeout=60) as raw, context.wrap_socket(raw) as connection:
        connection.sendall(b"ping")
        return connection.recv(4)


@pytest.fixture
def box(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "box", "line-2")


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


def test_an_identity_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first = create_identity(tmp_path, "line-2")
    again = create_identity(tmp_path, "another name")
    assert again == first == load_identity(tmp_path)
    assert stat.S_IMODE(first.key_path.stat().st_mode) == 0o600
    assert fingerprint_of(first.certificate_pem) == first.fingerprint
    assert len(first.fingerprint) == 64


def test_a_certificate_lost_between_the_two_writes_is_made_again(tmp_path: Path) -> None:
    first = create_identity(tmp_path, "line-2")
    first.certificate_path.unlink()
    with pytest.raises(NotFound):
        load_identity(tmp_path)
    assert create_identity(tmp_path, "line-2").fingerprint == first.fingerprint


def test_a_key_and_a_certificate_of_two_machines_are_refused(tmp_path: Path) -> None:
    one, other = create_identity(tmp_path / "1", "one"), create_identity(tmp_path / "2", "other")
    one.certificate_path.write_bytes(other.certificate_path.read_bytes())
    with pytest.raises(InputInvalid, match="do not belong together"):
        load_identity(tmp_path / "1")


@pytest.mark.parametrize(
    "text", ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(InputInvalid):
        fingerprint_of(text)


def test_two_certificates_in_one_file_are_refused(box: Identity, desktop: Identity) -> None:
    with pytest.raises(InputInvalid, match="Exactly one"):
        fingerprint_of(box.certificate_pem + desktop.certificate_pem)


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    create_identity(tmp_path, "line-2")
    (tmp_path / KEY_NAME).write_text("junk")
    with pytest.raises(InputInvalid, match=KEY_NAME):
        load_identity(tmp_path)


def test_the_pinned_pair_talks_over_tls_1_3(box: Identity, desktop: Identity) -> None:
    with echo_server(server_context(box, [desktop.certificate_pem])) as address:
        context = client_context(desktop, box.certificate_pem)
        with socket.create_connection(address, timeout=60) as raw, context.wrap_socket(raw) as connection:
            require_peer(connection, box.certificate_pem)
            with pytest.raises(BoxWrongKey):
                require_peer(connection, desktop.certificate_pem)
            connection.sendall(b"ping")
            assert connection.recv(4) == b"ping"
            assert connection.version() == "TLSv1.3"


def test_a_desktop_that_is_not_pinned_is_refused(tmp_path: Path, box: Identity, desktop: Identity) -> None:
    stranger = create_identity(tmp_path / "stranger", "laptop")
    with (
        echo_server(server_context(box, [desktop.certificate_pem])) as address,
        pytest.raises(OSError, match=r"(?i)unknown ca|reset|eof"),
    ):
        exchange(address, client_context(stranger, box.certificate_pem))


def test_no_client_certificate_is_refused(box: Identity, desktop: Identity) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate_der(box.certificate_pem))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with (
        echo_server(server_context(box, [desktop.certificate_pem])) as address,
        pytest.raises(OSError, match=r"(?i)certificate required|reset|eof"),
    ):
        exchange(address, context)


def test_a_box_with_another_key_is_refused_by_the_desktop(tmp_path: Path, box: Identity, desktop: Identity) -> None:
    impostor = create_identity(tmp_path / "impostor", "line-2")
    with (
        echo_server(server_context(impostor, [desktop.certificate_pem])) as address,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        exchange(address, client_context(desktop, box.certificate_pem))


def test_tls_1_2_is_refused(box: Identity, desktop: Identity) -> None:
    context = client_context(desktop, box.certificate_pem)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with echo_server(server_context(box, [desktop.certificate_pem])) as address, pytest.raises(OSError):
        exchange(address, context)


def test_a_desktop_added_later_gets_through_on_the_same_context(tmp_path: Path, box: Identity) -> None:
    late = create_identity(tmp_path / "late", "laptop")
    context = server_context(box, [])
    with echo_server(context) as address:
        with pytest.raises(OSError):
            exchange(address, client_context(late, box.certificate_pem))
        context.load_verify_locations(cadata=certificate_der(late.certificate_pem))
        assert exchange(address, client_context(late, box.certificate_pem)) == b"ping"


def test_the_files_have_the_names_that_the_rest_counts_on(box: Identity) -> None:
    assert (box.key_path.name, box.certificate_path.name) == (KEY_NAME, CERTIFICATE_NAME)
