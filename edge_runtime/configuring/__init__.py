"""Versions of a box's configuration: tried, committed, and gone back to."""
