"""What a place that can run a burst must do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cloud_sync.bursts.budget import Price
from cloud_sync.bursts.spec import Attempt, BurstId, BurstSpec
from edge_runtime.contracts.rows import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price and where it is from."""

    host: Name
    price: Price
    source: str
    """In plain words, such as "this machine" or "EC2 spot price of 12:05"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One attempt to start. Persisted before the call, so that after a crash the same request is repeated."""

    burst: BurstId
    attempt: Attempt
    store_address: str
    deadline_ms: int
    """Of this attempt; never later than the spec's."""
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHandle:
    """An attempt that a host has; enough to stop it from a desktop that did not start it."""

    host: Name
    burst: BurstId
    attempt: Attempt
    where: dict[str, str] = field(default_factory=dict)
    """What the host needs to know it again: a process id and its start time, an instance's id."""


class Host(Protocol):
    """A place that can run a burst's agent.

    Every method raises HostUnreachable where the host cannot say: that is never taken as "not there".
    """

    @property
    def name(self) -> str: ...

    def quote(self, spec: BurstSpec, /) -> Quote:
        """What one attempt would cost now.

        :raises TrainingUnavailable: this host cannot run it at all.
        """
        ...

    def start(self, launch: Launch, env: Mapping[str, str]) -> HostHandle:
        """Start the attempt's agent; the same launch again gives the attempt that is there already.

        :param env: secrets and settings for the agent's environment (credentials of the store); they appear in
            no argument, file or log.
        :raises TrainingUnavailable: this host cannot run it at all.
        """
        ...

    def find(self, burst: str) -> list[HostHandle]:
        """The burst's attempts that are alive now, whoever started them."""
        ...

    def stop(self, handle: HostHandle) -> None:
        """End the attempt, politely first; returns when it is gone. One that is gone already is no error."""
        ...

    def last_words(self, handle: HostHandle) -> str:
        """The end of what the attempt wrote to its standard error; empty where there is nothing."""
        ...
