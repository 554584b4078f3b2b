"""Exporting a site to a stick, and importing it from one."""
