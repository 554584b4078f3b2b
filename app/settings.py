"""What the engineer chose for this site on this desktop; no secrets in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import ConfigInvalid, InputInvalid
from edge_runtime.update.durable import write_durably

SETTINGS_NAME = "settings.json"
VERSION = 1
_MAX_BYTES = 2**20

Text = Annotated[str, Meta(min_length=1, max_length=2000)]


Days = Annotated[int, Meta(ge=1, le=36_500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many days figures are kept, from when they came; None: for ever.

    Hours, days of the calendar, labels, alerts, audits and the loss ledger are kept for ever.
    """

    results: Days = 30
    """Rows of single frames on this desktop, once they stand in the bucket."""
    results_unsafe: Days | None = 365
    """The same rows where they do not: there is no store, or it was away all that time."""
    minutes: Days = 400
    """Minutes on this desktop, once they stand in the bucket. Those that do not stay."""
    bucket_results: Days | None = 400
    """Files of single frames in the bucket, by the day that they tell of."""
    bucket_minutes: Days | None = None
    """Files of minutes in the bucket, likewise."""


Rate = Annotated[int, Meta(ge=1024, le=2**40)]
Hours = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What may go to the object store and come from it by itself, and how fast. The journal, with the alerts in it,
    always goes; what somebody opens always comes.
    """

    bytes_per_s: Rate | None = None
    """Files together, both ways; None: as fast as they go."""
    hours: Hours | None = None
    """When files go, by this computer's clock: ``22:00-06:00``; None: always."""
    metered: bool = False
    """Every byte costs: the journal alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One desktop's settings; every field has a default, so an older or shorter file is fine."""

    version: int = VERSION
    language: Literal["auto", "en", "zh"] = "auto"
    theme: Literal["auto", "light", "dark"] = "auto"
    store: Text | None = None
    """Address of the site's object store: ``s3://BUCKET/PREFIX`` or ``folder:PATH``; never with credentials."""
    endpoint_url: Text | None = None
    """Of an S3 server that is not Amazon's."""
    training_python: Text | None = None
    """Interpreter with the training extra, for local bursts; None: the one that runs Lineside."""
    retention: Retention = Retention()
    traffic: Traffic = Traffic()


def load_settings(home: Path) -> Settings:
    """The settings of a site's home; the defaults where nothing was saved. Unknown keys are passed by.

    :raises ConfigInvalid: not JSON, or a value that its key cannot have; names the key.
    """
    path = home / SETTINGS_NAME
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    if len(body) > _MAX_BYTES:
        raise ConfigInvalid(f"{path} is far too long to be settings.")
    try:
        settings = wire.decode(body, Settings, what="file")
    except InputInvalid as error:
        raise ConfigInvalid(
            f"{path}: {error.message}", hint="Correct the value that is named, or delete the file for the defaults."
        ) from error
    if settings.version > VERSION:
        raise ConfigInvalid(
            f"{path} was written by a newer Lineside (settings version {settings.version}, this one knows {VERSION}).",
            hint="Install that version or a newer one; the file was not touched.",
        )
    return settings


def save_settings(home: Path, settings: Settings) -> None:
    """Write the settings so that a power cut leaves the old or the new ones.

    :raises ConfigInvalid: a value is not allowed; nothing was written.
    """
    body = wire.to_dict(settings)
    try:
        wire.from_dict(body, Settings, what="settings")
    except InputInvalid as error:
        raise ConfigInvalid(error.message) from error
    write_durably(home / SETTINGS_NAME, [(json.dumps(body, indent=2) + "\n").encode()])
