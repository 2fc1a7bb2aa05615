"""What a finished run says on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from tagnet.evaluation.tables import comparison_table, tag_table
from tagnet.training.fit import Run


def print_summary(run: Run, console: Console) -> None:
    """Print the tags, the comparison with the baselines, and where everything is."""
    outcome = run.outcome
    models = {"transformer": outcome.model["test"].result.overall}
    models |= {name: sides["test"].result.overall for name, sides in outcome.baselines.items()}
    console.print(tag_table(outcome.rows, console, title="Tags, on the test records"))
    console.print(comparison_table(models, console, title="Test records, the transformer beside its baselines"))
    console.print(Text(f"report   {run.dir / 'report.html'}"), soft_wrap=True)
    console.print(Text(f'predict  tagnet predict {run.dir / "bundle"} "a title and a description"'), soft_wrap=True)
