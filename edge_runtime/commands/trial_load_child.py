"""The inside of a trial load: an order comes in a line, the model is loaded, what came of it goes out in a line.

Never imported by another part; started by :class:`edge_runtime.commands.trial_loads.TrialLoads`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from msgspec import Struct

from edge_runtime.commands.pipeline_model import PipelineModel
from edge_runtime.commands.serve_model import ServedFile
from edge_runtime.commands.trial_loads import LoadFacts
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.inference.child_end import goes_with_parent, limit_processor_time
from edge_runtime.inference.child_memory import (
    be_the_first_to_go,
    forget_limit,
    is_lack_of_memory,
    own_memory,
    too_much_memory,
)
from edge_runtime.inference.session import reason_of
from edge_runtime.model_files import read_model_file


class Order(Struct, frozen=True):
    """What is to be tried."""

    what: ServedFile | PipelineModel
    timeout_s: float
    """After which nobody waits for the answer any more."""


def main() -> None:
    """Until nobody asks any more."""
    # What native code prints must not get into the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        order = wire.decode(line, Order, what="trial")
        # The next order comes when this one is answered.
        with goes_with_parent():
            limit_processor_time(order.timeout_s)
            facts = try_load(order.what)
        os.write(answers, wire.encode(facts) + b"\n")


def try_load(what: ServedFile | PipelineModel) -> LoadFacts:
    """Load a model here, for whoever wants to know whether he can."""
    allowed = None
    forget_limit()
    try:
        file = read_model_file(Path(what.path))
        allowed = be_the_first_to_go(what.tuning(file.model).provider)
        what.try_out(file)
    except Exception as error:  # noqa: BLE001 - providers raise whatever they like
        said = error.message if isinstance(error, LinesideError) else reason_of(error)
        if is_lack_of_memory(error, said):
            return LoadFacts(problem=too_much_memory(said, own_memory("VmHWM"), allowed))
        if isinstance(error, LinesideError):
            return LoadFacts(error=error.to_dict())
        return LoadFacts(problem=f"it failed: {said}")
    return LoadFacts(digest=file.digest())


if __name__ == "__main__":
    main()
