"""The desktop's side of the boxes: finding them and speaking to them over pinned mutual TLS."""
