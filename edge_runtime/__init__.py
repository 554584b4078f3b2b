"""The box: runs quantized models offline, keeps what is hard, takes updates that cannot stop the line."""

import os

# Newer builds of ONNX Runtime report to their maker, and read this once, when they are imported. Every program of
# Lineside imports this package before it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
