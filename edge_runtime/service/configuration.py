"""The box's configuration while it runs: what is in force, what is on trial, and how it comes from one to the other."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from edge_runtime.awake import AwakeClock
from edge_runtime.config import CONFIG_NAME, EdgeConfig, parse_config, require_parseable
from edge_runtime.configuring import versions
from edge_runtime.configuring.hidden import reveal
from edge_runtime.configuring.store import find_config
from edge_runtime.configuring.trial import Expected, LineNow, Seen, Trial, judge, live, to_judge
from edge_runtime.contracts.config_errors import ConfigMoved
from edge_runtime.contracts.configuring import ConfigChange, ConfigHistory, ConfigOrigin, ConfigReturn
from edge_runtime.contracts.errors import BoxBusy, BoxRefused, ConfigInvalid, LinesideError, NotFound
from edge_runtime.contracts.status import ConfigStatus
from edge_runtime.service.config_file import ConfigFile
from edge_runtime.service.config_parts import Parts, named, problem_of
from edge_runtime.service.config_record import ConfigRecord
from edge_runtime.service.crashes import RETURNS_AFTER, Crash
from edge_runtime.sources import check_pipelines
from edge_runtime.toml_lines import with_name

EDITED_MEANWHILE = f"{CONFIG_NAME} was edited on the box meanwhile, and nobody's work is overwritten."
BEFORE_RUNS = "The version that was in force before runs."
OTHERS_RUN = "The other sections run."
ON_TRIAL = "Another configuration is on trial on this box."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trying:
    """A configuration on trial: its text lies in the store, and ``edge.toml`` has the digest ``base``."""

    config: EdgeConfig
    text: bytes
    base: str
    before: EdgeConfig
    trial: Trial | None = None
    """None: it has not begun to run."""


class Configuration:
    """``edge.toml`` of the box in ``home``, with its versions.

    Where it was edited so that it cannot be used, the version that was in force before runs: a line does not stand
    still for a typing mistake.

    :raises NotFound: there is none.
    :raises ConfigInvalid: it cannot be used, and nothing is known of any before.
    """

    def __init__(self, home: Path) -> None:
        self._file, self._record = ConfigFile(home / CONFIG_NAME), ConfigRecord(home)
        self._box: Parts | None = None
        self._lock = threading.Lock()
        self.found = find_config(home)
        """What was taken at the start, and why that is not what stands in ``edge.toml``."""
        self.current = self.found.sound.config
        """What runs: in force, or on trial."""
        self._trying: _Trying | None = None
        self._opened_as: dict[str, tuple[str, int]] = {}
        """Where the listener for desktops was opened, by what was asked for."""
        self._opening = ""
        self._opened = self._reached = False
        """Since the trial began."""
        self._clock = AwakeClock()
        self.interrupted = False
        """The life before this one ended with a configuration on trial."""

    def start(self, box: Parts) -> None:
        """Once, before anything runs: end what a power cut interrupted, and note what was edited since."""
        self._box = box
        digest, before = self.digest(self.found.text), self._record.load()
        trial = before.in_state("trial")
        self.interrupted = trial is not None
        if self.found.lost:
            history = versions.give_up(before, versions.CUT_DURING_TRIAL)
            self._around.put_back(self._file.path, self.found.text, digest)
        elif self.found.problem:
            history = versions.give_up(before, versions.CUT_DURING_TRIAL)
            self._around.alert("config.invalid", f"{self.found.problem} {BEFORE_RUNS}")
        else:
            history = versions.recover(before, digest)
        for problem in self.found.sound.problems:
            self._around.alert("config.invalid", f"{problem} {OTHERS_RUN}")
        if history.in_state("in-force") is None:
            origin: ConfigOrigin = "edited" if before.versions else "found"
            history = self._added(history, self.found.text, origin=origin, waits=False)
            if origin == "edited":
                self._around.audit("config.edited", f"{CONFIG_NAME} was edited on the box: {named(digest)}.", "box")
        self._record.save(history)
        if trial is None:
            return
        if (ended := history.version(trial.number)) and ended.state == "returned":
            self._around.tell_returned(ended)
        else:
            self._around.tell_committed(trial)

    def heed_crash(self, *, excused: bool, program: str) -> Crash | None:
        """Leave a configuration with which the process crashed again and again. After :meth:`start`, before anything
        else runs.

        :param excused, program: as :func:`edge_runtime.service.crashes.begin_life`.
        :returns: the crash, and who is suspected now: the model where there is nothing to go back to.
        """
        crash = self._around.crashes.begin(excused=excused, configuration=self.last_change, program=program)
        if crash is None or crash.suspect != "configuration" or crash.count < RETURNS_AFTER:
            return crash
        bad, older = self.history.in_state("in-force"), self._record.before_last_change()
        if bad is None or older is None:
            return replace(crash, suspect="model")
        number, self.found = older
        reason = f"the box crashed {crash.count} times with it in force, the last time by: {crash.how}"
        history = versions.leave(self.history, number, reason)
        self._around.tell_returned(replace(bad, reason=reason))
        # Whatever happens now, the reason is known.
        self._around.spool.flush()
        try:
            # What somebody edited meanwhile stays: it does not run, and waits to be corrected.
            if self.digest(self.text()) == bad.digest:
                self._file.write(self.found.text)
        except (LinesideError, OSError) as error:
            _log.error("%s is not written, and the configuration of before runs all the same: %s", CONFIG_NAME, error)
        self._record.save(history)
        self.current = self.found.sound.config
        self._around.spool.limit_to(self.current.spool)
        self._around.go_by(self.current)
        self._around.crashes.configured(self.last_change)
        return replace(crash, suspect="none")

    @property
    def last_change(self) -> int:
        """See :func:`edge_runtime.configuring.versions.last_change`."""
        return versions.last_change(self.history)

    def status(self) -> ConfigStatus | None:
        return versions.status(self.history)

    def digest(self, text: bytes) -> str:
        """What a text is known by; see :meth:`ConfigStore.digest`."""
        return self._record.digest(text)

    @property
    def history(self) -> ConfigHistory:
        return self._record.history

    @property
    def on_trial(self) -> bool:
        """One is being tried, or was asked for."""
        return self._trying is not None

    def text(self) -> bytes:
        """``edge.toml`` as it stands.

        :raises ConfigInvalid: it is gone, or cannot be read.
        """
        return self._file.text()

    def text_of(self, number: int) -> bytes:
        """:raises NotFound: there is no such version any more."""
        return self._record.text_of(number)

    def change(self, asked: ConfigChange, who: str) -> ConfigHistory:
        """Put a text on trial.

        :raises ConfigInvalid: with the line; nothing was changed.
        :raises ConfigMoved: what was changed is not what stands there.
        :raises BoxBusy: something is on trial already, or a drill is under way.
        :raises BoxRefused: it could not be written down.
        """
        require_parseable(asked.toml)
        with self._lock:
            known = self._require(asked.base)
            text = reveal(asked.toml, known.decode("utf-8", "replace"))
            return self._begin(text, known, who, "sent")

    def go_back(self, asked: ConfigReturn, who: str) -> ConfigHistory:
        """Put an older text on trial.

        :raises NotFound: there is none.
        :raises ConfigInvalid, ConfigMoved, BoxBusy, BoxRefused: as :meth:`change`.
        """
        with self._lock:
            known = self._require(asked.base)
            number = asked.version
            version = versions.before(self.history) if number is None else self.history.version(number)
            if version is None:
                raise NotFound(
                    "There is no such version of this box's configuration.",
                    hint="See which there are: `lineside boxes config BOX --history`.",
                )
            text = self._record.text_of(version.number).decode("utf-8", "replace")
            return self._begin(text, known, who, "returned-to", of=version.number)

    def rename(self, name: str) -> None:
        """Call the box otherwise, and change nothing else.

        :raises ConfigInvalid: its name stands there in no usual way.
        :raises BoxBusy: another configuration is on trial.
        """
        with self._lock:
            if self._trying:
                raise BoxBusy(ON_TRIAL)
            before = self.text().decode("utf-8", "replace")
            text = with_name(before, name) or ""
            if not text or parse_config(text) != structs.replace(parse_config(before), name=name):
                raise ConfigInvalid(
                    f"The name in {CONFIG_NAME} cannot be changed from here.",
                    hint="Change `name` in the box's edge.toml by hand, then try again.",
                )
            in_force = self.history.in_state("in-force")
            waits = in_force is None or in_force.digest != self.digest(before.encode())
            self._file.write(text.encode())
            self.current = structs.replace(self.current, name=name)
            self._record.save(self._added(self.history, text.encode(), origin="renamed", waits=waits))

    def where(self) -> tuple[str, int]:
        """Where the listener for desktops is to be opened: where it was found before, if that is still asked for."""
        management = self.current.management
        self._opening = management.listen
        return self._opened_as.get(management.listen, management.address)

    def opened(self, address: tuple[str, int]) -> None:
        """The listener for desktops is open there."""
        self._opened_as[self._opening] = address
        self._opened = True

    def reached(self) -> None:
        """A desktop asks about the configuration, so it has found the box."""
        if self._opened:
            self._reached = True

    def tick(self) -> None:
        """Call a few times a second, from one thread."""
        with self._lock:
            if (trying := self._trying) is None:
                # An edit counts from the next start, or once it is sent from a desktop.
                self._file.look(changed=self._heed, gone=self._put_back)
            elif trying.trial is None:
                self._try(trying)
            else:
                around, now_s = self._around, self._clock()
                around.lines.hand_over()
                seen = Seen(now_s=now_s, lines=around.lines_now(), reached=self._reached, missing=around.missing())
                verdict = judge(trying.trial, seen)
                if verdict is not None and verdict.against:
                    self._give_up(trying, verdict.against)
                elif verdict is not None:
                    self._commit(trying)

    @property
    def _around(self) -> Parts:
        if self._box is None:
            raise BoxRefused("The box is just starting.", hint="Try again in a moment.")
        return self._box

    def _require(self, base: str) -> bytes:
        """``edge.toml`` as it stands, if that is what was changed."""
        known = self.text()
        if self.digest(known) != base:
            raise ConfigMoved(f"{CONFIG_NAME} on this box is not the one that was changed.")
        # An edit of a moment ago is kept as a version before anything takes its place.
        self._heed(known)
        return known

    def _begin(
        self, text: str, known: bytes, who: str, origin: ConfigOrigin, *, of: int | None = None
    ) -> ConfigHistory:
        config = parse_config(text)
        check_pipelines(config, text)
        body, in_force = text.encode(), self.history.in_state("in-force")
        if self._trying is not None and self._trying.text == body:
            # Asked once more, as the answer was lost on the way.
            return self.history
        if self._trying is not None:
            raise BoxBusy(ON_TRIAL)
        if body == known and in_force is not None and in_force.digest == self.digest(body):
            return self.history
        self._around.require_listenable(self.current, config, text, self._opened_as)
        with self._around.turns.begin("configuration"):
            self._put_on_trial(
                _Trying(config=config, text=body, base=self.digest(known), before=self.current), who, origin, of
            )
        self._around.changed()
        return self.history

    def _put_on_trial(self, trying: _Trying, who: str, origin: ConfigOrigin, of: int | None) -> None:
        body = trying.text
        self._record.put_on_trial(body, at_ms=self._around.now_ms(), who=who, origin=origin, of=of)
        self._around.audit("config.received", f"{CONFIG_NAME} with {named(self.digest(body))} is on trial.", who)
        self._trying = trying

    def _try(self, trying: _Trying) -> None:
        before, after = trying.before, trying.config
        had = self._around.lines_now()
        at_work = live(had, time.monotonic())
        self._opened = self._reached = False
        self.current = after
        try:
            self._around.apply(before, after, trial=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the box goes back to what it had
            _log.exception("the new configuration cannot be run")
            self._give_up(trying, f"It could not be run: {error}")
            return
        lines = self._around.lines_now()
        expected = {
            now: Expected(
                base=line.fresh,
                errors=line.errors,
                within_s=at_work[was],
                pace=had[was].pace if runs_on and had[was].settled else 0.0,
            )
            for now, (was, runs_on) in to_judge(before, after, at_work).items()
            if (line := lines.get(now, LineNow(frames=0)))
        }
        trial = Trial(
            began_s=self._clock(),
            lines=expected,
            moved=before.management != after.management,
            listeners=before.inference != after.inference,
        )
        self._trying = _Trying(config=after, text=trying.text, base=trying.base, before=before, trial=trial)
        _log.info("a new configuration is on trial")
        self._around.changed()

    def _commit(self, trying: _Trying) -> None:
        try:
            if self.digest(self.text()) != trying.base:
                self._give_up(trying, EDITED_MEANWHILE)
                return
            self._file.write(trying.text)
        except (LinesideError, OSError) as error:
            self._give_up(trying, f"It could not be written to {CONFIG_NAME}: {error}")
            return
        self._trying = None
        self._around.settle(trying.config)
        self._record.save(versions.commit(self.history))
        self._around.crashes.configured(self.last_change)
        if version := self.history.in_state("in-force"):
            self._around.tell_committed(version)
        self._around.changed()

    def _give_up(self, trying: _Trying, why: str) -> None:
        version = self.history.in_state("trial")
        # First on the disk: whatever happens now, the reason is known.
        self._record.save(versions.give_up(self.history, why))
        if version and (ended := self.history.version(version.number)):
            self._around.tell_returned(ended)
        self._trying, self.current = None, trying.before
        self._around.apply(trying.config, trying.before)
        self._around.changed()

    def _put_back(self) -> None:
        """The file is gone: what is in force is written anew."""
        in_force = self.history.in_state("in-force")
        if in_force is not None:
            with suppress(NotFound):
                self._around.put_back(self._file.path, self._record.text_of(in_force.number), in_force.digest)

    def _heed(self, body: bytes) -> None:
        """Keep what stands in the file where that is news: somebody edited it."""
        digest = self.digest(body)
        in_force, waiting = self.history.in_state("in-force"), self.history.in_state("waiting")
        if in_force is not None and in_force.digest == digest:
            if waiting is not None:
                self._record.save(versions.without_waiting(self.history))
                self._around.changed()
            return
        if waiting is not None and waiting.digest == digest:
            return
        why = problem_of(body)
        self._record.save(self._added(self.history, body, origin="edited", waits=True, reason=why))
        self._around.audit("config.edited", f"{CONFIG_NAME} was edited on the box: {named(digest)}.", "box")
        if why:
            self._around.alert("config.invalid", f"{CONFIG_NAME} was edited on the box and cannot be used: {why}")
        self._around.changed()

    def _added(
        self, history: ConfigHistory, body: bytes, *, origin: ConfigOrigin, waits: bool, reason: str = ""
    ) -> ConfigHistory:
        return self._record.added(history, body, at_ms=self._around.now_ms(), origin=origin, waits=waits, reason=reason)
