"""What a finished run says on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from tagnet.evaluation.tables import comparison_table, tag_table
from tagnet.training.fit import Run
from tagnet.training.results import SIDE_NAMES


def print_summary(run: Run, console: Console) -> None:
    """Print the tags, the comparison with the baselines, and where everything is."""
    outcome, side = run.outcome, run.outcome.judged
    models = {"transformer": outcome.model[side].result.overall}
    models |= {name: sides[side].result.overall for name, sides in outcome.baselines.items()}
    records = f"{SIDE_NAMES[side]} records"
    console.print(tag_table(outcome.rows, console, title=f"Tags, on the {records}"))
    title = f"{records.capitalize()}, the transformer beside its baselines"
    console.print(comparison_table(models, console, title=title))
    console.print(Text(f"report   {run.dir / 'report.html'}"), soft_wrap=True)
    console.print(Text(f'predict  tagnet predict {run.dir / "bundle"} "a title and a description"'), soft_wrap=True)
