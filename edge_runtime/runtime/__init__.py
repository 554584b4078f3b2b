"""Versions of the box's own program: which one runs, how another comes about, what is checked before it starts."""
