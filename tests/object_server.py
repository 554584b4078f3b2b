"""A real S3 server for tests: ``rclone serve s3`` over a folder, on a loopback port, with keys that it checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloud_sync.objects import Credentials
from tests.waiting import wait_until

BUCKET = "site-bucket"
# The server refuses keys of fewer than 16 characters.
CREDENTIALS = Credentials(access_key_id="lineside-test-access", secret_access_key="lineside-test-secret-key")


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """A running server with one empty bucket."""

    endpoint_url: str
    bucket: str
    credentials: Credentials
    folder: Path
    """Where its buckets lie as folders: a test may damage what it holds."""
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """The AWS variables with which another process finds it."""
        return {
            "AWS_ACCESS_KEY_ID": self.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_access_key,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "NO_PROXY": "127.0.0.1",
        }


@contextmanager
def object_server(folder: Path) -> Iterator[ObjectServer]:
    """Serve ``folder`` (made if need be) until the block ends."""
    (folder / "buckets" / BUCKET).mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    command = [
        *(_rclone(), "serve", "s3", "--addr", "127.0.0.1:0", "--config", os.devnull),
        *("--auth-key", f"{CREDENTIALS.access_key_id},{CREDENTIALS.secret_access_key}"),
        str(folder / "buckets"),
    ]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            endpoint = wait_until(lambda: _endpoint(process, log), 20, "the S3 server to listen")
            yield ObjectServer(endpoint, BUCKET, CREDENTIALS, folder / "buckets", process)
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()


def _endpoint(process: subprocess.Popen[bytes], log: Path) -> str:
    text = log.read_text()
    assert process.poll() is None, f"the S3 server ended: {text}"
    found = re.search(r"Starting s3 server on \[(http://127\.0\.0\.1:\d+)/\]", text)
    return found[1] if found else ""


def _rclone() -> str:
    # The wheel puts the program beside Python's own.
    found = shutil.which("rclone", path=str(Path(sys.executable).parent))
    assert found, "rclone is not installed: pip install -e '.[dev]'"
    return found
