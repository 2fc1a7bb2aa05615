"""`tagnet label audit`: labels that are probably wrong or missing, as a table, as a list, and as tasks of a tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tagnet.atomic import write_text
from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.cli.label_audit_judges import Audit, choose_learner, judge
from tagnet.cli.label_target import Target
from tagnet.cli.label_tasks import check_features, load_tree
from tagnet.cli.predict import parse_columns
from tagnet.errors import LabelingError
from tagnet.evaluation.table_parts import new_table, shorten, titled
from tagnet.labeling.audit import check_kind, check_ranker, rank_cells
from tagnet.labeling.audit_tasks import SuspectCell, check_suffix, render_cells, suspect_batch, text_of
from tagnet.labeling.labelled_rows import read_labelled_rows

_SHOWN = 20
_WIDEST, _SHORTEST = 24, 16
"""Letters of a tag, and of a text, in the table."""
_GAP = 3


def run_audit(audit: Audit, target: Target, cells_file: Path | None) -> None:
    """Run the command."""
    kind, ranker, learner = check_kind(audit.kind), check_ranker(audit.ranker), choose_learner(audit)
    if cells_file is not None:
        check_suffix(cells_file)
        if cells_file.exists():
            raise LabelingError(f"--cells {cells_file}: expected the name of a new file, found one that is there")
    send = target.open()
    require_extra("train", "label audit")
    messages = message_console()
    speak_to(messages)
    rows = read_labelled_rows(audit.records, parse_columns(audit.columns))
    check_features(rows, audit.features)
    tree = load_tree(audit.taxonomy)
    features = audit.features or rows.usual_features()
    records = rows.records(features)
    found = judge(audit, learner, rows, records, features, tree, messages)
    ranking = rank_cells(
        found.probs_NK, found.y_NK, found.known_NK, ranker=ranker, kind=kind, budget=audit.budget, seed=audit.seed
    )
    cells = [
        SuspectCell(
            rank=rank,
            id=records[row].id,
            tag=found.tags[column],
            suspect="missing" if missing else "spurious",
            probability=float(found.probs_NK[row, column]),
            suspicion=float(suspicion),
            tags=records[row].tags,
            text=text_of(records[row]),
        )
        for rank, (row, column, missing, suspicion) in enumerate(
            zip(ranking.rows_C, ranking.columns_C, ranking.missing_C, ranking.suspicion_C, strict=True), 1
        )
    ]
    if not cells:
        raise LabelingError(f"{rows.source}: expected cells of kind {kind} to rank, found none")
    parents = {tag: above[0] for tag in (tree.tags if tree else ()) if tree and (above := tree.parents_of(tag))}
    batch = suspect_batch(
        cells, records, features, declared=[*(tree.tags if tree else ()), *found.tags], parents=parents
    )
    place = None if send is None else send(batch, messages)
    if cells_file is not None:
        write_text(cells_file, render_cells(cells, cells_file.suffix))
    _show(cells, result_console())
    if place is not None:
        said = f"{len(cells)} cells of {len(batch.tasks)} records → {place}"
        messages.print(Text(said), soft_wrap=True)
    if cells_file is not None:
        messages.print(Text(f"the list → {cells_file}"), soft_wrap=True)


def _show(cells: Sequence[SuspectCell], console: Console) -> None:
    """The first cells, and where all of them are."""
    shown = [
        (str(cell.rank), str(cell.id), shorten(cell.tag, _WIDEST), cell.suspect, f"{cell.probability:.3f}")
        for cell in cells[:_SHOWN]
    ]
    heads = ("", "record", "tag", "suspect", "p")
    table = new_table()
    for name in (*heads, "text"):
        table.add_column(name, no_wrap=True)
    taken = sum(max(map(len, column)) + _GAP for column in zip(heads, *shown, strict=True))
    for cell, values in zip(cells, shown, strict=False):
        text = " ".join(cell.text.split())
        table.add_row(*map(Text, values), Text(shorten(text, max(_SHORTEST, console.width - taken))))
    title = f"The most suspect labels, {min(_SHOWN, len(cells))} of {len(cells)}"
    note = "p: the probability that the record bears the tag, by models that did not see it"
    console.print(titled(title, table, note))
    kinds = Counter(cell.suspect for cell in cells)
    often = ", ".join(f"{tag} {count}" for tag, count in Counter(cell.tag for cell in cells).most_common(5))
    console.print(Text(f"{kinds['missing']} missing, {kinds['spurious']} spurious; most in {often}"), soft_wrap=True)
