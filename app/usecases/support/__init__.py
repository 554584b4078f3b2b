"""A file for whoever is asked for help: what this desktop and its boxes know of themselves, without secrets."""

from __future__ import annotations

from app.usecases.support.bundle import MAX_FILE_BYTES, SupportBundle, write_bundle, write_bundle_of_home

__all__ = ["MAX_FILE_BYTES", "SupportBundle", "write_bundle", "write_bundle_of_home"]
