"""Desktops that change the keys of one site while apart, and boxes that hear of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.context import Context, open_context
from app.fleet.client import BoxClient
from app.store.records import Box
from app.usecases import boxes, introducing, trust
from edge_runtime.contracts.errors import BoxRefused
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.running_box import RunningBox

NAMES = ("one", "two", "three")
COLLEAGUES = ("second", "third")
LOST = ("lost", "sold", "stolen")


@dataclass
class Apart:
    """Three desktops that have the same root, and boxes that all of them look after."""

    desktops: list[Context]
    lost: dict[str, Context]
    """Three more desktops, which somebody has lost, by name."""
    root_key: Path
    running: dict[str, RunningBox]
    """The boxes by name."""

    def strike_off(self, desktop: Context, name: str) -> None:
        trust.strike_off(desktop, name, root_key=self.root_key, passphrase=PASSPHRASE)

    def part(self) -> None:
        """Each desktop strikes another one off, and one box hears of it."""
        for desktop, lost, box in zip(self.desktops, self.lost, NAMES, strict=True):
            self.strike_off(desktop, lost)
            assert self.problem(desktop, box) is None

    def part_by_two(self) -> Context:
        """Strike a desktop off on one that is returned; another one makes two roots beside that, which list it still,
        and it has the first side's root and the second one of the other side.
        """
        office, second, _third = self.desktops
        self.strike_off(office, "lost")
        for name in ("sold", "stolen"):
            self.strike_off(second, name)
        lost = self.lost["lost"]
        for side, version in ((office, office.roots().version), (second, second.roots().version)):
            lost.roots().adopt(side.roots().body(version))
        return office

    def introduce(self, desktop: Context, *names: str) -> dict[str, str]:
        return introducing.introduce_all(
            desktop, list(names), root_key=self.root_key, passphrase=PASSPHRASE, told=lambda _box, _why: None
        )

    def problem(self, desktop: Context, box: str) -> str | None:
        return boxes.refresh(desktop, box)[0].problem

    def listed(self, desktop: Context) -> list[str]:
        return sorted(row.name for row in trust.get_trust(desktop).desktops if row.name in self.lost)

    def lets_in(self, box: str) -> list[str]:
        """Which of the lost desktops a box still answers."""
        return [name for name, lost in self.lost.items() if _answers(boxes.get_box(self.desktops[0], box), lost)]


def _answers(box: Box, desktop: Context) -> bool:
    try:
        with BoxClient(box.address, box.certificate, desktop.identity) as client:
            client.status()
    except BoxRefused:
        return False
    return True


def make_homes(folder: Path, first_desktop: Path) -> Path:
    """Of six desktops that have the same root, by name; to be copied."""
    with ExitStack() as stack:
        office = stack.enter_context(open_context(Path(shutil.copytree(first_desktop, folder / "office"))))
        for desktop in [admitted(office, folder, stack, name) for name in (*COLLEAGUES, *LOST)]:
            # Those that were admitted first do not know of the later ones.
            for version in range(desktop.roots().version + 1, office.roots().version + 1):
                desktop.roots().adopt(office.roots().body(version))
    return folder


@contextmanager
def opened(folder: Path, homes: Path, names: Sequence[str]) -> Iterator[Apart]:
    """:param names: of the boxes."""
    with ExitStack() as stack:

        def desktop(name: str) -> Context:
            return stack.enter_context(open_context(Path(shutil.copytree(homes / name, folder / name))))

        desktops = [desktop(name) for name in ("office", *COLLEAGUES)]
        running = {name: RunningBox(folder, name) for name in names}
        for box in running.values():
            stack.callback(box.stop)
            box.start()
            for each in desktops:
                boxes.enrol_local(each, box.home)
        yield Apart(desktops, {name: desktop(name) for name in LOST}, desktops[0].places.root_key, running)
