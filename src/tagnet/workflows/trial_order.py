"""What a worker tells the process that it starts for a trial."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from tagnet.strict_build import build, to_plain
from tagnet.workflows.sweep_settings import OptunaSettings

TRIAL_VARIABLE = "TAGNET_TRIAL"


@dataclass(frozen=True)
class TrialOrder:
    """Which trial a process is to train."""

    folder: str
    """The sweep's."""
    number: int
    study: OptunaSettings | None
    """Where Optuna decides whether it is given up."""

    def to_variable(self) -> str:
        """The value of the environment variable."""
        return json.dumps(to_plain(self))


def ordered_trial() -> TrialOrder | None:
    """The trial that this process was started for; None for an ordinary run."""
    text = os.environ.get(TRIAL_VARIABLE)
    return None if text is None else build(TrialOrder, json.loads(text))
