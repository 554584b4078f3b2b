"""For every test: a machine that is busy with something else changes nothing about what is right, and nothing waits for
ever."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from edge_runtime.processes import cores

if TYPE_CHECKING:
    from tests.fakes.rolling_site import RollingSite
    from tests.fakes.site import FakeSite

# The same examples at every run, however long each takes; `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

_STDERR = pytest.StashKey[int]()
_USUAL_S = {"e2e": 5.0, "faults": 5.0, "contract": 2.0, "gui": 1.0, "unit": 0.2}
"""About what a test takes, by its folder."""
_LONG_S = 20.0
"""About what one takes that has a limit of its own."""


@pytest.fixture(scope="session")
def first_site(tmp_path_factory: pytest.TempPathFactory) -> FakeSite:
    """One without a release, to be copied."""
    from tests.fakes.site import FakeSite

    return FakeSite(tmp_path_factory.mktemp("first") / "site")


@pytest.fixture(scope="session")
def first_desktop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a desktop that has made a site, "Test site", with the passphrase "correct horse"; to be copied."""
    from app.usecases import sites

    home = tmp_path_factory.mktemp("first") / "desktop"
    sites.create_site(home, "Test site", "correct horse").close()
    return home


@pytest.fixture
def plant(tmp_path: Path, first_desktop: Path) -> Iterator[RollingSite]:
    """A site without boxes so far."""
    from tests.fakes.rolling_site import rolling_site

    with rolling_site(tmp_path, first_desktop) as made:
        yield made


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Five for two cores: with real boxes, which is most of the time, a worker keeps a quarter of a core busy.

    Otherwise it waits for other processes, and for time to pass.
    """
    return max(1, cores() * 5 // 2)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers are given one file after the other. Those that take long come first: begun at the end, such a file keeps
    one worker busy while the others have nothing left."""
    if hasattr(config, "workerinput"):
        takes_s = defaultdict[Path, float](float)
        for item in items:
            folder = item.nodeid.partition("tests/")[2].partition("/")[0]
            takes_s[item.path] += _LONG_S if item.get_closest_marker("timeout") else _USUAL_S.get(folder, 1.0)
        items.sort(key=lambda item: -takes_s[item.path])


def pytest_configure(config: pytest.Config) -> None:
    # A shell's job in the background ignores Ctrl+C, and so would every process that a test starts and stops by it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # What goes to standard error during a test is kept from the terminal.
    config.stash[_STDERR] = os.dup(2)


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Whoever watches over a test's time stops at its failure. What it tidies up afterwards can hang all the same."""
    if not node.config.getoption("usepdb"):
        _end_later(node.config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """A thread that a test has left behind would keep the process from ending; those of pytest-xdist are ended anyway,
    and live on until the last one has done its tests."""
    if not hasattr(config, "workerinput"):
        _end_later(config)


def _end_later(config: pytest.Config) -> None:
    """End the process, with what every thread was doing, unless it is called off before a test's time is over."""
    seconds = float(config.getoption("timeout") or config.getini("timeout"))
    faulthandler.dump_traceback_later(seconds, file=config.stash[_STDERR], exit=True)
