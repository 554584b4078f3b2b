"""``edge.toml``: what a person may decide about a box. Read as data, checked in full, never executed."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import ConfigInvalid, NotFound
from edge_runtime.contracts.rows import Name, Share
from edge_runtime.contracts.status import MAX_PIPELINES, MAX_WORDS
from edge_runtime.toml_lines import line_of, longest_key

MAX_CONFIG_BYTES = 256 * 1024
MAX_DOTS = 64
"""In one line, outside of strings: a parser's time grows with the square of a key's length."""
CONFIG_NAME = "edge.toml"
DEFAULT_PORT = 7443
"""Where a box listens for desktops unless it is told otherwise."""
DEFAULT_PAIRING_PORT = 7444
"""Where it takes a one-time code unless it is told otherwise."""
KEYS = "keys"
"""Folder of the box's identity, beside the configuration."""

TEMPLATE = """\
# What this box is called; its identity is its key, so two boxes may carry the same name.
name = {name}

[management]
listen = "[::]:7443"            # at every address, over IPv4 and IPv6; "0.0.0.0:7443" for IPv4 alone
announce = true                 # tell the local network over mDNS
pairing = "[::]:7444"           # takes a one-time code for as long as the box trusts no desktop; "" turns it off

[spool]
max_bytes = 1073741824          # for what no desktop has fetched; the least precious goes first, the oldest of it
reserve_bytes = 536870912       # free disk space that is never touched
memory_bytes = 16777216         # for rows that wait while the disk takes none

# Each class has limits of its own, too. From the most precious down: audits, alerts, hard_samples, shadows, rollups,
# random_samples, unlabelled_samples, results.
# [spool.results]
# max_bytes = 402653184
# max_age_days = 30

[inference]
http = "127.0.0.1:8000"         # Open Inference Protocol for programs on this machine; "" turns it off
grpc = ""                       # the same over gRPC

# One section for each line that the box watches:
# [[pipeline]]
# name = "camera"
# source = "folder:/var/lib/camera/frames"
# workers = 1                   # frames in hand at a time; without it as many as suit the model and this box
# keep_random = 0.05            # share of all frames kept at random
# keep_margin = 0.5             # kept as hard where best minus second best is below this

[update]
trial_frames = 40               # a new model answers for this many frames before it is committed,
trial_seconds = 15.0            # or for this long, whichever ends first

[drift]
reference = 150                 # frames after a new model that say what is normal
window = 60                     # frames that are compared with them
thin = 1                        # at most every n-th frame counts; where frames resemble each other, fewer by itself
"""


MAX_NUMBER = 2**53
"""What every reader of a configuration, and of its JSON, still counts exactly."""
Size = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
"""In bytes."""
_HOST_PORT = r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):[0-9]{1,5}"
_LISTEN, _MAYBE_LISTEN = rf"^{_HOST_PORT}\Z", rf"^({_HOST_PORT})?\Z"
_PIPELINE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z"
_SOURCE = r"^[a-z][a-z0-9-]*:.+\Z"
_WANTED = {
    _LISTEN: "wants host:port, for instance [::]:7443",
    _MAYBE_LISTEN: 'wants host:port, for instance 127.0.0.1:8000, or "" for none',
    _PIPELINE_NAME: "wants up to 64 letters, digits, hyphens and underscores, a letter or digit first",
    _SOURCE: "wants kind:location, for instance folder:/var/lib/camera/frames",
}
"""In a person's words."""
MAX_WORKERS = 64
Workers = Annotated[int, Meta(ge=1, le=MAX_WORKERS)]
"""Threads that work at a time: more than that no box has cores for."""
Listen = Annotated[str, Meta(pattern=_LISTEN)]
"""``host:port``; port 0 takes any free one."""
MaybeListen = Annotated[str, Meta(pattern=_MAYBE_LISTEN)]
"""As :data:`Listen`, or nothing."""


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of a checked ``host:port``."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def join_address(host: str, port: int) -> str:
    """``host:port``, as :func:`split_address` takes it apart."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether programs on this machine alone reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Management(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listener for desktops. It moves at once; a change of ``pairing`` takes effect at the next start."""

    listen: Listen = "[::]:7443"
    announce: bool = True
    pairing: MaybeListen = "[::]:7444"
    """Where a desktop that has the box's one-time code may come, for as long as the box trusts none."""

    @property
    def address(self) -> tuple[str, int]:
        return split_address(self.listen)


class Inference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listeners for programs that want answers. They change nothing on the box."""

    http: MaybeListen = "127.0.0.1:8000"
    grpc: MaybeListen = ""
    token_file: str = ""
    """A file (mode 0600) whose one line must come as ``Authorization: Bearer …``; needed where other machines may
    ask."""
    max_body_bytes: Annotated[int, Meta(ge=1024, le=MAX_NUMBER)] = 64 * 2**20
    max_connections: Annotated[int, Meta(ge=1, le=2**20)] = 256
    header_timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 5.0
    """A request must arrive whole in this time, headers and body, as long as it does not keep moving."""
    max_queue: Annotated[int, Meta(ge=1, le=2**20)] = 64
    """Requests that may wait for a worker; the next one is told to come back later."""
    max_run_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    """A run of a model that takes longer is ended."""


class ClassLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one class of the spool may keep; what is not given is the class's own default."""

    max_bytes: Size | None = None
    max_age_days: Annotated[float, Meta(gt=0, le=36_500)] | None = None


class ClassLimit(NamedTuple):
    """What one class of the spool may keep."""

    max_bytes: int
    max_age_days: float


_MIB = 2**20
_CLASS_LIMITS = {
    "audits": ClassLimit(16 * _MIB, 3650),
    "alerts": ClassLimit(16 * _MIB, 365),
    "hard_samples": ClassLimit(256 * _MIB, 90),
    "shadows": ClassLimit(32 * _MIB, 90),
    "rollups": ClassLimit(64 * _MIB, 365),
    "random_samples": ClassLimit(128 * _MIB, 30),
    "unlabelled_samples": ClassLimit(64 * _MIB, 30),
    "results": ClassLimit(384 * _MIB, 30),
}


class SpoolLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much the box may keep for a desktop that has not come by; classes stand from the most precious down."""

    max_bytes: Size = 1024 * _MIB
    """All that is kept, samples' files and rows' contents."""
    reserve_bytes: Size = 512 * _MIB
    memory_bytes: Annotated[int, Meta(ge=64 * 1024, le=MAX_NUMBER)] = 16 * _MIB
    """For rows that wait until a full disk takes them. A change takes effect at the next start."""
    audits: ClassLimits = ClassLimits()
    alerts: ClassLimits = ClassLimits()
    hard_samples: ClassLimits = ClassLimits()
    """Those on which the models disagree, too."""
    shadows: ClassLimits = ClassLimits()
    rollups: ClassLimits = ClassLimits()
    random_samples: ClassLimits = ClassLimits()
    unlabelled_samples: ClassLimits = ClassLimits()
    results: ClassLimits = ClassLimits()

    def of(self, name: str) -> ClassLimit:
        """The limits of a class, with its defaults where the configuration says nothing."""
        given: ClassLimits = getattr(self, name)
        default = _CLASS_LIMITS[name]
        return ClassLimit(
            default.max_bytes if given.max_bytes is None else given.max_bytes,
            default.max_age_days if given.max_age_days is None else given.max_age_days,
        )


class PipelineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line: where its frames come from and which of them are kept."""

    name: Annotated[str, Meta(pattern=_PIPELINE_NAME)]
    source: Annotated[str, Meta(pattern=_SOURCE, max_length=MAX_WORDS)]
    """``kind:location``; the kinds are those registered as ``lineside.sources``."""
    keep_random: Share = 0.05
    keep_margin: Share = 0.5
    workers: Workers | None = None
    """Frames in hand at a time; more than one may mix up their order a little. Without it as many as
    ``lineside-edge bench`` found best for the model, or one for each core."""
    fps: Annotated[float, Meta(gt=0, le=1000)] | None = None
    """Most frames a second to take from a camera, a stream or a replay."""
    window: Annotated[int, Meta(ge=1, le=2**20)] | None = None
    """Points in one window of a signal."""
    hop: Annotated[int, Meta(ge=1, le=2**20)] | None = None
    """Points from one window's begin to the next one's; a whole window where it is not given."""
    order: Literal["time", "name"] | None = None
    """In which order files come that are there at the same time; by time where it is not given."""


class Update(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a new model is on trial."""

    trial_frames: Annotated[int, Meta(ge=1, le=MAX_NUMBER)] = 40
    trial_seconds: Annotated[float, Meta(gt=0, le=31_536_000)] = 15.0


class Drift(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the drift monitor compares, in thinned frames."""

    reference: Annotated[int, Meta(ge=30, le=2**31)] = 150
    window: Annotated[int, Meta(ge=20, le=2**31)] = 60
    thin: Annotated[int, Meta(ge=1, le=2**31)] = 1


class EdgeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of ``edge.toml``."""

    name: Name
    management: Management = Management()
    inference: Inference = Inference()
    spool: SpoolLimits = SpoolLimits()
    pipeline: Annotated[tuple[PipelineConfig, ...], Meta(max_length=MAX_PIPELINES)] = ()
    update: Update = Update()
    drift: Drift = Drift()


def parse_config(text: str) -> EdgeConfig:
    """Read and check a configuration.

    :raises ConfigInvalid: with the line and the field wherever they can be told.
    """
    body = _read_toml(text)
    tables = body.get("pipeline")
    return _checked(body, text, range(len(tables)) if isinstance(tables, list) else ())


class Sound(NamedTuple):
    """What of a configuration can be used."""

    config: EdgeConfig
    positions: tuple[int, ...]
    """Where each of its pipelines stands among all sections of that kind, from 0."""
    problems: tuple[str, ...]
    """Why the others were left out, each with its line."""


def parse_sound(text: str) -> Sound:
    """As :func:`parse_config`, but for sections of pipelines that cannot be used: one does not stop the others.

    :raises ConfigInvalid: something else is wrong with it.
    """
    body = _read_toml(text)
    tables = body.get("pipeline")
    if not isinstance(tables, list):
        return Sound(parse_config(text), (), ())
    config, positions, problems = _checked({**body, "pipeline": []}, text, ()), list[int](), list[str]()
    for position in range(min(len(tables), MAX_PIPELINES)):
        tried = [*positions, position]
        try:
            config = _checked({**body, "pipeline": [tables[at] for at in tried]}, text, tried)
        except ConfigInvalid as error:
            problems.append(error.message)
        else:
            positions = tried
    if len(tables) > MAX_PIPELINES:
        problems.append(f"{CONFIG_NAME} has more than {MAX_PIPELINES} pipelines; the others are left out.")
    return Sound(config, tuple(positions), tuple(problems))


def _read_toml(text: str) -> dict[str, Any]:
    require_parseable(text)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigInvalid(f"{CONFIG_NAME} is not valid TOML: {error}.") from error
    except ValueError as error:
        raise ConfigInvalid(f"{CONFIG_NAME} has a number with more digits than any field takes.") from error


def _checked(body: dict[str, Any], text: str, positions: Sequence[int]) -> EdgeConfig:
    """:param positions: where each pipeline of ``body`` stands in ``text``."""
    wire.prepared(EdgeConfig)
    try:
        config = msgspec.convert(body, type=EdgeConfig)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _explain(text, str(error), positions) from error
    _check_names(config, text, positions)
    for field, listen in (
        ("management.listen", config.management.listen),
        ("management.pairing", config.management.pairing),
        ("inference.http", config.inference.http),
        ("inference.grpc", config.inference.grpc),
    ):
        if listen and split_address(listen)[1] > 65535:
            raise config_error(text, field, "a port is at most 65535")
    return config


def require_parseable(text: str) -> None:
    """:raises ConfigInvalid: no parser is to be troubled with it."""
    if len(text.encode("utf-8", "replace")) > MAX_CONFIG_BYTES:
        raise ConfigInvalid(f"{CONFIG_NAME} is longer than {MAX_CONFIG_BYTES} bytes.")
    if text.startswith("\ufeff"):
        raise ConfigInvalid(
            f"{CONFIG_NAME} begins with a byte order mark, which TOML does not know.",
            hint="Save it as UTF-8 without a byte order mark.",
        )
    dots, line = longest_key(text)
    if dots > MAX_DOTS:
        raise ConfigInvalid(f"{CONFIG_NAME}, line {line}: a key has more parts than any field.")


def _check_names(config: EdgeConfig, text: str, positions: Sequence[int]) -> None:
    seen: set[str] = set()
    for position, pipeline in zip(positions, config.pipeline, strict=True):
        if pipeline.name in seen:
            raise config_error(text, f"pipeline[{position}].name", f"two pipelines are called {pipeline.name!r}")
        # A frame that is pushed goes to one of them; which one, nobody could tell.
        if pipeline.source in seen:
            raise config_error(text, f"pipeline[{position}].source", f"two pipelines read {pipeline.source!r}")
        seen.add(pipeline.name)
        if pipeline.source.startswith("push:"):
            seen.add(pipeline.source)


def in_words(problem: str) -> str:
    """A complaint about a text in a person's words, where it is about its form."""
    if "matching regex" not in problem:
        return problem
    return next((wanted for pattern, wanted in _WANTED.items() if repr(pattern) in problem), problem)


def load_config(path: Path) -> EdgeConfig:
    """Read and check a file.

    :raises NotFound: there is none.
    :raises ConfigInvalid: it cannot be read, or as :func:`parse_config`.
    """
    return parse_config(read_config(path).decode())


def read_config(path: Path) -> bytes:
    """A file's bytes, which are text and not too many of it.

    :raises NotFound: there is none.
    :raises ConfigInvalid: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no {path}.", hint="Run `lineside-edge init` first.") from error
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}.") from error
    if len(body) > MAX_CONFIG_BYTES:
        raise ConfigInvalid(f"{path.name} is longer than {MAX_CONFIG_BYTES} bytes.")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path.name} is not UTF-8 text.") from error
    return body


def config_error(text: str, field: str, problem: str) -> ConfigInvalid:
    """The error for ``field`` (such as ``pipeline[0].source``) of this configuration, with its line if it is there."""
    line = line_of(text, field)
    where = f"line {line}, {field}" if line else field
    return ConfigInvalid(f"{CONFIG_NAME}, {where}: {problem[:1].lower()}{problem[1:].rstrip('.')}.")


def _explain(text: str, complaint: str, positions: Sequence[int]) -> ConfigInvalid:
    problem, _, path = complaint.partition(" - at ")
    field = path.strip("`").removeprefix("$").removeprefix(".")
    if which := re.match(r"pipeline\[(\d+)\]", field):
        field = f"pipeline[{positions[int(which[1])]}]{field[which.end() :]}"
    if field == "pipeline" and "of length <=" in problem:
        field = f"pipeline[{MAX_PIPELINES}]"
        problem = f"a box has at most {MAX_PIPELINES} pipelines, and this is one more"
    elif field.endswith("source") and "of length <=" in problem:
        problem = f"a source has at most {MAX_WORDS} characters"
    elif unknown := re.search(r"unknown field `([^`]*)`", problem):
        field = f"{field}.{unknown[1]}".removeprefix(".")
        problem = "there is no such field"
    elif missing := re.search(r"missing required field `([^`]*)`", problem):
        problem = f"`{missing[1]}` is missing"
    else:
        problem = in_words(problem)
    return config_error(text, field or "the file", problem)
