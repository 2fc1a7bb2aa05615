"""`tagnet train`: compose, check, run, show."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError

_USAGE = """\
Usage: tagnet train [KEY=VALUE ...] [--cfg job]
       tagnet train -m [KEY=A,B,C ...] [launcher=NAME] [sweeper=NAME]

Train, calibrate and measure a tagger. Without settings it runs on the embedded corpus.

  tagnet train data.records=projects.json data.features=[title,description]
  tagnet train experiment=madewithml_b run.seed=1
  tagnet train loss=focal loss.gamma=1.5 optim.lr=5e-5 --cfg job
  tagnet train -m loss=bce,focal,asl optim.lr=1e-4,2e-4
  tagnet train -m sweeper=optuna sweeper.trials=50 launcher=joblib run.dir=runs/sweep

Options:
  -m, --multirun  many runs: each combination of the values given, or what sweeper=optuna proposes
  --cfg job       print the composed settings, and run nothing
  -h, --help      this text

Choices (GROUP=NAME):
"""


def run(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow it."""
    if {"-h", "--help"} & set(arguments):
        print(usage())
        return
    require_extra("train", "train")
    many = [word for word in arguments if word in ("-m", "--multirun")]
    overrides, show = split_arguments([word for word in arguments if word not in many], "train")
    # Imported here, not above: Hydra and Lightning take seconds, and `--help` must not.
    from tagnet.cli.compose import RUN_DIR_VARIABLE, compose_plain, to_yaml, train_config
    from tagnet.config import TrainConfig
    from tagnet.strict_build import build

    if many and show:
        raise ConfigError("--cfg job: it shows the settings of a single run; leave out -m, and give one value a key")
    if many:
        from tagnet.cli.compare import show_sweep
        from tagnet.cli.multirun import run_many, say_what_is_left

        folder = run_many(overrides)
        show_sweep(folder, result_console())
        say_what_is_left(folder)
        return
    if show:
        plain = compose_plain(overrides)
        build(TrainConfig, plain)
        print(to_yaml(plain), end="")
        return
    config = train_config(*overrides)
    assert config.run.dir is not None
    # Processes that the trainer starts run this same command, and must not choose a directory of their own.
    os.environ[RUN_DIR_VARIABLE] = config.run.dir
    messages, results = message_console(), result_console()

    from tagnet.cli.quick_imports import quick_imports

    parallel = config.trainer.strategy != "single"
    # Checkpointing and DDP ask the compiler whether they are being compiled.
    compiles = config.trainer.compile or config.trainer.gradient_checkpointing or parallel
    with quick_imports(compiles=compiles, parallel=parallel):
        from tagnet.training.distributed import is_first_process
        from tagnet.training.fit import fit
        from tagnet.training.summary import print_summary
        from tagnet.workflows.trial_order import ordered_trial

        # What every encoder is built on; loading one would import it, in more time.
        import_module("transformers.modeling_layers")

    if is_first_process():
        speak_to(messages)
    else:
        logging.getLogger("tagnet").setLevel(logging.CRITICAL)
    order = ordered_trial()
    if order is not None:
        from tagnet.workflows.trial import run_trial

        run_trial(config, order, messages)
        return
    finished = fit(config, console=messages)
    print_summary(finished, results)


def split_arguments(arguments: Sequence[str], command: str) -> tuple[list[str], bool]:
    """Separate settings from `--cfg job`, refusing every other option.

    >>> split_arguments(["loss=bce", "--cfg", "job"], "train")
    (['loss=bce'], True)
    """
    overrides, show, words = [], False, iter(arguments)
    for word in words:
        if word in ("--cfg", "-c", "--cfg=job"):
            kind = "job" if "=" in word else next(words, None)
            if kind != "job":
                raise ConfigError(f"{word}: expected `--cfg job`, found {kind!r}")
            show = True
        elif word.startswith("-"):
            raise ConfigError(f"{word}: tagnet {command} has no such option; see tagnet {command} --help")
        else:
            overrides.append(word)
    return overrides, show


def usage() -> str:
    """The help text, with the groups and options of `conf/`, read from its folder alone."""
    from importlib.resources import files

    lines = []
    for folder in sorted(files("tagnet.conf").iterdir(), key=lambda f: f.name):
        if folder.is_dir() and folder.name != "hydra" and not folder.name.startswith("_"):
            names = sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".yaml"))
            names = [name for name in names if name != "base"]
            # A group of one is no choice, but for the experiments, of which none is chosen by default.
            if len(names) > 1 or folder.name == "experiment":
                lines.append(f"  {folder.name:<12}{', '.join(names)}")
    return _USAGE + "\n".join(lines)
