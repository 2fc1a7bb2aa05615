"""The options of `tagnet label query`. It imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def query(
    records: Annotated[
        str, typer.Option(help="The records that wait: JSON, JSON Lines, CSV or Parquet; or embedded, madewithml.")
    ],
    bundle: Annotated[Path, typer.Option(help="The bundle that judges them, such as RUN/bundle.")],
    tool: Annotated[str | None, typer.Option(help="A labelling tool, see tagnet label export.")] = None,
    output: Annotated[Path | None, typer.Option(help="With --tool: a new file; for brat a new folder.")] = None,
    project: Annotated[str | None, typer.Option(help="Instead: the title of a project in Label Studio.")] = None,
    url: Annotated[
        str, typer.Option(envvar="LABEL_STUDIO_URL", show_envvar=True, help="The address of the Label Studio server.")
    ] = "http://localhost:8080",
    token_file: Annotated[
        Path | None,
        typer.Option(help="Label Studio's token is in it; default: the variable LABEL_STUDIO_API_KEY."),
    ] = None,
    why: Annotated[
        Path | None,
        typer.Option(help="Where scores and reasons go, as JSON; default: beside --output, as OUTPUT.query.json."),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="SCORES, DIVERSITY or SCORES+DIVERSITY; default: gain_scarce+coverage.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="How many records, or cells, to ask.")] = 50,
    random_share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share drawn at random, for an unbiased estimate of quality.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of what is random, and of the order of equals.")] = 0,
    cells: Annotated[bool, typer.Option("--cells", help="Ask cells, a record with one tag each.")] = False,
    labelled: Annotated[
        str | None, typer.Option(help="The labelled records; default: how often the bundle saw each tag.")
    ] = None,
    asked: Annotated[
        list[Path] | None, typer.Option(help="The JSON of an earlier query, again for each: not asked again.")
    ] = None,
    member: Annotated[
        list[Path] | None,
        typer.Option(help="For bald, vote_entropy and kl: another bundle, or a checkpoint (.ckpt); again for each."),
    ] = None,
    dropout_passes: Annotated[
        int, typer.Option(min=0, help="For these: so many passes of the bundle with dropout as members.")
    ] = 0,
    taxonomy: Annotated[str | None, typer.Option(help="A tags.json, whose tags can be chosen, too.")] = None,
    feature: Annotated[list[str] | None, typer.Option(help="A field to show; default: the bundle's.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")] = None,
    control: Annotated[str, typer.Option(help="For label-studio: choices, or taxonomy to show a tree.")] = "choices",
    device: Annotated[str, typer.Option(help="cpu, gpu, or auto for a GPU where there is one.")] = "auto",
) -> None:
    """Choose what to label next, and take it to a labelling tool."""
    from tagnet.cli.extras import require_extra

    require_extra("train", "label query")
    from tagnet.cli.label_query import Query, Target, run_query

    run_query(
        Query(
            records=records,
            bundle=bundle,
            strategy=strategy,
            batch_size=batch_size,
            random_share=random_share,
            seed=seed,
            cells=cells,
            labelled=labelled,
            asked=tuple(asked or ()),
            members=tuple(member or ()),
            dropout_passes=dropout_passes,
            columns=tuple(column or ()),
            device=device,
        ),
        Target(tool, output, project, url, token_file, why, control),
        taxonomy=taxonomy,
        features=feature or [],
    )
