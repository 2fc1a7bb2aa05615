"""What the model can and cannot do, in a few sentences with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tagnet.evaluation.per_tag import FEWEST_POSITIVES, GOOD_F1, WEAK_F1, TagRow
from tagnet.evaluation.report_data import ReportData
from tagnet.evaluation.tables import MODEL_NAMES

NAMED_TAGS = 6


@dataclass(frozen=True)
class Headline:
    """The first words of a report."""

    can_do: str
    against_baselines: str
    standing: Literal["ahead", "unclear", "behind", "alone"]
    """Against the best baseline on mAP: clearly ahead, within the noise, behind, or there is none."""


def headline(data: ReportData) -> Headline:
    """Put the rows of the tags, and the differences to the baselines, into words."""
    sentence, standing = _against(data)
    return Headline(_can_do(data.rows, len(data.judged.ids), data.judged_on), sentence, standing)


def _can_do(rows: Sequence[TagRow], num_records: int, judged_on: str) -> str:
    by_verdict = {v: [r for r in rows if r.verdict == v] for v in ("good", "fair", "weak", "unsure")}
    good, fair, unsure = (len(by_verdict[v]) for v in ("good", "fair", "unsure"))
    weak = sorted(by_verdict["weak"], key=lambda r: (r.f1, -r.support))
    text = f"On {num_records:,} {judged_on} records, {good} of {len(rows):,} tags {_are(good)} good"
    text += f" (F1 of {GOOD_F1:.2f} or more)"
    text += f", {fair} {_are(fair)} fair" if fair else ""
    if weak:
        names = ", ".join(r.tag for r in weak[:NAMED_TAGS])
        more = f" and {len(weak) - NAMED_TAGS} more" if len(weak) > NAMED_TAGS else ""
        text += f", and {len(weak)} {_are(len(weak))} weak (below {WEAK_F1:.2f}): {names}{more}"
    else:
        text += " and none is weak"
    if unsure:
        verb = "has" if unsure == 1 else "have"
        text += f"; {unsure} {verb} fewer than {FEWEST_POSITIVES} {judged_on} records, too few to tell"
    return text + "."


def _against(data: ReportData) -> tuple[str, Literal["ahead", "unclear", "behind", "alone"]]:
    if not data.baselines:
        return "No baseline ran beside it, so nothing shows whether a simpler model would do.", "alone"
    best = max(data.baselines, key=lambda name: data.baselines[name]["map"].value)
    name = MODEL_NAMES.get(best, best)
    ours, theirs = data.overall["map"].value, data.baselines[best]["map"].value
    numbers = f"{data.judged_on} mAP {ours:.3f} against {theirs:.3f} for the best of them, {name}"
    difference = data.differences.get(best, {}).get("map")
    interval = ""
    if difference is not None:
        coverage = f"{data.confidence:.0%}"
        bounds = f"{difference.low:+.3f} to {difference.high:+.3f}"
        interval = f" (difference {difference.value:+.3f}, {coverage} interval {bounds})"
    if ours <= theirs:
        return (
            f"It does not beat its baselines: {numbers}{interval}. Prefer the simpler model here.",
            "behind",
        )
    if difference is None or difference.low <= 0:
        return f"It is ahead of every baseline, but not clearly: {numbers}{interval}.{_macro_note(data)}", "unclear"
    return f"It beats every baseline: {numbers}{interval}.{_macro_note(data)}", "ahead"


def _macro_note(data: ReportData) -> str:
    best = max(data.baselines, key=lambda name: data.baselines[name]["f1_macro"].value)
    ours, theirs = data.overall["f1_macro"].value, data.baselines[best]["f1_macro"].value
    if ours >= theirs:
        return ""
    return f" Its macro F1 is lower, though: {ours:.3f} against {theirs:.3f} for {MODEL_NAMES.get(best, best)}."


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
