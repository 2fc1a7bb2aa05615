"""The table of `tagnet label`: tasks out to a tool, answers back, records merged. It imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagnet.cli.label_audit_command import audit
from tagnet.cli.label_loop_command import loop
from tagnet.cli.label_query_command import query
from tagnet.cli.label_simulate_command import simulate
from tagnet.cli.label_weak_command import weak

label = typer.Typer(
    name="label",
    help="Take records to a labelling tool and bring the answers back.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_TOOLS = "label-studio, doccano, prodigy, argilla, universal-data-tool, scale, brat, superintendent, csv"

Records = Annotated[
    str, typer.Option(help="A file of records: JSON, JSON Lines, CSV or Parquet; or embedded, madewithml, goemotions.")
]
Taxonomy = Annotated[
    str | None, typer.Option(help="A tags.json: aliases are resolved, parents added. Without it no tag is changed.")
]
Column = Annotated[list[str] | None, typer.Option(help="OURS=THEIRS: the name of a column in the file.")]
Bundle = Annotated[
    Path | None, typer.Option(help="A bundle that suggests tags beside the author's, such as RUN/bundle.")
]
MoreTags = Annotated[str | None, typer.Option(help="A tags.json, whose tags can be chosen, too.")]
Feature = Annotated[
    list[str] | None, typer.Option(help="A field to show; default: the bundle's, or title and description.")
]
Device = Annotated[str, typer.Option(help="cpu, gpu, or auto for a GPU where there is one.")]
Project = Annotated[str, typer.Option(help="The title of the project in Label Studio.")]
Url = Annotated[
    str, typer.Option(envvar="LABEL_STUDIO_URL", show_envvar=True, help="The address of the Label Studio server.")
]
TokenFile = Annotated[
    Path | None, typer.Option(help="Label Studio's token is in it; default: the variable LABEL_STUDIO_API_KEY.")
]
_LOCAL = "http://localhost:8080"

label.command("weak")(weak)
label.command("query")(query)
label.command("simulate")(simulate)
label.command("audit")(audit)
label.command("loop")(loop)


@label.command("export")
def export_tasks(
    tool: Annotated[str, typer.Option(help=f"One of {_TOOLS}.")],
    records: Records,
    output: Annotated[Path, typer.Option(help="A new file; for brat a new folder.")],
    bundle: Bundle = None,
    taxonomy: MoreTags = None,
    feature: Feature = None,
    column: Column = None,
    control: Annotated[str, typer.Option(help="For label-studio: choices, or taxonomy to show a tree.")] = "choices",
    max_choices: Annotated[
        int | None, typer.Option(min=1, help="For prodigy and scale, which repeat tags in each task (default 400).")
    ] = None,
    device: Device = "auto",
) -> None:
    """Write records as tasks of a labelling tool, the author's and the model's tags ticked."""
    from tagnet.cli.label_files import run_export

    run_export(
        tool,
        records,
        output,
        bundle=bundle,
        taxonomy=taxonomy,
        features=feature or [],
        columns=column or [],
        control=control,
        max_choices=max_choices,
        device=device,
    )


@label.command("import")
def import_answers(
    file: Annotated[Path, typer.Argument(help="What the tool exported; for brat its folder.", show_default=False)],
    tool: Annotated[str, typer.Option(help=f"One of {_TOOLS}; or tagnet, for the server's page.")],
    output: Annotated[
        Path, typer.Option(help="The log of answers, JSON Lines; new answers are written behind old ones.")
    ],
    taxonomy: Taxonomy = None,
    annotator: Annotated[str | None, typer.Option(help="Who answered, where the tool does not say.")] = None,
    records: Annotated[
        str | None, typer.Option(help="For tagnet: the records, among which texts without an id are looked up.")
    ] = None,
    column: Column = None,
) -> None:
    """Read what a labelling tool exported, and add its answers to a log."""
    from tagnet.cli.label_files import run_import

    run_import(tool, file, output, taxonomy=taxonomy, annotator=annotator, records=records, columns=column or [])


@label.command("push")
def push_tasks(
    records: Records,
    project: Project,
    url: Url = _LOCAL,
    token_file: TokenFile = None,
    bundle: Bundle = None,
    taxonomy: MoreTags = None,
    feature: Feature = None,
    column: Column = None,
    control: Annotated[str, typer.Option(help="choices, or taxonomy to show a tree.")] = "choices",
    device: Device = "auto",
) -> None:
    """Send records to a Label Studio server as tasks: those that are not there yet, each once."""
    from tagnet.cli.label_server import Server, run_push

    run_push(
        Server(url, project, token_file),
        records,
        bundle=bundle,
        taxonomy=taxonomy,
        features=feature or [],
        columns=column or [],
        control=control,
        device=device,
    )


@label.command("pull")
def pull_answers(
    project: Project,
    output: Annotated[
        Path, typer.Option(help="The log of answers, JSON Lines; new answers are written behind old ones.")
    ],
    url: Url = _LOCAL,
    token_file: TokenFile = None,
    taxonomy: Taxonomy = None,
) -> None:
    """Add the answers of a Label Studio server to a log, each once."""
    from tagnet.cli.label_server import Server, run_pull

    run_pull(Server(url, project, token_file), output, taxonomy=taxonomy)


@label.command("status")
def project_status(
    project: Project,
    url: Url = _LOCAL,
    token_file: TokenFile = None,
    records: Annotated[str | None, typer.Option(help="Records to hold against what was sent.")] = None,
    answers: Annotated[Path | None, typer.Option(help="A log of answers to hold against what was answered.")] = None,
    feature: Feature = None,
    column: Column = None,
) -> None:
    """Say what a project on a Label Studio server holds; nothing is changed."""
    from tagnet.cli.label_server import Server, run_status

    run_status(
        Server(url, project, token_file), records=records, answers=answers, features=feature or [], columns=column or []
    )


@label.command("merge")
def merge_answers(
    records: Records,
    answers: Annotated[Path, typer.Option(help="The log of answers that `tagnet label import` wrote.")],
    output: Annotated[Path, typer.Option(help="A new file, of the format of the records.")],
    taxonomy: Taxonomy = None,
    resolve: Annotated[
        str, typer.Option(help="Whose tags a record gets: latest, majority or dawid-skene (tagnet[label]).")
    ] = "latest",
    column: Column = None,
) -> None:
    """Write the next version of the records: the same, but for the tags that were answered."""
    from tagnet.cli.label_files import run_merge

    run_merge(records, answers, output, taxonomy=taxonomy, rule=resolve, columns=column or [])


@label.command("rebuild")
def rebuild_version(
    version: Annotated[Path, typer.Argument(help="The .version.json beside the version.", show_default=False)],
    records: Annotated[str, typer.Option(help="The first records, or a version in between.")],
    answers: Annotated[list[Path], typer.Option(help="The log of answers; again for each, where there were several.")],
    output: Annotated[Path, typer.Option(help="A new file.")],
) -> None:
    """Build a version again from the log of answers, and check that it is the same."""
    from tagnet.cli.label_files import run_rebuild

    run_rebuild(version, records, answers, output)
