"""Where a labelling loop stands: a table, a page, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from rich.console import Console, Group

from tagnet.atomic import write_json, write_text
from tagnet.evaluation import page, svg
from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.table_parts import new_table, titled
from tagnet.evaluation.tables import NAMES
from tagnet.labeling.stopping import LEAST_ROUNDS, agreement, fit_power_law, forecast
from tagnet.workflows.loop_files import LoopFiles
from tagnet.workflows.loop_plan import LoopPlan, LoopRules
from tagnet.workflows.loop_start import Start
from tagnet.workflows.loop_training import Trained

if TYPE_CHECKING:
    from tagnet.workflows.loop_answers import Waiting

HEADS = ("labelled", "validation", "interval", "test", "interval", "κ")
_AHEAD = 5
"""Batches that the forecast looks ahead."""
_STEPS = 40


def draw(
    files: LoopFiles,
    plan: LoopPlan,
    rules: LoopRules,
    start: Start,
    rounds: Sequence[Trained],
    *,
    stop: str | None = None,
    waiting: Waiting | None = None,
) -> None:
    """Write the curve as numbers and as a page; each appears whole or not at all.

    Args:
        files: of the loop.
        plan: its settings.
        rules: what ends it.
        start: its start.
        rounds: those that were trained, at least one.
        stop: why it has ended, in words; None: it has not.
        waiting: what it waits for; None: for nothing.

    Raises:
        RunDirectoryError: they cannot be written.
    """
    write_json(files.curve, curve_to_plain(plan, rules, start, rounds, stop))
    html = page.render(
        "tagnet.workflows",
        "loop_page.html",
        {},
        name=files.folder.resolve().name,
        metric=NAMES[rules.metric],
        plan=plan,
        rules=rules,
        start=start,
        heads=HEADS,
        rows=[(each.number, cells(each, rules, before)) for each, before in _with_before(rounds)],
        last=rounds[-1],
        value=rounds[-1].val[rules.metric],
        stop=stop,
        waiting=waiting,
        ahead=ahead_in_words(plan, rules, rounds),
        plot=Markup(curve_plot(plan, rules, rounds)),
    )
    write_text(files.page, html)


def loop_table(rules: LoopRules, rounds: Sequence[Trained], console: Console) -> Group:
    """Every round; narrow terminals see no intervals."""
    narrow = console.width < 72
    table = new_table()
    table.add_column("round", justify="right")
    kept = [place for place, head in enumerate(HEADS) if not (narrow and head == "interval")]
    for place in kept:
        table.add_column(HEADS[place], justify="right", no_wrap=True)
    for each, before in _with_before(rounds):
        row = cells(each, rules, before)
        table.add_row(str(each.number), *(row[place] for place in kept))
    return titled(
        f"{NAMES[rules.metric]} by labelled records",
        table,
        "validation: decisions by thresholds that did not see the records. κ: agreement with the round before.",
    )


def cells(each: Trained, rules: LoopRules, before: Trained | None) -> list[str]:
    """A round's row, as HEADS says."""
    kappa = "" if before is None else f"{agreement(before.decisions_FK, each.decisions_FK):.3f}"
    return [
        str(each.labelled),
        *_value_and_interval(each.val.get(rules.metric)),
        *_value_and_interval(each.test.get(rules.metric)),
        kappa,
    ]


def curve_to_plain(
    plan: LoopPlan, rules: LoopRules, start: Start, rounds: Sequence[Trained], stop: str | None
) -> dict[str, Any]:
    """What curve.json holds: every round with every metric and its intervals."""
    return {
        "metric": rules.metric,
        "strategy": plan.strategy,
        "tags": list(start.tags),
        "records": {"train": len(start.train), "val": len(start.val), "test": len(start.test), "pool": len(start.pool)},
        "rounds": [
            {
                "round": each.number,
                "labelled": each.labelled,
                "bundle": each.bundle,
                "val": {name: value.to_plain() for name, value in each.val.items()},
                "test": {name: value.to_plain() for name, value in each.test.items()},
                "agreement": None if before is None else agreement(before.decisions_FK, each.decisions_FK),
            }
            for each, before in _with_before(rounds)
        ],
        "stop": stop,
    }


def ahead_in_words(plan: LoopPlan, rules: LoopRules, rounds: Sequence[Trained]) -> str | None:
    """What the curve so far lets expect; None where it is too short."""
    if len(rounds) < LEAST_ROUNDS:
        return None
    labels, scores = _points(rules, rounds)
    there = labels[-1] + _AHEAD * plan.batch_size
    expected = forecast(labels, scores, there)
    said = (
        f"With {there} labelled records {NAMES[rules.metric]} {expected.value:.3f} is to be expected on validation, "
        f"{expected.low:.3f} to {expected.high:.3f} (90%)"
    )
    target = rules.stopping.target
    if target is None or scores[-1] >= target:
        return f"{said}."
    needed = fit_power_law(labels, scores).labels_for(target)
    reach = "the curve stays below it" if needed is None else f"the curve meets it at about {needed:,.0f}"
    return f"{said}; of the target {target:.3f}: {reach}."


@svg.styled
def curve_plot(plan: LoopPlan, rules: LoopRules, rounds: Sequence[Trained]) -> str:
    """Validation and test by labelled records, with intervals; the target; what is to be expected."""
    figure = svg.new_figure(280)
    axes = figure.subplots()
    svg.plain_axes(axes)
    labels = [each.labelled for each in rounds]
    for side, colour, name in (("val", svg.ACCENT, "validation"), ("test", svg.SECOND, "test")):
        values = [getattr(each, side).get(rules.metric) for each in rounds]
        if any(value is None for value in values):
            continue
        axes.fill_between(
            labels, [v.low for v in values], [v.high for v in values], color=colour, alpha=0.13, linewidth=0
        )
        axes.plot(labels, [v.value for v in values], marker="o", ms=4, color=colour, label=name)
        if len(rounds) == 1:
            axes.plot(labels * 2, [values[0].low, values[0].high], color=colour, alpha=0.5)
    if rules.stopping.target is not None:
        axes.axhline(rules.stopping.target, color=svg.GOOD, linewidth=1, linestyle=(0, (3, 3)), label="target")
    if len(rounds) >= LEAST_ROUNDS:
        law = fit_power_law(*_points(rules, rounds))
        sizes = np.linspace(labels[0], labels[-1] + _AHEAD * plan.batch_size, _STEPS)
        axes.plot(sizes, law.at(sizes), color=svg.MUTED, linewidth=1, linestyle=(0, (1, 2)), label="to be expected")
    axes.set(xlabel="labelled records", ylabel=NAMES[rules.metric])
    figure.legend(loc="outside lower center", ncols=4, handlelength=1.4, columnspacing=1.2)
    return svg.to_svg(figure, "curve", "The score by the number of labelled records")


def _points(rules: LoopRules, rounds: Sequence[Trained]) -> tuple[list[int], list[float]]:
    return [each.labelled for each in rounds], [each.val[rules.metric].value for each in rounds]


def _with_before(rounds: Sequence[Trained]) -> list[tuple[Trained, Trained | None]]:
    return list(zip(rounds, [None, *rounds[:-1]], strict=True))


def _value_and_interval(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "–", "–"
    return f"{estimate.value:.3f}", f"{estimate.low:.2f} to {estimate.high:.2f}"
