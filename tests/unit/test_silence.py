"""Nothing calls home: loading and running a model leaves no trace outside its own folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fakes import models

SCRIPT = """
import os, sys
from edge_runtime.contracts.manifest import BundleManifest
from edge_runtime.inference.engine import Engine

model, manifest, frame = (open(path, "rb").read() for path in sys.argv[1:])
spec = BundleManifest.from_bytes(manifest)
Engine(model, spec.input, spec.output).predict(frame)
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


def test_running_a_model_writes_nothing_and_opts_out_of_telemetry(tmp_path: Path) -> None:
    parts = []
    for name, body in (
        ("model.onnx", models.brightness_model()),
        ("manifest.json", models.manifest().to_bytes()),
        ("frame.jpg", models.frame(200)),
    ):
        (tmp_path / name).write_bytes(body)
        parts.append(str(tmp_path / name))
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *parts],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home / "cache")},
    )
    assert done.stdout.strip() == "1"
    assert list(home.iterdir()) == []
