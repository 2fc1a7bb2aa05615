"""The command table. It imports nothing heavy: each command brings what it needs when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tagnet.cli.label import label
from tagnet.cli.slices_command import drift, slices
from tagnet.errors import TagnetError
from tagnet.serving.limits import Limits

app = typer.Typer(
    name="tagnet",
    help="Train, calibrate and use multi-label taggers of text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(label)
app.command("slices")(slices)
app.command("drift")(drift)

_HYDRA_GRAMMAR = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

Bundle = Annotated[Path, typer.Argument(help="The folder of a bundle, such as RUN/bundle.")]
Device = Annotated[str, typer.Option(help="cpu, gpu, or auto for a GPU where there is one.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tagnet {version('tagnet')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(context_settings=_HYDRA_GRAMMAR)
def train(context: typer.Context) -> None:
    """Train, calibrate and measure a tagger: settings as KEY=VALUE; see `tagnet train --help`."""
    from tagnet.cli.train import run

    run(context.args)


@app.command(context_settings=_HYDRA_GRAMMAR)
def inspect(context: typer.Context) -> None:
    """Look at the data as training would see it: settings as KEY=VALUE; see `tagnet inspect --help`."""
    from tagnet.cli.inspect import run

    run(context.args)


@app.command(context_settings=_HYDRA_GRAMMAR)
def doctor(context: typer.Context) -> None:
    """Look at this machine, and whether a run fits: settings as KEY=VALUE; see `tagnet doctor --help`."""
    from tagnet.cli.doctor import run

    run(context.args)


@app.command()
def evaluate(
    bundle: Bundle,
    records: Annotated[str, typer.Option(help="Labelled records: a file, or embedded, madewithml or goemotions.")],
    split: Annotated[str | None, typer.Option(help="A split file; only the records of --side are measured.")] = None,
    key: Annotated[str | None, typer.Option(help="Which split in the file, where it holds several.")] = None,
    side: Annotated[str, typer.Option(help="train, val or test of the split file.")] = "test",
    column: Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")] = None,
    output: Annotated[Path | None, typer.Option(help="A new folder for metrics.json and per_tag.csv.")] = None,
    device: Device = "auto",
) -> None:
    """Measure a bundle on labelled records."""
    from tagnet.cli.evaluate import run

    run(bundle, records, split=split, key=key, side=side, columns=column or [], output=output, device=device)


@app.command()
def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(help="A sweep, a cross-validation, or two finished runs and more.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option(help="A folder for what is written; default: the sweep's, or the last run's.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List all trials or tags, not 20 alone.")] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 when a tag drops below its interval.")] = False,
) -> None:
    """Look at a sweep and its best trial, or hold finished runs against the first of them, tag by tag."""
    from tagnet.cli.compare import run

    run(folders, output, everything=everything, gate=gate)


@app.command(context_settings=_HYDRA_GRAMMAR)
def crossval(context: typer.Context) -> None:
    """Train on every fold, with several seeds: settings as KEY=VALUE; see `tagnet crossval --help`."""
    from tagnet.cli.crossval import run

    run(context.args)


@app.command()
def predict(
    bundle: Bundle,
    text: Annotated[
        list[str] | None,
        typer.Argument(help="Texts; none: --input, or lines of standard input, each a text or a JSON record."),
    ] = None,
    input: Annotated[
        Path | None, typer.Option(help="Records: JSON Lines, CSV, Parquet of any size, JSON; no tags needed.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A JSON Lines file, one line a record, in order.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Only the N most probable tags.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Records in a batch.")] = 64,
    device: Device = "auto",
    engine: Annotated[str, typer.Option(help="local, or ray: over a Ray cluster, with --input.")] = "local",
) -> None:
    """Suggest tags for texts, for a file of records of any size, or for lines of standard input."""
    from tagnet.cli.predict import run

    run(
        bundle,
        text or [],
        input,
        output,
        top=top,
        columns=column or [],
        batch_size=batch_size,
        device=device,
        engine=engine,
    )


@app.command()
def export(
    bundle: Bundle,
    to: Annotated[str, typer.Option(help="huggingface, onnx, onnx-int8, torch-export or triton.")],
    output: Annotated[Path, typer.Option(help="A new folder.")],
    records: Annotated[
        str | None,
        typer.Option(
            help="Records to check the export on; default: the run's validation records, else built-in texts."
        ),
    ] = None,
    column: Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")] = None,
) -> None:
    """Export a bundle to a format that is served without tagnet, and check that it still says the same."""
    from tagnet.cli.export import run

    run(bundle, to, output, records=records, columns=column or [])


@app.command()
def serve(
    bundle: Annotated[Path, typer.Argument(help="A bundle, or a folder of tagnet export --to onnx.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for one that is free.")] = 8000,
    annotations: Annotated[
        Path | None, typer.Option(help="A JSON Lines file that authors' answers are appended to.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="Clients have to send the token in it; default: TAGNET_TOKEN, else none.")
    ] = None,
    label_studio: Annotated[
        bool, typer.Option("--label-studio", help="Be an ML backend of Label Studio, too.")
    ] = False,
    label_studio_events: Annotated[
        Path | None, typer.Option(help="A JSON Lines file that Label Studio's annotation events are appended to.")
    ] = None,
    on_labelled: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Started, without a shell, for each batch of finished tasks.")
    ] = None,
    labelled_batch: Annotated[int | None, typer.Option(min=1, help="Newly finished tasks of a batch.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of a batch; default: one a core.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Records in a batch.")] = 8,
    max_body: Annotated[int, typer.Option(min=1024, help="Bytes of a request's body.")] = Limits.body_bytes,
    max_records: Annotated[int, typer.Option(min=1, help="Records of a request.")] = Limits.records,
    max_characters: Annotated[int, typer.Option(min=1, help="Characters of a record.")] = Limits.characters,
    max_queue: Annotated[int, typer.Option(min=1, help="Records that wait at one time.")] = Limits.queue_records,
) -> None:
    """Serve a bundle over HTTP: suggested tags for programs, and a page for authors."""
    from tagnet.cli.serve import LabelStudioOptions, run

    run(
        bundle,
        host=host,
        port=port,
        annotations=annotations,
        token_file=token_file,
        label_studio=LabelStudioOptions(label_studio, label_studio_events, on_labelled, labelled_batch),
        threads=threads,
        batch_size=batch_size,
        limits=Limits(body_bytes=max_body, records=max_records, characters=max_characters, queue_records=max_queue),
    )


def main() -> None:
    """Run the command line; an error that was meant for people exits with its code and no traceback."""
    try:
        app()
    except TagnetError as error:
        from tagnet.cli.console import let_the_first_process_speak, print_error

        let_the_first_process_speak()
        print_error(str(error))
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
