"""The desktop's SQLite: one writer thread, many readers, everything that the engineer needs without a network."""
