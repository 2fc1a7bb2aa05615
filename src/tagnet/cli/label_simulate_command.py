"""The options of `tagnet label simulate`. It imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    output: Annotated[Path, typer.Option(help="The simulation's folder; the same command goes on where it stopped.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="KEY=VALUE of tagnet train: data, labels, encoder, calibration; of all with --learner finetune."
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="A strategy, again for each; default: the default one. random always runs beside them."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often, each with its own test records and first labels.")] = 10,
    start: Annotated[int, typer.Option(min=1, help="Records that are labelled at the start, drawn at random.")] = 100,
    step: Annotated[int, typer.Option(min=1, help="Records that are asked for in a round.")] = 50,
    labels: Annotated[int, typer.Option(min=2, help="Labelled records at the end.")] = 500,
    tags: Annotated[int | None, typer.Option(min=1, help="Only so many of the most frequent tags.")] = None,
    learner: Annotated[
        str, typer.Option(help="head: a linear head on the encoder's embeddings; or finetune: the network.")
    ] = "head",
    metric: Annotated[str, typer.Option(help="f1_macro, f1_micro, f1_weighted or map.")] = "f1_macro",
    target: Annotated[
        float | None, typer.Option(min=0, max=1, help="The score whose cost is compared; default: random's last.")
    ] = None,
    test_share: Annotated[float, typer.Option(help="Share of the records that judge.")] = 0.3,
    random_share: Annotated[float, typer.Option(min=0, max=1, help="Share of each batch drawn at random.")] = 0.1,
) -> None:
    """Replay a labelled corpus: what would each strategy have cost?"""
    from tagnet.cli.extras import require_extra

    require_extra("train", "label simulate")
    from tagnet.cli.label_simulate import Asked, run_simulate

    asked = Asked(tuple(strategy or ()), seeds, start, step, labels, test_share, random_share)
    run_simulate(asked, output, settings or [], num_tags=tags, learner_name=learner, metric=metric, target=target)
