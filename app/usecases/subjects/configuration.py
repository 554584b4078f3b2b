"""A change of the configuration on its way to boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.fleet.config_change import holds, makes, require_change, with_change
from app.fleet.delivery import Needed
from app.store.records import Box, RolloutBox
from app.usecases.box_config import BoxConfig, read_from, require_base
from app.usecases.subjects.base import Found, Sent, Step
from cloud_sync.release.plan import ON_BOX
from edge_runtime.configuring.versions import CUT_DURING_TRIAL
from edge_runtime.contracts.config_errors import ConfigMoved
from edge_runtime.contracts.configuring import ConfigChange, ConfigHistory, ConfigState, ConfigVersion
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.status import BoxStatus

if TYPE_CHECKING:
    from app.fleet.client import BoxClient
    from app.fleet.pacing import RateCap

_STEPS: dict[ConfigState, Step] = {
    "trial": "trial",
    "in-force": "committed",
    "replaced": "kept",
    "waiting": "kept",
    "returned": "returned",
}


class ConfigurationSubject:
    """See :class:`app.usecases.subjects.base.Subject`. What a box has is told by its text: it has every field as the
    change sets it, or not, whoever set it. What a box returned from stands against a change only where that would make
    the same configuration of what is in force now.
    """

    def __init__(self, change: str) -> None:
        self._change = change

    @classmethod
    def of(cls, body: bytes) -> ConfigurationSubject:
        """From the file that every desktop has.

        :raises InputInvalid: nobody could have begun a rollout of it.
        """
        try:
            change = body.decode()
        except UnicodeDecodeError as error:
            raise InputInvalid("A rollout's configuration is not UTF-8 text.") from error
        require_change(change)
        return cls(change)

    def look(self, client: BoxClient, status: BoxStatus, part: RolloutBox) -> Found | None:
        history = client.config_history()
        version = self._version(client, history, part)
        if version is None:
            return None
        if version.state == "returned" and version.reason == CUT_DURING_TRIAL:
            # Nobody can tell a power cut from a configuration that brings the box down: a person decides.
            return Found(step="returned", reason=version.reason, mark=version.number)
        mark, said = version.number, status.config
        if said is not None and said.in_force == mark:
            mark = said.brought_by
        return Found(step=_STEPS[version.state], reason=version.reason or None, mark=mark)

    def stands_against(self, status: BoxStatus, found: Found | None) -> str | None:
        if found is None or found.step != "returned":
            return None
        return (found.reason or "it does not say why").removesuffix(".")

    def forget(self, client: BoxClient) -> None:
        """A box does not refuse what it returned from once."""

    def bring(
        self, box: Box, client: BoxClient, part: RolloutBox, *, again: bool, sent: Sent, caps: Sequence[RateCap]
    ) -> Callable[[], int | None]:
        """:raises ConfigMoved: another configuration is in force there than at the start, or one that was edited waits.
        :raises ConfigInvalid: the change does not go together with what the box has.
        """
        there = read_from(box, client)
        in_force = there.in_state("in-force")
        if part.base is not None and not again and in_force is not None and in_force.number != part.base:
            raise ConfigMoved(
                f"Version {in_force.number} of its configuration is in force on {box.name}; when the rollout began it "
                f"was version {part.base}.",
                hint=f"Look at it: `lineside boxes config {box.name} --history`. To change it all the same, offer it "
                "again.",
            )
        toml = self._changed(there)
        size = len(toml.encode())
        sent(0, size)

        def begin() -> int | None:
            history = client.set_config(ConfigChange(toml=toml, base=there.digest))
            tried = history.in_state("trial") or history.in_state("in-force")
            return tried.number if tried else None

        return begin

    def needs(self, box: Box, client: BoxClient) -> Needed:
        """What bringing it takes; errors as :meth:`bring`, but for what moved since a start."""
        size = len(self._changed(read_from(box, client)).encode())
        return Needed(way="whole", sent=size, disk=2 * size)

    def withdraw(self, client: BoxClient, reason: str) -> bool:
        """A trial of a minute or so comes to its own end."""
        return False

    def _changed(self, there: BoxConfig) -> str:
        require_base(there, None)
        return with_change(there.toml, self._change)

    def _version(self, client: BoxClient, history: ConfigHistory, part: RolloutBox) -> ConfigVersion | None:
        marked = history.version(part.mark) if part.mark is not None else None
        if marked is not None and (marked.state in ("trial", "in-force") or part.state in ON_BOX):
            return marked
        in_force = history.in_state("in-force")
        for version in (history.in_state("trial"), in_force):
            if version is not None and holds(client.config(version.number).toml, self._change):
                return version
        if in_force is None:
            return None
        now = client.config(in_force.number).toml
        returned = (one for one in reversed(history.versions) if one.state == "returned")
        # A text that has these fields and others besides may have been returned for the others.
        return next((one for one in returned if makes(now, self._change, client.config(one.number).toml)), None)
