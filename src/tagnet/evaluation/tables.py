"""Tables for the terminal; rich takes care of its width, of NO_COLOR and of pipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.metrics import HEADLINE_KEYS, LOWER_IS_BETTER
from tagnet.evaluation.per_tag import TagRow, Verdict

STYLES: dict[Verdict, str] = {"good": "green", "fair": "yellow", "weak": "red", "unsure": "dim"}
NAMES = {
    "f1_micro": "micro F1",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "map": "mAP",
    "ece": "ECE",
}
MODEL_NAMES = {
    "prior": "tag frequencies",
    "rules": "rules",
    "tfidf_logreg": "TF-IDF + logistic regression",
    "tfidf_svm": "TF-IDF + linear SVM",
}
"""How the baselines are called where people read."""


def tag_table(rows: Sequence[TagRow], console: Console, title: str = "Tags") -> Table:
    """The tags, best F1 first; columns that do not fit `console.width` are left out, the least telling first."""
    wide, medium = console.width >= 100, console.width >= 72
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("tag", overflow="fold", ratio=None)
    numbers = ["train", "here"] if medium else ["here"]
    numbers += ["given"] if wide else []
    numbers += ["threshold", "precision", "recall"] if wide else ["prec.", "recall"] if medium else []
    for name in (*numbers, "F1", "interval", "AP"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda r: (-r.f1, -r.support, r.tag)):
        cells = [str(row.train_support)] if medium else []
        cells += [str(row.support)] + ([str(row.predicted), f"{row.threshold:.2f}"] if wide else [])
        cells += [f"{row.precision:.2f}", f"{row.recall:.2f}"] if medium else []
        ap = "–" if row.average_precision is None else f"{row.average_precision:.2f}"
        style = STYLES[row.verdict]
        f1 = f"[{style}]{row.f1:.2f}[/{style}]" if row.support else "[dim]–[/dim]"
        interval = f"{row.f1_low:.2f} to {row.f1_high:.2f}" if row.support else "–"
        table.add_row(escape(row.tag), *cells, f1, interval, ap)
    return table


def comparison_table(
    models: Mapping[str, Mapping[str, Estimate]], console: Console, title: str = "On the test records"
) -> Table:
    """The model (first) and its baselines; the best of each column is bold.

    Narrow terminals see no intervals and fewer columns.
    """
    with_intervals = console.width >= 124
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("model", overflow="fold")
    wanted = HEADLINE_KEYS if console.width >= 72 else ("f1_macro", "map", "ece")
    columns = [c for c in wanted if all(c in scores for scores in models.values())]
    best = {c: (min if c in LOWER_IS_BETTER else max)(scores[c].value for scores in models.values()) for c in columns}
    for column in columns:
        table.add_column(NAMES[column], justify="right", no_wrap=True)
    for name, scores in models.items():
        cells = []
        for column in columns:
            estimate = scores[column]
            cell = f"{estimate.value:.3f}"
            cell = f"[bold]{cell}[/bold]" if estimate.value == best[column] else cell
            cells.append(f"{cell} [dim]{estimate.low:.2f}–{estimate.high:.2f}[/dim]" if with_intervals else cell)
        table.add_row(escape(MODEL_NAMES.get(name, name)), *cells)
    return table
