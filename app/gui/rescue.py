"""A support bundle of a site that cannot be opened: there is no window then, but help is needed most."""

from __future__ import annotations

import datetime
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from app.gui.errors import ErrorDialog
from app.gui.tasks import Tasks
from app.usecases.support import SupportBundle, write_bundle_of_home
from edge_runtime.contracts.errors import ConfigInvalid, DatabaseDamaged, DatabaseTooNew, LinesideError


def offer_bundle(dialog: ErrorDialog, home: Path, tasks: Tasks) -> None:
    """Let the dialog write one into the person's own folder, where it is the site that is in the way."""
    error = dialog.error
    if not isinstance(error, ConfigInvalid | DatabaseDamaged | DatabaseTooNew):
        return
    problem: LinesideError = error

    def write() -> None:
        today = datetime.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
        path = Path.home() / f"lineside-support-{today}.zip"
        tasks.run_query(lambda: write_bundle_of_home(home, path, problem), told, owner=dialog)

    def told(made: SupportBundle) -> None:
        words = QCoreApplication.translate("ErrorDialog", "Look through {path} before you hand it on.")
        dialog.say(words.format(path=made.path))

    dialog.offer(QCoreApplication.translate("ErrorDialog", "Make a support bundle"), "shield", write)
