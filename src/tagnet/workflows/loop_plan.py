"""What makes a labelling loop, and what ends it: recorded at its start, held against what is asked for later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json
from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, LabelingError, RunDirectoryError, nearest
from tagnet.evaluation.metrics import HEADLINE_KEYS, LOWER_IS_BETTER
from tagnet.labeling.query.choose import RANDOM_SHARE
from tagnet.labeling.query.strategies import DEFAULT_STRATEGY
from tagnet.labeling.resolve import Rule
from tagnet.labeling.stopping import StoppingRules
from tagnet.labeling.tools.label_studio import Control
from tagnet.records.json_files import read_json
from tagnet.strict_build import build, to_plain
from tagnet.training.run_directory import flatten
from tagnet.workflows.loop_files import LoopFiles

SERVER = "label-studio"
METRICS = tuple(name for name in HEADLINE_KEYS if name not in LOWER_IS_BETTER)
_FORMAT = 1


@dataclass(frozen=True)
class LoopPlan:
    """All that must stay the same from the first round to the last."""

    config: TrainConfig
    """The settings of every run; the loop chooses records, split, label space and folder."""
    records: str
    """Where the records come from: those with tags are labelled, the others wait."""
    evaluation: str | None = None
    """A split file, whose validation and test records are the loop's; None: drawn from the labelled ones."""
    tool: str = SERVER
    """Where people label."""
    project: str | None = None
    """The title of the project on a Label Studio server; None: by file."""
    control: Control = "choices"
    suggest: bool = False
    """Whether people find ticked what the model would say."""
    strategy: str = DEFAULT_STRATEGY
    batch_size: int = 50
    """Records that are asked in a round."""
    random_share: float = RANDOM_SHARE
    """Of them, drawn at random."""
    dropout_passes: int = 10
    """Members of the ensemble, for strategies that need one."""
    resolve: Rule = "latest"
    """Whose tags a record gets that several annotators answered."""

    def to_plain(self) -> dict[str, Any]:
        """What loop.json holds."""
        own = {name: value for name, value in vars(self).items() if name != "config"}
        training = to_plain(self.config)
        # What the loop chooses itself is nobody's setting.
        training["run"]["dir"] = None
        return {"format_version": _FORMAT, **own, "training": training}


@dataclass(frozen=True)
class LoopRules:
    """What ends the loop; another call may change it."""

    rounds: int = 5
    """How often people are asked."""
    metric: str = "f1_macro"
    """The score that target and forecast speak of, on validation records."""
    stopping: StoppingRules = field(default_factory=lambda: StoppingRules(agreement=None))

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigError(
                f"--target {self.metric}: expected {', '.join(METRICS)}; found {self.metric!r}"
                f"{nearest(self.metric, METRICS)}"
            )
        if self.rounds < 0:
            raise ConfigError(f"--rounds: expected 0 or more, found {self.rounds}")


def read_plan(files: LoopFiles) -> LoopPlan | None:
    """The plan of the loop in a folder; None where there is none.

    Raises:
        RunDirectoryError: there are files of another kind.
        LabelingError: what is recorded cannot be read.
    """
    if not files.settings.is_file():
        names = sorted(path.name for path in files.folder.iterdir()) if files.folder.is_dir() else []
        strangers = [name for name in names if not name.startswith(".")]
        if strangers or files.folder.is_file():
            raise RunDirectoryError(
                f"--dir {files.folder}: expected a loop, or a new or empty folder, found "
                f"{strangers[0] if strangers else 'a file'}; choose another --dir."
            )
        return None
    plain = read_json(files.settings, "the settings of a labelling loop", LabelingError)
    if not isinstance(plain, Mapping) or plain.get("format_version") != _FORMAT:
        raise LabelingError(f"{files.settings}: expected the settings of a labelling loop, found something else")
    try:
        own = {name: value for name, value in plain.items() if name not in ("format_version", "training")}
        return LoopPlan(config=build(TrainConfig, plain["training"]), **own)
    except (KeyError, TypeError) as fault:
        raise LabelingError(f"{files.settings}: expected the settings of a labelling loop ({fault})") from fault


def record_plan(files: LoopFiles, plan: LoopPlan) -> None:
    """Write the plan of a new loop, or hold it against the one that is there; raises as `read_plan`, `check_plan`."""
    earlier = read_plan(files)
    if earlier is not None:
        check_plan(files, earlier, plan)
    if not files.start.is_file():
        write_json(files.settings, plan.to_plain())


def check_plan(files: LoopFiles, earlier: LoopPlan, plan: LoopPlan) -> None:
    """Refuse to go on with a loop by another plan; one that could not even start may be started anew.

    Raises:
        ConfigError: a setting differs; it is named.
    """
    if not files.start.is_file():
        return
    before, now = flatten(earlier.to_plain()), flatten(plan.to_plain())
    for key in [*now, *before]:
        if before.get(key) != now.get(key):
            name = key.removeprefix("training.") if "." in key else f"--{key.replace('_', '-')}"
            raise ConfigError(
                f"{name}: the loop in {files.folder} was started with {before.get(key)!r}, found {now.get(key)!r}\n"
                "Go on with what it was started with, or start another loop in another --dir."
            )


def record_rules(files: LoopFiles, changed: Mapping[str, Any]) -> LoopRules:
    """The rules as they were recorded, with what is asked for now, which is recorded.

    Args:
        files: of the loop.
        changed: `rounds`, `metric` and the fields of `StoppingRules`, those that are given.

    Raises:
        ConfigError: a rule makes no sense.
        LabelingError: what is recorded cannot be read.
    """
    rules = LoopRules()
    try:
        if files.rules.is_file():
            plain = read_json(files.rules, "the rules of a labelling loop", LabelingError)
            rules = LoopRules(plain["rounds"], plain["metric"], StoppingRules(**plain["stopping"]))
    except (KeyError, TypeError) as fault:
        raise LabelingError(f"{files.rules}: expected the rules of a labelling loop ({fault})") from fault
    own = {name: value for name, value in changed.items() if name in ("rounds", "metric")}
    others = {name: value for name, value in changed.items() if name not in own}
    rules = replace(rules, **own, stopping=replace(rules.stopping, **others))
    write_json(files.rules, asdict(rules))
    return rules


def check_unchanged_source(plan: LoopPlan, path: Path, recorded: str, now: str) -> None:
    """Refuse records that were edited after the loop had started from them.

    Raises:
        LabelingError: they were.
    """
    if recorded != now:
        raise LabelingError(
            f"{path}: the records changed since the loop was started from them: expected {recorded[:16]}…, found "
            f"{now[:16]}…\nThe loop has its own versions of {plan.records}; put the file back, or start another loop."
        )
