"""The options of `tagnet slices` and `tagnet drift`. It imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Column = Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")]
Device = Annotated[str, typer.Option(help="cpu, gpu, or auto for a GPU where there is one.")]


def slices(
    folders: Annotated[
        list[Path], typer.Argument(help="A finished run, or a bundle; or two of them, to compare.", show_default=False)
    ],
    records: Annotated[
        str | None, typer.Option(help="Labelled records for a bundle; of a run: where they are.")
    ] = None,
    define: Annotated[
        list[Path] | None, typer.Option(help="Slices of your own: YAML, JSON or Python; again for more.")
    ] = None,
    side: Annotated[str, typer.Option(help="Of a run: test or val.")] = "test",
    finder: Annotated[str, typer.Option(help="single, lattice, tree, or sliceline (tagnet[slices]).")] = "lattice",
    fdr: Annotated[float, typer.Option(min=0.001, max=0.5, help="The share of false ones among bad slices.")] = 0.1,
    min_size: Annotated[int, typer.Option(min=2, help="Records in the smallest slice.")] = 10,
    output: Annotated[
        Path | None, typer.Option(help="A folder for slices.json and slices.html; default: the run's.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Records to label next: those most like the worst slices.")] = None,
    number: Annotated[int, typer.Option(min=1, help="How many of --query.")] = 50,
    tool: Annotated[str, typer.Option(help="The labelling tool of --tasks.")] = "label-studio",
    tasks: Annotated[Path | None, typer.Option(help="A new file with the tasks of --query.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List all slices, not 20 alone.")] = False,
    column: Column = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of halves and permutations.")] = 0,
) -> None:
    """Find the parts of the records on which a model is worse than it thinks; of two, compare them part by part."""
    from tagnet.cli.slices import Request, run

    run(
        Request(
            folders=tuple(folders),
            records=records,
            define=tuple(define or ()),
            side=side,
            finder=finder,
            fdr=fdr,
            min_size=min_size,
            output=output,
            query=query,
            number=number,
            tool=tool,
            tasks=tasks,
            everything=everything,
            columns=tuple(column or ()),
            device=device,
            seed=seed,
        )
    )


def drift(
    folder: Annotated[Path, typer.Argument(help="A finished run, or a bundle.")],
    records: Annotated[str, typer.Option(help="New records, with tags or without.")],
    reference: Annotated[
        str | None, typer.Option(help="Records to hold them against; default: the run's validation and test records.")
    ] = None,
    training: Annotated[
        str | None, typer.Option(help="Of a run: where its records are, when no longer where they were.")
    ] = None,
    level: Annotated[float, typer.Option(min=0.0001, max=0.5, help="The rate of false alarms.")] = 0.05,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 when it is time to label again.")] = False,
    output: Annotated[Path | None, typer.Option(help="A new JSON file.")] = None,
    column: Column = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of permutations.")] = 0,
) -> None:
    """Say whether new records are still of the kind that a model was trained on."""
    from tagnet.cli.drift import run

    run(
        folder,
        records,
        reference,
        training=training,
        level=level,
        gate=gate,
        output=output,
        columns=tuple(column or ()),
        device=device,
        seed=seed,
    )
