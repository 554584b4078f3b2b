"""For every test: a machine that is busy with something else changes nothing about what is right."""

from __future__ import annotations

from hypothesis import settings

# The same examples at every run, however long each takes; `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
