"""The desktop: use-cases over local SQLite, a command line and a window that call only these."""
