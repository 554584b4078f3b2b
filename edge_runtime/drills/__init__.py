"""Faults on purpose, bounded, and what they showed."""
