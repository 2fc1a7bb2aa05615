"""The model card of an export: README.md, for whoever finds the folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagnet.bundle import Bundle
from tagnet.errors import DataError
from tagnet.evaluation.per_tag import FEWEST_POSITIVES, TagRow, read_csv
from tagnet.evaluation.tables import NAMES

_SIDES = {"train": "training", "val": "validation", "test": "test"}
_HEADER = {
    "tag": "tag",
    "training": "in training",
    "here": "here",
    "threshold": "threshold",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "ap": "AP",
}


@dataclass(frozen=True)
class Figures:
    """What a bundle was measured to reach."""

    overall: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Records, such as "218 validation records" → metric → value, low, high."""
    rows: Sequence[TagRow]
    rows_on: str
    """The records on which the rows were measured."""


def figures_of_run(folder: Path, sizes: Mapping[str, int]) -> Figures:
    """The figures that a finished run has left in metrics.json and per_tag.csv.

    Args:
        folder: the run's.
        sizes: records on each side, as the bundle's provenance has them.

    Raises:
        DataError: one of the files is missing or damaged.
    """
    path = folder / "metrics.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        overall = {
            _on(side, sizes): {name: found[side][name] for name in NAMES} for side in ("val", "test") if side in found
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected the metrics of a finished run, found something else ({error})") from error
    return Figures(overall, read_csv(folder / "per_tag.csv"), list(overall)[-1])


def _on(side: str, sizes: Mapping[str, int]) -> str:
    size = sizes.get(side)
    return f"{size:,} {_SIDES[side]} records" if size else f"{_SIDES[side]} records"


def card_text(bundle: Bundle, front: str, usage: str, checked: str, figures: Figures | None) -> str:
    """The card, as Markdown.

    Args:
        bundle: what was exported.
        front: what stands before everything else, for the hub that reads it; may be empty.
        usage: how this format is used, as Markdown.
        checked: what the gate has found.
        figures: what the bundle reaches; None where nobody has measured it here.
    """
    name = bundle.provenance.get("run", "tagger")
    parts = [
        f"# {name}: {len(bundle.tags)} tags for texts\n",
        "A multi-label tagger of texts, exported by tagnet. It gives a calibrated probability for each tag, and "
        "accepts a tag from its own threshold on.\n",
        f"## Use\n\n{usage}",
        _text(bundle),
        _data(bundle),
        _metrics(figures),
        f"## Checked at export\n\nAgainst the bundle, on {checked}.\n",
        _limits(bundle, figures),
    ]
    return front + "\n".join(parts)


def _text(bundle: Bundle) -> str:
    text = bundle.text
    lines = [f"The model reads `{text.template}` (a Python format string), with blanks at both ends removed."]
    if text.feature_tokens:
        budgets = ", ".join(f"{name} after {n} tokens" for name, n in text.feature_tokens.items())
        lines.append(f"Before that, fields are cut: {budgets}.")
    if text.window_overlap is None:
        lines.append(f"What is longer than {text.max_tokens} tokens is cut.")
    else:
        lines.append(
            f"What is longer than {text.max_tokens} tokens is read in windows that share {text.window_overlap} tokens; "
            "a tag's probability is the largest of all windows."
        )
    return "## Text\n\n" + "\n".join(lines) + "\n"


def _data(bundle: Bundle) -> str:
    provenance, labels = bundle.provenance, bundle.labels
    sizes = provenance.get("records", {})
    lines = [f"- Encoder: {bundle.encoder_source}; pooling {bundle.model.pooling}, head {bundle.model.head}"]
    if bundle.model.lexical:
        lines.append("- Beside it, as far as validation records said: the words of a text, and names of tags in it")
    if sizes:
        lines.append("- Records: " + ", ".join(f"{size:,} {_SIDES.get(side, side)}" for side, size in sizes.items()))
    for key, word in (("fingerprint", "SHA-256 of the records"), ("seed", "Seed")):
        if key in provenance:
            lines.append(f"- {word}: {provenance[key]}")
    lines.append(f"- Tags: those of at least {labels.min_count} records")
    if labels.exclude:
        lines.append(f"- Left out by hand: {', '.join(map(_cell, labels.exclude))}")
    lines.append(f"- Records without a tag of the label space: {labels.untagged}")
    lines.append(f"- Calibration: {bundle.rule.calibrator}; thresholds: {bundle.rule.threshold_rule}")
    lines.append(f"- Version (the bundle's fingerprint): {bundle.fingerprint}")
    return "## Data and splits\n\n" + "\n".join(lines) + "\n"


def _metrics(figures: Figures | None) -> str:
    if figures is None:
        return (
            "## Metrics\n\nNot measured: the bundle was exported apart from its run, without labelled records "
            "(`--records`).\n"
        )
    table = _table(
        ["", *NAMES.values()],
        ([on, *(_interval(values[name]) for name in NAMES)] for on, values in figures.overall.items()),
    )
    rows = sorted(figures.rows, key=lambda row: (-row.f1, -row.support, row.tag))
    tags = _table(list(_HEADER.values()), map(_tag_cells, rows))
    return f"## Metrics\n\nWith bootstrap intervals.\n\n{table}\n## Tags\n\nOn {figures.rows_on}.\n\n{tags}"


def _interval(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _tag_cells(row: TagRow) -> list[str]:
    known = row.support > 0
    return [
        _cell(row.tag),
        str(row.train_support),
        str(row.support),
        f"{row.threshold:.3f}",
        f"{row.precision:.2f}" if row.predicted else "–",
        f"{row.recall:.2f}" if known else "–",
        f"{row.f1:.2f} ({row.f1_low:.2f} to {row.f1_high:.2f})" if known else "–",
        "–" if row.average_precision is None else f"{row.average_precision:.2f}",
    ]


def _limits(bundle: Bundle, figures: Figures | None) -> str:
    lines = [
        f"- It knows these {len(bundle.tags)} tags and no other; a text about something else gets low probabilities, "
        "not a warning.",
        "- Probabilities are calibrated, and thresholds chosen, on validation records of the same source. On texts "
        "of another kind, language or time neither need hold: measure first (`tagnet evaluate`).",
        "- Whether a tag was missing in the data or does not apply cannot be told apart; a tag that people often "
        "forget is forgotten here too.",
    ]
    rare = [tag for tag in bundle.tags if bundle.train_counts[tag] < 30]
    if rare:
        lines.append(f"- Learned from fewer than 30 records: {_names(rare)}.")
    if figures is not None:
        weak = [row.tag for row in figures.rows if row.verdict == "weak"]
        unsure = [row.tag for row in figures.rows if row.verdict == "unsure"]
        if weak:
            lines.append(f"- Weak (F1 below .5): {_names(weak)}.")
        if unsure:
            lines.append(
                f"- Borne by fewer than {FEWEST_POSITIVES} of the {figures.rows_on}, too few to judge: "
                f"{_names(unsure)}."
            )
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def _names(tags: Sequence[str]) -> str:
    shown = ", ".join(map(_cell, tags[:20]))
    return shown + (f" and {len(tags) - 20} more" if len(tags) > 20 else "")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(tag: str) -> str:
    r"""A tag as it can stand in Markdown.

    >>> _cell("a|b\nc")
    'a\\|b c'
    """
    return " ".join(tag.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
