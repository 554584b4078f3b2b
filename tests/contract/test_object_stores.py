"""One suite for every object store: a folder and a real S3 server mean the same by each method."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cloud_sync.objects import Credentials, ObjectStore, open_store
from cloud_sync.objects.base import PART_BYTES, Children
from cloud_sync.objects.probe import probe_store
from cloud_sync.objects.sealed import SealedStore, SealKeys
from edge_runtime.contracts.errors import (
    Cancelled,
    InputInvalid,
    NotFound,
    ObjectMissing,
    StoreCredentialsMissing,
    StoreRefused,
    StoreUnreachable,
)
from tests.object_server import ObjectServer, object_server

MIB = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with object_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(params=["folder", "s3", "folder, encrypted", "s3, encrypted"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param.startswith("folder"):
        opened = open_store(str(tmp_path / "store"))
    else:
        server: ObjectServer = request.getfixturevalue("server")
        # A prefix of its own, so that no test sees another's objects.
        opened = _s3(server, prefix=f"site/{os.urandom(8).hex()}")
    if request.param.endswith("encrypted"):
        opened = SealedStore(opened, SealKeys(contents=b"c" * 32, names=b"n" * 64))
    yield opened
    opened.close()


def _s3(
    server: ObjectServer, *, bucket: str | None = None, prefix: str = "p", credentials: Credentials | None = None
) -> ObjectStore:
    return open_store(
        f"s3://{bucket or server.bucket}/{prefix}",
        endpoint_url=server.endpoint_url,
        credentials=credentials or server.credentials,
    )


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 9 * MIB])
def test_what_is_put_comes_back(store: ObjectStore, tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    store.put("a/b/data.bin", body)
    assert store.get("a/b/data.bin") == body
    found = store.head("a/b/data.bin")
    assert found is not None
    assert (found.key, found.size) == ("a/b/data.bin", size)

    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(body[::-1])
    store.put_file("a/b/file.bin", source)
    store.get_file("a/b/file.bin", target)
    assert target.read_bytes() == body[::-1]


def test_a_second_put_replaces_the_first(store: ObjectStore) -> None:
    store.put("k", b"one")
    store.put("k", b"second")
    assert store.get("k") == b"second"
    assert [info.size for info in store.list("")] == [6]


def test_missing_objects_are_said_to_be_missing(store: ObjectStore, tmp_path: Path) -> None:
    target = tmp_path / "target"
    store.put("there/k", b"1")
    for key in ("nothing", "there", "there/k/below", "other/k"):
        assert store.head(key) is None
        with pytest.raises(ObjectMissing, match=key):
            store.get(key)
        with pytest.raises(ObjectMissing):
            store.get_file(key, target)
    assert not target.exists()
    assert store.get("there/k") == b"1"
    with pytest.raises(NotFound):
        store.put_file("k", tmp_path / "no-file")
    with pytest.raises(NotFound):
        store.get_file("there/k", tmp_path / "no-folder" / "file")


def test_list_goes_by_whole_folder_names(store: ObjectStore) -> None:
    keys = {"a/1", "a/b/2", "a-b/3", "ab", "c/site=x/date=2026-01-01/part.parquet"}
    for key in keys:
        store.put(key, key.encode())

    def listed(prefix: str) -> set[str]:
        return {info.key for info in store.list(prefix)}

    assert listed("") == keys
    assert listed("a") == listed("a/") == {"a/1", "a/b/2"}
    assert listed("a/b") == {"a/b/2"}
    assert listed("ab") == listed("nothing") == set()
    assert {info.key: info.size for info in store.list("a")} == {"a/1": 3, "a/b/2": 5}
    assert store.children("") == Children(folders=("a", "a-b", "c"), objects=("ab",))
    assert store.children("a") == store.children("a/") == Children(folders=("b",), objects=("1",))
    assert store.children("nothing") == Children((), ())
    assert store.folders("") == ("a", "a-b", "c")
    assert store.folders("a") == ("b",)
    assert store.folders("nothing") == ()


def test_list_of_more_than_one_page(tmp_path: Path) -> None:
    with object_server(tmp_path) as server:
        many = server.folder / server.bucket / "pages" / "many"
        many.mkdir(parents=True)
        for number in range(2100):
            (many / f"{number:04d}").write_bytes(b"")
        assert len({info.key for info in _s3(server, prefix="pages").list("many")}) == 2100


def test_deleted_is_gone_and_may_be_deleted_again(store: ObjectStore) -> None:
    store.put("a/k", b"1")
    store.delete("a/k")
    store.delete("a/k")
    assert store.head("a/k") is None
    assert list(store.list("")) == []


def test_no_more_is_read_than_was_asked_for(store: ObjectStore) -> None:
    store.put("k", b"x" * 100)
    assert len(store.get("k", max_bytes=100)) == 100
    with pytest.raises(InputInvalid, match="more than the 99 bytes"):
        store.get("k", max_bytes=99)


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/etc/passwd", "../up", "a/../../b", "a/./b", "a//b", "a/", ".hidden", "a/.b", "a\\b", "a\0b"),
        *("c:/x", "a b", "ü", "a\n", "trailing.", "a" * 201, "a/" * 260 + "a", "~root/x", "a?b", "a%2e"),
    ],
)
def test_keys_that_could_mean_another_place_are_refused(store: ObjectStore, tmp_path: Path, key: str) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"1")
    attempts: list[Callable[[], object]] = [
        lambda: store.put(key, b"1"),
        lambda: store.put_file(key, local),
        lambda: store.get(key),
        lambda: store.get_file(key, tmp_path / "target"),
        lambda: store.head(key),
        lambda: store.delete(key),
    ]
    for attempt in attempts:
        with pytest.raises(InputInvalid):
            attempt()
    if key not in ("", "a/"):
        with pytest.raises(InputInvalid):
            list(store.list(key))


def test_many_threads_write_the_same_key(store: ObjectStore) -> None:
    bodies = [bytes([number]) * 70_000 for number in range(8)]
    threads = [threading.Thread(target=store.put, args=("k", body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("k") in bodies
    assert [info.key for info in store.list("")] == ["k"]


def test_probe_says_what_works(store: ObjectStore) -> None:
    report = probe_store(store)
    assert report.address == store.address
    assert [check.name for check in report.checks] == ["write", "read", "list", "delete", "clock"]
    assert all(check.ok for check in report.checks)
    assert list(store.list("")) == []


# --- an S3 server's refusals


def _all_calls(store: ObjectStore) -> list[Callable[[], object]]:
    return [
        lambda: store.put("k", b"1"),
        lambda: store.put("k", b"1" * 100_000),
        lambda: store.get("k"),
        lambda: list(store.list("")),
        lambda: store.folders(""),
    ]


def test_wrong_credentials_are_refused_without_showing_them(server: ObjectServer) -> None:
    wrong = Credentials(access_key_id=server.credentials.access_key_id, secret_access_key="never-to-be-shown-anywhere")
    store = _s3(server, credentials=wrong)
    more: list[Callable[[], object]] = [lambda: store.head("k"), lambda: store.delete("k")]
    for attempt in _all_calls(store) + more:
        with pytest.raises(StoreRefused) as caught:
            attempt()
        assert (
            "never-to-be-shown" not in f"{caught.value!r} {caught.value} {caught.value.hint} {caught.value.__cause__}"
        )
    with pytest.raises(StoreRefused, match="does not belong to the access key"):
        store.put("k", b"1")
    unknown = Credentials(access_key_id="nobody-has-this-key", secret_access_key="x" * 20)
    with pytest.raises(StoreRefused, match="does not know the access key"):
        _s3(server, credentials=unknown).get("k")
    with pytest.raises(StoreRefused, match="access key"):
        probe_store(store)


def test_a_bucket_that_is_not_there_is_refused(server: ObjectServer) -> None:
    store = _s3(server, bucket="no-such-bucket")
    for attempt in _all_calls(store):
        with pytest.raises(StoreRefused, match="no such bucket"):
            attempt()


def test_a_server_that_is_not_there_is_unreachable(server: ObjectServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    store = open_store("s3://bucket/p", endpoint_url=f"http://127.0.0.1:{port}", credentials=server.credentials)
    with pytest.raises(StoreUnreachable, match="connection refused"):
        store.put("k", b"1")
    with pytest.raises(StoreUnreachable):
        list(store.list(""))
    unnamed = open_store("s3://bucket/p", endpoint_url="http://no-such-host.invalid", credentials=server.credentials)
    with pytest.raises(StoreUnreachable):
        unnamed.head("k")


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that answers everything with these bytes and hangs up; where it is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.settimeout(60)
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_server_that_hangs_up_is_unreachable(server: ObjectServer) -> None:
    with answering(b"") as endpoint:
        store = open_store("s3://bucket/p", endpoint_url=endpoint, credentials=server.credentials)
        with pytest.raises(StoreUnreachable):
            store.head("k")


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (503, "<Error><Code>SlowDown</Code></Error>", StoreUnreachable, "503 SlowDown"),
        (500, "", StoreUnreachable, "500"),
        (400, "<Error><Code>ExpiredToken</Code></Error>", StoreRefused, "have expired"),
        (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", StoreRefused, "clock"),
        (301, "<Error><Code>PermanentRedirect</Code></Error>", StoreRefused, "another region"),
        (403, "<Error><Code>AccessDenied</Code></Error>", StoreRefused, "may not do this"),
        (411, "secret-in-answer", StoreRefused, "411"),
        (200, "<html>please sign in</html>", StoreUnreachable, "does not answer"),
    ],
)
def test_a_servers_answers_become_plain_words(
    server: ObjectServer, status: int, body: str, error: type[Exception], words: str
) -> None:
    text = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    with answering(text.encode()) as endpoint:
        store = open_store("s3://bucket/p", endpoint_url=endpoint, credentials=server.credentials)
        with pytest.raises(error, match=words) as caught:
            # A page in place of the server (a hotel's, say) answers a list with nothing in it: only a put tells.
            store.put("k", b"1") if status == 200 else list(store.list("a"))
        assert "secret-in-answer" not in str(caught.value)


def test_a_key_that_a_server_names_twice_is_one_object(server: ObjectServer) -> None:
    """`rclone serve s3` did, after several had written it at once."""
    one = (
        "<Contents><Key>p/{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        "<ETag>&quot;e&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
    entries = "".join(one.format(key) for key in "akkb")
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>4</KeyCount>{entries}</ListBucketResult>"
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    with answering(text.encode()) as endpoint:
        store = open_store("s3://bucket/p", endpoint_url=endpoint, credentials=server.credentials)
        assert [info.key for info in store.list("")] == ["a", "k", "b"]
        assert store.children("").objects == ("a", "b", "k")


# --- opening


def test_credentials_come_from_the_usual_variables(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "")
    store = open_store(f"s3://{server.bucket}/environment")
    store.put("k", b"1")
    assert store.get("k") == b"1"
    assert store.address == f"s3://{server.bucket}/environment"


def test_credentials_come_from_a_profile(server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_aws_variables(monkeypatch, tmp_path)
    (tmp_path / "credentials").write_text(
        f"[plant]\naws_access_key_id = {server.credentials.access_key_id}\n"
        f"aws_secret_access_key = {server.credentials.secret_access_key}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "plant")
    store = open_store(f"s3://{server.bucket}/profile", endpoint_url=server.endpoint_url)
    store.put("k", b"1")
    assert store.get("k") == b"1"
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreCredentialsMissing, match="profile"):
        open_store(f"s3://{server.bucket}/profile", endpoint_url=server.endpoint_url)


def test_no_credentials_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_aws_variables(monkeypatch, tmp_path)
    with pytest.raises(StoreCredentialsMissing):
        open_store("s3://bucket/p", endpoint_url="http://127.0.0.1:1")


def test_given_credentials_win_over_the_variables(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-elses-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody-elses-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "somebody-elses-token")
    store = _s3(server)
    store.put("k", b"1")
    assert store.get("k") == b"1"


def test_credentials_do_not_show_their_secrets(server: ObjectServer) -> None:
    found = Credentials(access_key_id="shown", secret_access_key="hidden-1", session_token="hidden-2")
    store = _s3(server, credentials=found)
    assert "shown" in repr(found)
    assert "hidden-" not in f"{found!r} {found} {[found]} {store!r} {store.address}"


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("", None),
        ("s3://", None),
        ("s3://x", None),
        ("s3://UP/../x", None),
        ("s3://bucket/../x", None),
        ("s3://bucket//x", None),
        ("gs://bucket/x", None),
        ("s3://bucket/x", "ftp://host"),
        ("s3://bucket/x", "https://"),
        ("s3://bucket/x", "https://host:notaport"),
        ("s3://bucket/x", "https://user:hunter2@host"),
        ("s3://bucket/x", "https://host/?token=1"),
        ("folder:/tmp/\0x", None),
    ],
)
def test_addresses_that_cannot_be_one(address: str, endpoint: str | None) -> None:
    with pytest.raises(InputInvalid) as caught:
        open_store(address, endpoint_url=endpoint, credentials=Credentials(access_key_id="a", secret_access_key="b"))
    assert "hunter2" not in str(caught.value)


def _no_aws_variables(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


# --- parts


def _no_wait(_size: int) -> None:
    pass


def _upload(store: ObjectStore, key: str, body: bytes, order: list[int]) -> str:
    upload = store.start_upload(key)
    for number in order:
        start = (number - 1) * PART_BYTES
        store.put_part(key, upload, number, start, body[start : start + PART_BYTES], _no_wait)
    return upload


def test_parts_in_any_order_and_twice_become_one_object(store: ObjectStore) -> None:
    body = os.urandom(2 * PART_BYTES + 1000)
    upload = _upload(store, "a/large", body, [3, 1, 2, 1])
    assert store.head("a/large") is None
    assert list(store.list("")) == []
    parts = store.parts("a/large", upload)
    assert {number: part.size for number, part in parts.items()} == {1: PART_BYTES, 2: PART_BYTES, 3: 1000}
    store.finish_upload("a/large", upload, parts)
    assert store.get("a/large") == body
    attempts: list[Callable[[], object]] = [
        lambda: store.put_part("a/large", upload, 1, 0, body[:PART_BYTES], _no_wait),
        lambda: store.parts("a/large", upload),
    ]
    for attempt in attempts:
        with pytest.raises(ObjectMissing):
            attempt()


def test_a_range_is_what_was_asked_for(store: ObjectStore) -> None:
    body = os.urandom(700_000)
    store.put("a/k", body)
    told: list[int] = []

    def ranged(key: str, start: int, length: int) -> bytes:
        blocks: list[bytes] = []
        store.get_range(key, start, length, blocks.append, told.append)
        return b"".join(blocks)

    assert ranged("a/k", 100, 600_000) == body[100:600_100]
    assert sum(told) == 600_000
    assert ranged("a/k", 0, len(body)) == body
    assert ranged("a/k", len(body) - 1, 1) == body[-1:]
    with pytest.raises(ObjectMissing):
        ranged("a/nothing", 0, 10)


def test_what_stops_a_part_is_what_comes_out(store: ObjectStore) -> None:
    def stop(_size: int) -> None:
        raise Cancelled("Enough.")

    body = os.urandom(PART_BYTES)
    upload = store.start_upload("a/k")
    with pytest.raises(Cancelled):
        store.put_part("a/k", upload, 1, 0, body, stop)
    store.put("a/whole", body)
    with pytest.raises(Cancelled):
        store.get_range("a/whole", 0, len(body), bytes, stop)


def test_uploads_that_nobody_finished_are_cleared(store: ObjectStore) -> None:
    body = os.urandom(PART_BYTES + 10)
    upload = _upload(store, "a/begun", body, [1, 2])
    parts = store.parts("a/begun", upload)
    other = _upload(store, "a/other", body, [1])
    store.abort_upload("a/other", other)
    store.abort_upload("a/other", other)
    assert store.clear_uploads("a", 1_000_000) == 0
    assert store.clear_uploads("a", 2**42) == 1
    attempts: list[Callable[[], object]] = [
        lambda: store.put_part("a/begun", upload, 2, PART_BYTES, body[PART_BYTES:], _no_wait),
        lambda: store.finish_upload("a/begun", upload, parts),
    ]
    for attempt in attempts:
        with pytest.raises(ObjectMissing):
            attempt()
    assert list(store.list("")) == []


def test_uploads_of_other_folders_are_let_be(server: ObjectServer) -> None:
    body = os.urandom(1000)
    ours, theirs = _s3(server, prefix="ours"), _s3(server, prefix="theirs")
    upload, beside = _upload(theirs, "a/k", body, [1]), _upload(ours, "ab/k", body, [1])
    assert ours.clear_uploads("a", 2**42) == 0
    theirs.finish_upload("a/k", upload, theirs.parts("a/k", upload))
    ours.finish_upload("ab/k", beside, ours.parts("ab/k", beside))
    assert theirs.get("a/k") == ours.get("ab/k") == body


def test_parts_are_refused_as_whole_objects_are(server: ObjectServer) -> None:
    wrong = Credentials(access_key_id=server.credentials.access_key_id, secret_access_key="never-to-be-shown-anywhere")
    store = _s3(server, credentials=wrong)
    attempts: list[Callable[[], object]] = [
        lambda: store.start_upload("k"),
        lambda: store.put_part("k", "u", 1, 0, b"1", _no_wait),
        lambda: store.get_range("k", 0, 1, bytes, _no_wait),
        lambda: store.clear_uploads("objects", 0),
    ]
    for attempt in attempts:
        with pytest.raises(StoreRefused, match="does not belong to the access key") as caught:
            attempt()
        assert "never-to-be-shown" not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__}"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    absent = open_store("s3://bucket/p", endpoint_url=f"http://127.0.0.1:{port}", credentials=server.credentials)
    with pytest.raises(StoreUnreachable, match="connection refused"):
        absent.start_upload("k")
