"""A site, a database, a box."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store.database import Database
from app.store.records import Box
from app.usecases import sites
from edge_runtime.identity import create_identity
from tests.unit.app.rows import OpenDatabase, digest

PASSPHRASE = "correct horse"


@pytest.fixture
def open_database(tmp_path: Path) -> Iterator[OpenDatabase]:
    """Open a database by name; its replica is the name's digest. All are closed at the end."""
    with ExitStack() as stack:

        def open_one(name: str) -> Database:
            database = Database.open(tmp_path / f"{name}.db", replica=digest(name))
            stack.callback(database.close)
            return database

        yield open_one


@pytest.fixture
def db(open_database: OpenDatabase) -> Database:
    return open_database("desk")


@pytest.fixture(scope="session")
def site_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site made once, to be copied: the root key's encryption is slow on purpose."""
    home = tmp_path_factory.mktemp("sites") / "template"
    sites.create_site(home, "North plant", PASSPHRASE).close()
    return home


@pytest.fixture
def home(site_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(site_template, tmp_path / "home"))


@pytest.fixture
def ctx(home: Path) -> Iterator[Context]:
    with open_context(home) as context:
        yield context


@pytest.fixture
def box(tmp_path: Path) -> Box:
    identity = create_identity(tmp_path / "box-keys", "line-2")
    return Box(
        box=identity.fingerprint,
        name="line-2",
        address="127.0.0.1:1",
        certificate=identity.certificate_pem,
        enrolled_ms=1,
    )
