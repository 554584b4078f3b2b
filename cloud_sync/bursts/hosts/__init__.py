"""Where a burst can run."""
