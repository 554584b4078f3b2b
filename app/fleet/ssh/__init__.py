"""Reaching a machine over SSH, and making a box of it."""
