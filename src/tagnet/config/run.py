"""One run: its name, place and seed."""

from __future__ import annotations

from dataclasses import dataclass

from tagnet.config.require import require


@dataclass(frozen=True)
class RunConfig:
    """One run: its name, place and seed."""

    name: str
    """What the run is called in its report."""
    dir: str | None
    """Its directory; null: runs/NAME/DATE_TIME."""
    seed: int
    """Every random choice follows from it."""
    test: bool
    """Whether the test records are measured; false while settings are still being chosen, as in a sweep."""

    def __post_init__(self) -> None:
        # It becomes the name of a folder.
        bad = self.name.strip() in ("", ".", "..") or set(self.name) & set("/\\\0")
        require(not bad, "run.name", "a name without slashes", self.name)
        require(self.dir != "", "run.dir", "null or the path of a folder", self.dir)
        require(0 <= self.seed < 2**31, "run.seed", "0 to 2147483647", self.seed)
