"""Where records come from and how they become text; which tags and records stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require
from tagnet.errors import ConfigError, nearest


@dataclass(frozen=True)
class DataConfig:
    """Where the records come from and how they become text."""

    records: str
    """`embedded`, `madewithml`, `goemotions`, `hub:NAME[:SUBSET][:SPLIT]`, or the path of a JSON array, JSON Lines, CSV
    or Parquet file or of a datasets folder."""
    taxonomy: str | None
    """`embedded`, `madewithml`, or the path of a tags.json; null: tags are taken as they stand."""
    targets: str | None
    """A file of `tagnet label weak`: its records train on the probabilities there, and their own tags are not read;
    null: every record goes by its tags."""
    columns: Mapping[str, str]
    """Our field name → the column's name in the user's file, for those that differ."""
    on_invalid: Literal["error", "skip"]
    """What a row that cannot be used does: stops the run, or is left out and kept with its reason in data.json."""
    features: tuple[str, ...]
    """The fields that make the text, in this order."""
    feature_tokens: Mapping[str, int]
    """At most this many tokens of a feature (unit: tokens); a feature that is not named is not cut."""
    max_tokens: int | None
    """At most this many tokens of a text, special ones included; null: what the encoder takes."""
    window_overlap: int | None
    """null: longer texts are cut. A number: they are read in windows that share this many tokens."""

    def __post_init__(self) -> None:
        require(len(self.features) > 0, "data.features", "at least one field name", list(self.features))
        require(len(set(self.features)) == len(self.features), "data.features", "each field once", list(self.features))
        for name in self.features:
            bad = set(name) & set("{}[]!:.")
            require(name != "" and not bad, "data.features", "field names without any of {}[]!:.", name)
        for name, budget in self.feature_tokens.items():
            if name not in self.features:
                raise ConfigError(
                    f"data.feature_tokens: {name!r} is not one of data.features {list(self.features)}"
                    + nearest(name, self.features)
                )
            require(budget > 0, f"data.feature_tokens.{name}", "a positive number of tokens", budget)
        require(
            self.max_tokens is None or self.max_tokens >= 8, "data.max_tokens", "null or at least 8", self.max_tokens
        )
        overlap = self.window_overlap
        require(overlap is None or overlap >= 0, "data.window_overlap", "null or at least 0 tokens", overlap)
        if overlap is not None and self.max_tokens is not None:
            expected = f"fewer tokens than data.max_tokens={self.max_tokens}"
            require(overlap < self.max_tokens, "data.window_overlap", expected, overlap)


@dataclass(frozen=True)
class LabelsConfig:
    """Which tags make the label space, and which records stay."""

    min_count: int
    """A tag is kept when at least this many records bear it (unit: records)."""
    include: tuple[str, ...]
    """Tags that are kept whatever their count."""
    exclude: tuple[str, ...]
    """Tags that are left out whatever their count."""
    untagged: Literal["drop", "negative"]
    """A record without any kept tag is unknown and dropped, or truly has none and is kept."""
    add_parents: bool
    """Whether a tag brings its ancestors in the taxonomy."""
    resolve_aliases: bool
    """Whether an alias in the taxonomy stands for its tag."""

    def __post_init__(self) -> None:
        require(self.min_count >= 1, "labels.min_count", "at least 1", self.min_count)
        both = sorted(set(self.include) & set(self.exclude))
        require(not both, "labels.include", "no tag that labels.exclude names too", both)
