"""How a run is measured, and held against baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require
from tagnet.errors import ConfigError, nearest


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured beside the model, and how surely."""

    bootstrap_samples: int
    """Resamples of the records behind every interval."""
    confidence: float
    """Coverage of the intervals."""
    at_k: tuple[int, ...]
    """The k of precision and recall at k."""
    baselines: tuple[str, ...]
    """Baselines that run on the same split: prior, rules, tfidf_logreg, tfidf_svm."""
    on_collapse: Literal["warn", "error"]
    """What a model that predicts nothing, everything or the base rate does to the run."""

    def __post_init__(self) -> None:
        require(self.bootstrap_samples >= 50, "evaluation.bootstrap_samples", "at least 50", self.bootstrap_samples)
        require(0.5 <= self.confidence < 1, "evaluation.confidence", "0.5 to below 1", self.confidence)
        require(all(k >= 1 for k in self.at_k), "evaluation.at_k", "numbers of at least 1", list(self.at_k))
        known = ("prior", "rules", "tfidf_logreg", "tfidf_svm")
        repeated = len(set(self.baselines)) < len(self.baselines)
        require(not repeated, "evaluation.baselines", "each of them once", list(self.baselines))
        for name in self.baselines:
            if name not in known:
                raise ConfigError(
                    f"evaluation.baselines: expected some of {', '.join(known)}, found {name!r}" + nearest(name, known)
                )
