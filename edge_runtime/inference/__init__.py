"""From the bytes of a frame to an answer."""
