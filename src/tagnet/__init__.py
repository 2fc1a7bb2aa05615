"""tagnet: train, calibrate and serve multi-label taggers of text.

    import tagnet

    config = tagnet.train_config("data.records=projects.json", "data.features=[title,description]")
    run = tagnet.fit(config)
    tagger = tagnet.Tagger.load(run.dir / "bundle")
    tagger.predict(["A small library for plotting maps"], top=3)

Names are imported when they are first used: `import tagnet` itself is quick, and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tagnet.cli.compose import train_config
    from tagnet.config import TrainConfig
    from tagnet.errors import TagnetError
    from tagnet.labeling.weak.functions import labeling_function
    from tagnet.prediction.tag_prediction import TagPrediction
    from tagnet.prediction.tagger import Tagger
    from tagnet.training.fit import Run, fit

__all__ = ["Run", "TagPrediction", "Tagger", "TagnetError", "TrainConfig", "fit", "labeling_function", "train_config"]

_HOME = {
    "Run": "tagnet.training.fit",
    "TagPrediction": "tagnet.prediction.tag_prediction",
    "Tagger": "tagnet.prediction.tagger",
    "TagnetError": "tagnet.errors",
    "TrainConfig": "tagnet.config",
    "fit": "tagnet.training.fit",
    "labeling_function": "tagnet.labeling.weak.functions",
    "train_config": "tagnet.cli.compose",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tagnet' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
