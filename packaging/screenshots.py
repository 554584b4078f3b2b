"""Pictures for the documentation: the real window on a real site, such as one that ``lineside demo --dir`` left.

    python packaging/screenshots.py SITE_HOME [--out docs/images] [--language en|zh] [--theme light|dark] [--page PAGE]

Works without a screen. The site is opened as it is; nothing in it is changed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QTableView

from app.context import open_context
from app.gui.main import Desktop
from app.gui.pages.boxes import BoxesPage

ROOT = Path(__file__).resolve().parents[1]
FILES = {"boxes": "window"}
"""Pages whose picture has another name than they."""
QUIET_MS = 600
DEADLINE_S = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="the site's folder")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--language", choices=["en", "zh"], default="en")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--page", action="append", help="only this page; may be repeated")
    options = parser.parse_args()
    application = QApplication([])
    desktop = Desktop(application)
    context = open_context(options.home)
    # Only for the pictures: not saved.
    context.settings = replace(context.settings, theme=options.theme, language=options.language)
    desktop.show_site(context)
    window = desktop.window
    if window is None:
        raise SystemExit("no window came up")
    options.out.mkdir(parents=True, exist_ok=True)
    suffix = "" if (options.theme, options.language) == ("light", "en") else f"-{options.theme}-{options.language}"
    for name in options.page or window.pages:
        window.go(name)
        _settle(desktop)
        page = window.pages[name]
        if isinstance(page, BoxesPage) and page.model.rowCount() > 1:
            # The line that changed has the more interesting chart.
            page.table.selectRow(page.model.rowCount() - 1)
            _settle(desktop)
        for table in page.findChildren(QTableView):
            table.clearFocus()
        path = options.out / f"{FILES.get(name, name)}{suffix}.png"
        window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888).save(str(path), quality=0)
        sys.stdout.write(f"{path} {path.stat().st_size // 1000} kB\n")
    return 0 if desktop.close() else 1


def _settle(desktop: Desktop) -> None:
    """Until every question is answered and drawn."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        pause = QEventLoop()
        QTimer.singleShot(QUIET_MS, pause.quit)
        pause.exec()
        if desktop.tasks.idle or time.monotonic() > deadline:
            return


if __name__ == "__main__":
    sys.exit(main())
