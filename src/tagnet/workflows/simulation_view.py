"""A simulation as tables for the terminal and as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from rich.console import Group

from tagnet.atomic import write_text
from tagnet.evaluation import page, svg
from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.table_parts import new_table, titled
from tagnet.labeling.query.strategies import DEFAULT_STRATEGY, RANDOM
from tagnet.workflows.simulate import Plan
from tagnet.workflows.simulation_statistics import Simulated, StrategyResult

NAMES = {"f1_macro": "macro F1", "f1_micro": "micro F1", "f1_weighted": "weighted F1", "map": "mAP", "ece": "ECE"}
_COLOURS = (svg.SECOND, svg.GOOD, svg.FAIR, svg.WEAK)


def simulation_table(found: Simulated, plan: Plan) -> Group:
    """Every strategy, the greatest area first."""
    table = new_table()
    table.add_column("strategy", no_wrap=True)
    for name in HEADS:
        table.add_column(name, justify="right", no_wrap=True)
    for each in found.results:
        table.add_row(each.strategy, *cells(each))
    seeds = max(len(each.seeds) for each in found.results)
    title = f"{plan.start} to {plan.labels} labels, {plan.step} a round: {NAMES[found.metric]}, {seeds} seeds"
    return titled(title, table, note(found))


HEADS = ("area", "over random", "last", "labels", "saved")


def cells(each: StrategyResult) -> list[str]:
    """A strategy's row, as HEADS says."""
    return [
        f"{each.area.value:.3f}",
        give_or_take(each.gain) if each.gain is not None else "",
        f"{each.mean_R[-1]:.3f}",
        "–" if each.reached is None else f"{each.reached:.0f}",
        "" if each.saved is None else _number(each.saved),
    ]


def _number(saved: Estimate) -> str:
    interval = f" ({saved.low:.0f}–{saved.high:.0f})" if saved.low < saved.high else ""
    return f"{saved.value:.0f}{interval}"


def note(found: Simulated) -> str:
    """What the columns mean."""
    return (
        "area: mean score over all numbers of labels. over random: paired by seed, 95% interval (Student's t). "
        f"last: at the end. labels: where the mean curve reaches {found.target:.3f}. saved: against random, "
        "where both first reach random's last score."
    )


def give_or_take(estimate: Estimate) -> str:
    """A difference with half the width of its interval, which is symmetric.

    >>> give_or_take(Estimate(0.025, 0.017, 0.033))
    '+0.025 ± 0.008'
    """
    half = (estimate.high - estimate.low) / 2
    return f"{estimate.value:+.3f} ± {half:.3f}" if half > 0 else f"{estimate.value:+.3f}"


def signed(estimate: Estimate, digits: int) -> str:
    """A difference with its interval.

    >>> signed(Estimate(0.025, 0.017, 0.034), 3)
    '+0.025 (+0.017 to +0.034)'
    """
    numbers = (f"{number:+.{digits}f}" for number in (estimate.value, estimate.low, estimate.high))
    return "{} ({} to {})".format(*numbers) if estimate.low < estimate.high else f"{estimate.value:+.{digits}f}"


def shown_in_plot(results: Sequence[StrategyResult], most: int = 5) -> list[StrategyResult]:
    """Random, the default, and the best others."""
    always = [each for each in results if each.strategy in (RANDOM, DEFAULT_STRATEGY)]
    return always + [each for each in results if each not in always][: most - len(always)]


@svg.styled
def curves_plot(found: Simulated, plan: Plan) -> str:
    """The mean curve of some strategies; a band around random and the default is the 95% interval of the mean."""
    figure = svg.new_figure(300)
    axes = figure.subplots()
    svg.plain_axes(axes)
    colours = iter(_COLOURS)
    for each in shown_in_plot(found.results):
        named = {RANDOM: svg.MUTED, DEFAULT_STRATEGY: svg.ACCENT}
        colour = named.get(each.strategy) or next(colours, svg.INK)
        axes.plot(plan.sizes, each.mean_R, marker="o", ms=3, color=colour, label=each.strategy)
        if each.strategy in named and len(each.seeds) > 1:
            axes.fill_between(plan.sizes, each.low_R, each.high_R, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(found.target, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.set(xlabel="labelled records", ylabel=NAMES[found.metric])
    figure.legend(loc="outside lower center", ncols=2, handlelength=1.2, columnspacing=1.2)
    return svg.to_svg(figure, "simulation", "Learning curves of the strategies")


@svg.styled
def gains_plot(found: Simulated) -> str:
    """What each strategy's area gains over random's, with its interval."""
    results = [each for each in found.results if each.gain is not None]
    figure = svg.new_figure(18 * len(results) + 50)
    axes = figure.subplots()
    svg.plain_axes(axes)
    for row, each in enumerate(results):
        assert each.gain is not None
        colour = svg.ACCENT if each.strategy == DEFAULT_STRATEGY else svg.MUTED
        axes.plot([each.gain.low, each.gain.high], [row, row], color=colour, linewidth=2, alpha=0.55)
        axes.plot([each.gain.value], [row], "o", color=colour, ms=5)
    axes.axvline(0, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.set_yticks(range(len(results)), [svg.label(each.strategy, 30) for each in results])
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.set_xlabel(f"area of {NAMES[found.metric]} over random")
    axes.spines["left"].set_visible(False)
    return svg.to_svg(figure, "gains", "Gain of each strategy over random, with intervals")


def write_page(path: Path, found: Simulated, plan: Plan, name: str) -> None:
    """Write the page; it appears whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    plots = {"curves": Markup(curves_plot(found, plan))}
    if any(each.gain is not None for each in found.results):
        plots["gains"] = Markup(gains_plot(found))
    text = page.render(
        "tagnet.workflows",
        "simulation_page.html",
        {},
        name=name,
        metric=NAMES[found.metric],
        plan=plan,
        heads=HEADS,
        rows=[(each.strategy, cells(each)) for each in found.results],
        note=note(found),
        plots=plots,
    )
    write_text(path, text)
