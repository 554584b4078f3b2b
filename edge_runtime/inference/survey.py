"""Which trials are made, in what order and for how long, so that a survey of all configurations ends in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.inference.autotune import (
    Configuration,
    Measurement,
    agreement,
    configurations,
    finalists,
    together,
)
from edge_runtime.inference.providers import CPU
from edge_runtime.inference.trials import TrialFacts, measurement

ANSWERS = 32
"""Inputs on which the variants' answers are compared."""
SURVEY_SHARE = 0.6
"""Of the time goes to a first look at everything; what is left to a longer one at the best."""
TURNS = 2
"""The best are measured so often more, by turns."""
LEAST_S, MOST_S = 0.15, 3.0
"""How long one trial measures."""
MOST_TOLD = 150
"""Characters about a model's inputs, which may be many."""
NO_TIME = "not tried: the time was up"

Shape = tuple[int, ...]
Trial = Callable[[Configuration, float, int], TrialFacts]
"""Measures a configuration for so many seconds and says its answers to so many inputs."""


@dataclass(slots=True)
class Survey:
    """Tries the variants of a model on this box.

    :param variants: the first is the one that the others' answers are compared with.
    :param trial: how one configuration is measured.
    :param seconds: about how long all of it may take, without what does not run at all.
    """

    variants: Sequence[str]
    providers: Sequence[str]
    core_count: int
    trial: Trial
    seconds: float
    clock: Callable[[], float] = time.monotonic
    progress: Callable[[object], None] = lambda _what: None
    _rows: list[Measurement] = field(default_factory=list)
    _answers: dict[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    _began: float = 0.0
    _spare_s: float = 0.0
    """What a trial takes beside measuring: starting, loading."""

    def run(self) -> list[Measurement]:
        """A row for each configuration, also for those that failed or had no time.

        :raises ModelUnusable: there is one model alone, and it does not run at all.
        :raises InputInvalid: it cannot be run on what it is to be measured with.
        """
        self._began = self.clock()
        batched = self._look_at_variants()
        working = [row.configuration.variant for row in self._rows if row.usable]
        planned = configurations(working, self.providers, self.core_count, batched)
        self._look_at([each for each in planned if each not in self._tried()])
        self._look_again(finalists(self._rows))
        return together(self._rows)

    def _look_at_variants(self) -> list[str]:
        """Each once in the plainest way; those that take several samples in one run."""
        batched, like, inputs = [], "", None
        # How many there will be is not known yet: as if every variant had the usual handful.
        first_s = self._measuring_s(SURVEY_SHARE, 5 * len(self.variants))
        for variant in self.variants:
            facts = self._try(Configuration(variant=variant), first_s, like, inputs)
            if facts.problem is not None and len(self.variants) == 1:
                why = f"{variant}: {facts.problem}."
                raise InputInvalid(why, hint=facts.hint) if facts.hint is not None else ModelUnusable(why)
            if facts.problem is None and inputs is None:
                like, inputs = variant, facts.inputs
            if facts.open_batch:
                batched.append(variant)
        return batched

    def _look_at(self, planned: Sequence[Configuration]) -> None:
        broken: set[tuple[str, str]] = set()
        for done, configuration in enumerate(planned):
            pair = configuration.variant, configuration.provider
            left_s = self._began + SURVEY_SHARE * self.seconds - self.clock()
            if pair in broken:
                continue  # its reason stands in a row already
            if left_s <= 0 and done:
                self._rows.append(Measurement(configuration=configuration, problem=NO_TIME))
                continue
            facts = self._try(configuration, self._bounded(left_s / (len(planned) - done) - self._spare_s))
            if facts.problem is not None and configuration.provider != CPU and pair not in self._answers:
                broken.add(pair)

    def _look_again(self, chosen: Sequence[Configuration]) -> None:
        turns = [configuration for _ in range(TURNS) for configuration in chosen]
        for done, configuration in enumerate(turns):
            left_s = self._began + self.seconds - self.clock()
            if left_s < self._spare_s + LEAST_S:
                return
            self._try(configuration, self._bounded(left_s / (len(turns) - done) - self._spare_s))

    def _try(
        self, configuration: Configuration, seconds: float, like: str = "", inputs: Mapping[str, Shape] | None = None
    ) -> TrialFacts:
        """:param inputs: of ``like``, which it must take to be the same model in another form."""
        pair = configuration.variant, configuration.provider
        self.progress(configuration)
        began = self.clock()
        facts = self.trial(configuration, seconds, 0 if pair in self._answers else ANSWERS)
        if facts.problem is None and inputs and facts.inputs != inputs:
            ours, theirs = _told(facts.inputs), _told(inputs)
            facts = TrialFacts(problem=f"it takes other inputs than {like}: {ours}, not {theirs}")
        if facts.problem is None:
            self._answers.setdefault(pair, facts.answers)
            # Warming up and saying answers takes its share too; the median of what was seen would be no better.
            self._spare_s = max(0.0, self.clock() - began - facts.elapsed_s)
        elif pair not in self._answers:
            # It is not tried again, and the time until it failed, or was given up, is not the others'.
            self._began += self.clock() - began
        reference = self._answers.get((self.variants[0], CPU), ())
        agreed = agreement(self._answers.get(pair, ()), reference)
        self._rows.append(measurement(configuration, facts, agreed))
        return facts

    def _tried(self) -> set[Configuration]:
        return {row.configuration for row in self._rows}

    def _measuring_s(self, share: float, trials: int) -> float:
        return self._bounded(share * self.seconds / trials)

    def _bounded(self, seconds: float) -> float:
        return min(MOST_S, max(LEAST_S, seconds))


def _told(inputs: Mapping[str, Shape]) -> str:
    """Inputs as ``--shape`` takes them."""
    return " ".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in inputs.items())[:MOST_TOLD]
