"""Hatch's hook: a built Lineside knows when it was built; see :mod:`edge_runtime.build_time`."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildTime(BuildHookInterface):  # type: ignore[type-arg]  # hatchling does not export the type of its argument
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        written = Path(self._folder.name) / "build_time.txt"
        written.write_text(os.environ.get("SOURCE_DATE_EPOCH") or str(int(time.time())), "ascii")
        build_data["force_include"][str(written)] = "edge_runtime/build_time.txt"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._folder.cleanup()
