"""The straight line of an export: write, run again, compare, describe; there whole or not at all.

Shapes: N texts, K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from tagnet.atomic import whole_folder, write_text
from tagnet.bundle import load_network, read_bundle
from tagnet.errors import ConfigError, RunDirectoryError, nearest
from tagnet.export.formats import FORMATS
from tagnet.export.model_card import Figures, card_text
from tagnet.export.parity import F1Change, Parity, compare, f1_change, require_f1, require_parity
from tagnet.prediction.inputs import Input
from tagnet.prediction.tagger import Tagger

CARD = "README.md"


@dataclass(frozen=True)
class References:
    """What an export is checked on."""

    source: str
    """Where they are from, in words that go on: "the validation records of its run"."""
    inputs: Sequence[Input]
    """Texts or records."""
    y_NK: NDArray[Any] | None
    """Their labels, (N, K); None where they have none."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    num_bytes: int
    parity: Parity
    f1: F1Change | None
    """On labelled references."""


def export_bundle(
    bundle_folder: Path,
    to: str,
    output: Path,
    references: References,
    figures: Figures | None = None,
    say: Callable[[str], object] = lambda step: None,
) -> Exported:
    """Export a bundle and check it.

    Args:
        bundle_folder: the bundle.
        to: a key of `FORMATS`.
        output: a folder that is not there yet, or is empty.
        references: what it is checked on.
        figures: what the bundle reaches, for the model card.
        say: called with what is done next.

    Raises:
        ConfigError: there is no such format, or a quantized one is to be checked without labels.
        RunDirectoryError: something is in the folder already, or it cannot be written.
        ExportError: the encoder cannot be exported, or the export is not as good as the bundle; nothing is written.
    """
    check_request(to, output)
    form = FORMATS[to]
    if not form.exact and references.y_NK is None:
        raise ConfigError(
            f"--to {to} is refused where it costs F1, and {references.source} have no labels to measure it by.\n"
            "Name labelled records with --records FILE, or export the bundle where it lies in its finished run."
        )
    bundle = read_bundle(bundle_folder)
    with whole_folder(output) as scratch:
        say("writing")
        form.write(bundle, load_network(bundle), scratch)
        say(f"checking on {len(references.inputs)} texts")
        tagger = Tagger(bundle, torch.device("cpu"))
        texts = tagger.texts(references.inputs)
        expected_NK = tagger.probabilities(texts)
        found_NK, accepted_NK = form.run(bundle, scratch, texts)
        parity = compare(bundle.tags, bundle.rule.thresholds_K, expected_NK, found_NK, accepted_NK)
        change = None
        if references.y_NK is not None:
            change = f1_change(references.y_NK, bundle.rule.accept(expected_NK), accepted_NK)
        if form.exact:
            require_parity(parity, to)
        elif change is not None:
            require_f1(change, to)
        checked = f"{references.source}. {parity}" + (f"; {change}" if change is not None else "")
        write_text(scratch / CARD, card_text(bundle, form.front, form.usage(bundle), checked, figures))
        num_bytes = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
    return Exported(output, num_bytes, parity, change)


def check_request(to: str, folder: Path) -> None:
    """Refuse, before anything is read, a format that there is not and a folder in which something would be overwritten.

    Raises:
        ConfigError: there is no such format.
        RunDirectoryError: it is no folder, or not empty.
    """
    if to not in FORMATS:
        raise ConfigError(f"--to: expected {', '.join(FORMATS)}; found {to!r}{nearest(to, FORMATS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunDirectoryError(
            f"--output {folder}: expected a new or empty folder, found "
            f"{'one with files in it' if folder.is_dir() else 'a file'}; nothing is overwritten.\n"
            "Choose another folder."
        )
