"""The options of `tagnet label audit`. It imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def audit(
    records: Annotated[
        str, typer.Option(help="Labelled records: JSON, JSON Lines, CSV or Parquet; or embedded, madewithml.")
    ],
    crossval: Annotated[
        Path | None, typer.Option(help="The folder of a tagnet crossval on them, whose predictions judge.")
    ] = None,
    learner: Annotated[
        str | None, typer.Option(help="Instead: tfidf, embeddings or both, trained here; default: both.")
    ] = None,
    budget: Annotated[int, typer.Option(min=1, help="The most cells, a record and a tag each.")] = 200,
    kind: Annotated[str, typer.Option(help="missing, spurious, or both in one list.")] = "both",
    ranker: Annotated[
        str, typer.Option(help="probability, normalized, quantile, lift, or cleanlab (tagnet[audit]).")
    ] = "probability",
    tool: Annotated[str | None, typer.Option(help="A labelling tool, see tagnet label export.")] = None,
    output: Annotated[Path | None, typer.Option(help="With --tool: a new file; for brat a new folder.")] = None,
    project: Annotated[str | None, typer.Option(help="Instead: the title of a project in Label Studio.")] = None,
    url: Annotated[
        str, typer.Option(envvar="LABEL_STUDIO_URL", show_envvar=True, help="The address of the Label Studio server.")
    ] = "http://localhost:8080",
    token_file: Annotated[
        Path | None, typer.Option(help="Label Studio's token is in it; default: the variable LABEL_STUDIO_API_KEY.")
    ] = None,
    cells: Annotated[
        Path | None, typer.Option(help="A new file for the list of cells with their texts: .csv or .json.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Audit this tag alone; again for each.")] = None,
    min_count: Annotated[
        int, typer.Option(min=1, help="Tags that fewer records bear are not audited; without --crossval.")
    ] = 10,
    folds: Annotated[int, typer.Option(min=3, help="Folds of what is trained here.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, and of the order of equals.")] = 0,
    taxonomy: Annotated[
        str | None, typer.Option(help="A tags.json: aliases are resolved, and its tags can be chosen, too.")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="A field to read and show; default: title and description.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")] = None,
    control: Annotated[str, typer.Option(help="For label-studio: choices, or taxonomy to show a tree.")] = "choices",
    device: Annotated[str, typer.Option(help="For embeddings: cpu, gpu, or auto.")] = "auto",
) -> None:
    """Find labels that are probably wrong or missing, and take them to a labelling tool."""
    from tagnet.cli.label_audit import run_audit
    from tagnet.cli.label_audit_judges import Audit
    from tagnet.cli.label_target import Target

    run_audit(
        Audit(
            records=records,
            crossval=crossval,
            learner=learner,
            budget=budget,
            kind=kind,
            ranker=ranker,
            tags=tuple(tag or ()),
            min_count=min_count,
            folds=folds,
            seed=seed,
            taxonomy=taxonomy,
            features=tuple(feature or ()),
            columns=tuple(column or ()),
            device=device,
        ),
        Target(tool, output, project, url, token_file, control),
        cells,
    )
