"""The options of `tagnet label loop`. It imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def loop(
    folder: Annotated[
        Path, typer.Option("--dir", help="The loop's folder; with it alone a loop goes on where it was.")
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(help="KEY=VALUE of tagnet train, for the run of every round.")
    ] = None,
    records: Annotated[
        str | None, typer.Option(help="Records: those with tags are labelled, those without wait to be asked about.")
    ] = None,
    evaluation: Annotated[
        str | None,
        typer.Option(help="A split file: its val and test records judge all rounds; default: drawn at the start."),
    ] = None,
    project: Annotated[str | None, typer.Option(help="The title of a project in Label Studio.")] = None,
    url: Annotated[
        str, typer.Option(envvar="LABEL_STUDIO_URL", show_envvar=True, help="The address of the Label Studio server.")
    ] = "http://localhost:8080",
    token_file: Annotated[
        Path | None,
        typer.Option(help="Label Studio's token is in it; default: the variable LABEL_STUDIO_API_KEY."),
    ] = None,
    tool: Annotated[
        str | None, typer.Option(help="Instead of --project: a labelling tool, by file; see tagnet label export.")
    ] = None,
    control: Annotated[str | None, typer.Option(help="For label-studio: choices, or taxonomy to show a tree.")] = None,
    suggest: Annotated[
        bool | None,
        typer.Option("--suggest/--no-suggest", help="Tick what the model would say (default: no; it sways people)."),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="SCORES, DIVERSITY or SCORES+DIVERSITY; default: gain_scarce+coverage.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Records asked in a round (default: 50).")] = None,
    random_share: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Share of them drawn at random (default: 0.1).")
    ] = None,
    dropout_passes: Annotated[
        int | None, typer.Option(min=2, help="For bald, vote_entropy and kl: members of the ensemble (default: 10).")
    ] = None,
    resolve: Annotated[
        str | None, typer.Option(help="Whose tags a record gets: latest (default), majority or dawid-skene.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=0, help="How often people are asked (default: 5).")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="METRIC=SCORE", help="End at that score on validation: f1_macro=.7.")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="End with so many labelled records to learn from.")] = None,
    agreement: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="End once decisions stand still: κ over three rounds.")
    ] = None,
    least_gain: Annotated[
        float | None, typer.Option(min=0, max=1, help="End where even the forecast for --budget promises no more.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for answers; without it the command ends there.")] = False,
    poll: Annotated[float, typer.Option(min=0.1, help="With --wait: seconds between two looks.")] = 30.0,
    partial: Annotated[
        bool, typer.Option("--partial", help="Go on with the answers that are there; the rest may be asked again.")
    ] = False,
) -> None:
    """Train, ask, wait for people, merge, train again, until it is good enough; goes on where it was stopped."""
    from tagnet.cli.extras import require_extra

    require_extra("train", "label loop")
    from tagnet.cli.label_loop import Asked, run_label_loop

    run_label_loop(
        Asked(
            folder=folder,
            settings=tuple(settings or ()),
            plan={
                "records": records,
                "evaluation": evaluation,
                "project": project,
                "tool": tool,
                "control": control,
                "suggest": suggest,
                "strategy": strategy,
                "batch_size": batch_size,
                "random_share": random_share,
                "dropout_passes": dropout_passes,
                "resolve": resolve,
            },
            target=target,
            rules={"rounds": rounds, "budget": budget, "agreement": agreement, "least_gain": least_gain},
            url=url,
            token_file=token_file,
        ),
        wait=wait,
        poll=poll,
        partial=partial,
    )
