"""`tagnet label push`, `pull` and `status`: Label Studio over its REST API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.label_tasks import check_control, check_features, load_tree, make_tasks, say_review, store_answers
from tagnet.cli.predict import parse_columns
from tagnet.cli.token import read_token
from tagnet.errors import ConfigError
from tagnet.labeling.answer_log import count_new
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.label_studio_server.connection import Connection
from tagnet.labeling.label_studio_server.project import check_title
from tagnet.labeling.label_studio_server.pull import Pulled, pull
from tagnet.labeling.label_studio_server.push import MODEL_VERSION, push
from tagnet.labeling.label_studio_server.status import Status, status
from tagnet.labeling.labelled_rows import read_labelled_rows
from tagnet.labeling.tasks import LabelTask, TaskBatch, make_batch
from tagnet.labeling.tools.label_studio import Control, LabelStudio
from tagnet.records.taxonomy import Taxonomy

TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"

_TOOL = LabelStudio().name


@dataclass(frozen=True)
class Server:
    """Where the project is, as the command line says it."""

    url: str
    project: str
    token_file: Path | None

    def connect(self) -> Connection:
        """A connection, which has asked nothing yet.

        Raises:
            ConfigError: there is no token, or one of the settings cannot be used.
        """
        check_title(self.project)
        token = read_token(self.token_file, TOKEN_VARIABLE)
        if token is None:
            raise ConfigError(
                f"{TOKEN_VARIABLE}: expected Label Studio's token, found none\n"
                f"Put it there, or into a file that --token-file names; it is in Account & Settings of {self.url}."
            )
        return Connection(self.url, token)


def run_push(
    server: Server,
    records: str,
    *,
    bundle: Path | None,
    taxonomy: str | None,
    features: Sequence[str],
    columns: Sequence[str],
    control: str,
    device: str,
) -> None:
    """Run the command."""
    chosen = check_control(control)
    connection = server.connect()
    messages = message_console()
    speak_to(messages)
    rows = read_labelled_rows(records, parse_columns(columns))
    check_features(rows, features)
    batch = make_tasks(rows, load_tree(taxonomy), bundle, features, device, messages)
    push_batch(server, connection, batch, chosen, messages)


def push_batch(server: Server, connection: Connection, batch: TaskBatch, chosen: Control, messages: Console) -> None:
    """Send tasks, and say what came of it."""
    with _progress(messages, "pushing") as report:
        pushed = push(connection, server.project, batch, chosen, report)
    parts = [f"{pushed.sent} tasks sent", f"{pushed.known} were there" if pushed.known else ""]
    place = f"{'new project' if pushed.made else 'project'} {server.project!r} at {connection.url}"
    messages.print(Text(f"{', '.join(filter(None, parts))} → {place}"), soft_wrap=True)
    shown = pushed.project.shown_model
    for said in (
        pushed.new_tags and f"{len(pushed.new_tags)} tags were put into its labeling config",
        pushed.doubles and f"{pushed.doubles} tasks that were there twice, and untouched, were taken away",
        pushed.outdated
        and f"{pushed.outdated} tasks show an earlier text of these records; merging holds answers to them back",
        shown not in (None, MODEL_VERSION)
        and f"it ticks the predictions of {shown!r}, not what was pushed: choose {MODEL_VERSION!r} in its settings",
    ):
        if said:
            messages.print(Text(said, style="yellow"), soft_wrap=True)


def run_pull(server: Server, output: Path, *, taxonomy: str | None) -> None:
    """Run the command."""
    connection = server.connect()
    messages = message_console()
    speak_to(messages)
    tree = load_tree(taxonomy)
    with _progress(messages, "pulling") as report:
        pulled = pull(connection, server.project, report)
    found = _collected(connection, pulled, tree)
    store_answers(messages, output, found)
    _say_moved_on(messages, pulled)
    say_review(messages, output, len(found.review))


def run_status(
    server: Server, *, records: str | None, answers: Path | None, features: Sequence[str], columns: Sequence[str]
) -> None:
    """Run the command."""
    connection = server.connect()
    messages = message_console()
    speak_to(messages)
    tasks = None if records is None else _tasks(records, features, columns)
    with _progress(messages, "asking") as report:
        pulled = pull(connection, server.project, report)
    to_pull = None
    if answers is not None:
        to_pull = count_new(answers, _collected(connection, pulled, None).answers)
    result_console().print(_table(server.project, status(pulled, tasks), to_pull))
    _say_moved_on(messages, pulled)


def _tasks(records: str, features: Sequence[str], columns: Sequence[str]) -> Sequence[LabelTask]:
    rows = read_labelled_rows(records, parse_columns(columns))
    check_features(rows, features)
    shown = tuple(features) or rows.usual_features()
    return make_batch(rows.records(shown), shown).tasks


def _collected(connection: Connection, pulled: Pulled, tree: Taxonomy | None) -> Collected:
    return collect(pulled.replies, tool=_TOOL, file=connection.url, file_sha256=None, taxonomy=tree)


@contextmanager
def _progress(messages: Console, doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, and nothing elsewhere."""
    hidden = not messages.is_terminal
    with Progress(console=messages, transient=True, disable=hidden, redirect_stdout=False) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _say_moved_on(messages: Console, pulled: Pulled) -> None:
    if pulled.moved_on is not None:
        messages.print(Text(pulled.moved_on, style="yellow"), soft_wrap=True)


def _table(title: str, found: Status, to_pull: int | None) -> Table:
    """The counts; what there is nothing of is left out where it would be a fault."""
    table = Table(title=Text(title), title_justify="left")
    table.add_column("")
    table.add_column("number", justify="right")
    rows: list[tuple[str, int | None]] = [
        ("tasks", found.tasks),
        ("answered", found.answered),
        ("only skipped", found.skipped),
        ("waiting", found.waiting),
        ("not sent by tagnet", found.foreign or None),
        ("with a text that was edited there", found.edited or None),
        ("twice there", found.doubles or None),
        ("answers not in the log yet", to_pull),
    ]
    if found.against is not None:
        rows += [
            ("records to push", found.against.to_push),
            ("tasks with an earlier text of a record", found.against.earlier_text or None),
            ("tasks of other records", found.against.other_records or None),
        ]
    rows += [(f"answers of {name or 'nobody known'}", number) for name, number in found.answers.items()]
    for name, number in rows:
        if number is not None:
            table.add_row(Text(name), str(number))
    return table
