"""The daemon on the box: its lines, its spool, and the one listener that desktops reach."""
