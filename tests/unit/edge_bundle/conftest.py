"""Small bundles that no test changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.edge_bundles import small_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("newer"), version="1.1.0")
