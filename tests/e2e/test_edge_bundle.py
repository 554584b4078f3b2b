"""The whole edge bundle: built from real wheels, installed by a Python without any package, under another user and
without a network, and served a model with."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.fleet.edge_bundle import open_edge_bundle
from tests.fakes.edge_bundles import EDGE, INTERPRETER, PYTHON, run_installer
from tests.unit.serving import onnx_models as models
from tests.waiting import wait_until

ROOT = EDGE.parents[1]
