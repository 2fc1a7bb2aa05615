"""What commands of `tagnet label` have in common, by file and by server: records into tasks, a word on the review."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, nearest
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.labeling.review import review_path
from tagnet.labeling.tasks import TaskBatch, make_batch
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


def say_review(messages: Console, output: Path, count: int) -> None:
    """Say that there is something to look at, where there is."""
    if count:
        messages.print(Text(f"{count} to look at → {review_path(output)}", style="yellow"), soft_wrap=True)
