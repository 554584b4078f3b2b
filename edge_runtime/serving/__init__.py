"""Models for other programs: the Open Inference Protocol v2 over HTTP and gRPC, and the figures for Prometheus."""
