"""What commands of `tagnet label` have in common, by file and by server: records into tasks, answers into the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, nearest
from tagnet.labeling.answer_log import extend_log
from tagnet.labeling.collect import Collected
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.labeling.review import add_to_review, review_path
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.labeling.tools.label_studio import CONTROLS, Control
from tagnet.records.sources import resolve_taxonomy
from tagnet.records.taxonomy import Taxonomy, load_taxonomy


def check_features(rows: LabelledRows, features: Sequence[str]) -> None:
    """Refuse fields to show that no row has."""
    there = dict.fromkeys(key for row in rows.rows for key in row)
    for name in features:
        if rows.schema.column(name) not in there:
            hint = nearest(rows.schema.column(name), there)
            raise ConfigError(
                f"--feature {name}: no row of {rows.source} has that column; there are {', '.join(there)}{hint}"
            )


def check_control(name: str) -> Control:
    """The control of Label Studio that a name means.

    Raises:
        ConfigError: there is none; the nearest one is named.
    """
    for known in CONTROLS:
        if name == known:
            return known
    raise ConfigError(f"--control: expected {', '.join(CONTROLS)}; found {name!r}{nearest(name, CONTROLS)}")


def load_tree(name: str | None) -> Taxonomy | None:
    """The taxonomy of a name, where one was given."""
    return None if name is None else load_taxonomy(resolve_taxonomy(name))


def make_tasks(
    rows: LabelledRows,
    tree: Taxonomy | None,
    bundle: Path | None,
    features: Sequence[str],
    device: str,
    messages: Console,
) -> TaskBatch:
    """The tasks, with what a bundle suggests where there is one."""
    others = tree.tags if tree is not None else ()
    parents = {tag: above[0] for tag in others if tree is not None and (above := tree.parents_of(tag))}
    if bundle is None:
        shown = tuple(features) or rows.usual_features()
        return make_batch(rows.records(shown), shown, declared=others, parents=parents)
    require_extra("train", "label export --bundle")
    from tagnet.labeling.suggestions import suggest
    from tagnet.prediction.tagger import Tagger

    tagger = Tagger.load(bundle, device)
    shown = tuple(features) or tagger.bundle.text.features
    records = rows.records(tuple(dict.fromkeys([*shown, *tagger.bundle.text.features])))
    hidden = not messages.is_terminal
    with Progress(console=messages, transient=True, disable=hidden, redirect_stdout=False) as progress:
        task = progress.add_task("predicting", total=len(records))
        suggested = suggest(tagger, records, progress=lambda done: progress.update(task, completed=done))
    return make_batch(records, shown, suggested=suggested, declared=[*others, *tagger.tags], parents=parents)


def store_answers(messages: Console, output: Path, found: Collected) -> None:
    """Add answers to the log and what is unclear to the review beside it, and say how many of them are new."""
    new = extend_log(output, found.answers)
    add_to_review(output, found.review)
    known = len(found.answers) - new
    parts = [f"{new} new answers", f"{known} known ones" if known else "", f"{found.num_waiting} tasks wait"]
    messages.print(Text(f"{', '.join(filter(None, parts))} → {output}"), soft_wrap=True)


def say_review(messages: Console, output: Path, count: int) -> None:
    """Say that there is something to look at, where there is."""
    if count:
        messages.print(Text(f"{count} to look at → {review_path(output)}", style="yellow"), soft_wrap=True)
