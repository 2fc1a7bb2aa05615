"""The options of `tagnet label weak`. It imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def weak(
    records: Annotated[
        str, typer.Option(help="Records; those without tags are to be labelled, those with tags are the gold.")
    ],
    functions: Annotated[
        list[Path], typer.Option(help="Labeling functions: a list in YAML or JSON, or a Python file; again for more.")
    ],
    output: Annotated[Path, typer.Option(help="The targets, JSON Lines, for data.targets=FILE.")],
    gold: Annotated[
        str | None, typer.Option(help="Records with tags by people; then no tag in --records is looked at.")
    ] = None,
    combine: Annotated[str, typer.Option(help="union, majority, em, or snorkel (tagnet[snorkel]).")] = "em",
    silent: Annotated[
        str, typer.Option(help="What cells are of which no function speaks: combined (as the rest), or unknown.")
    ] = "combined",
    taxonomy: Annotated[
        str | None, typer.Option(help="A tags.json: names to look for, and parents at least as likely as children.")
    ] = None,
    votes: Annotated[
        Path | None, typer.Option(help="The folder that keeps votes; default: OUTPUT with .votes for its ending.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="A new JSON file: every function and tag, every conflict with its text.")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="A field of the text; default: title and description, or what there is.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")] = None,
    conflicts: Annotated[int, typer.Option(min=0, help="How many conflicts to print.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds on which combiners are compared.")] = 0,
    device: Annotated[str, typer.Option(help="For bundles that vote: cpu, gpu, or auto.")] = "auto",
) -> None:
    """Let labeling functions vote, and make probabilities of their votes, on which a model is trained."""
    from tagnet.cli.label_weak import Request, run_weak

    run_weak(
        Request(
            records,
            tuple(functions),
            output,
            gold,
            combine,
            silent,
            taxonomy,
            votes,
            report,
            tuple(feature or ()),
            tuple(column or ()),
            conflicts,
            seed,
            device,
        )
    )
