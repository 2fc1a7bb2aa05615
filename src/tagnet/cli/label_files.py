"""`tagnet label export`, `import`, `merge` and `rebuild`, by file."""

from __future__ import annotations

import dataclasses
import filecmp
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.label_tasks import check_control, check_features, load_tree, make_tasks, say_review, store_answers
from tagnet.cli.predict import parse_columns
from tagnet.errors import ConfigError, LabelingError, nearest
from tagnet.labeling.agreement import TagAgreement, can_measure
from tagnet.labeling.answer_log import read_log
from tagnet.labeling.collect import collect
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows
from tagnet.labeling.merge import Merged, merge
from tagnet.labeling.rebuild import rebuild
from tagnet.labeling.resolve import check_rule
from tagnet.labeling.review import add_to_review
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.codec import Codec
from tagnet.labeling.tools.label_studio import CONTROLS, LabelStudio
from tagnet.labeling.tools.prodigy import Prodigy
from tagnet.labeling.tools.registry import find_codec
from tagnet.labeling.tools.scale import Scale
from tagnet.labeling.tools.tagnet_page import TagnetPage
from tagnet.labeling.version import read_steps, version_path, write_version

_LEAST_AGREED = 10


def run_export(
    tool: str,
    records: str,
    output: Path,
    *,
    bundle: Path | None,
    taxonomy: str | None,
    features: Sequence[str],
    columns: Sequence[str],
    control: str,
    max_choices: int | None,
    device: str,
) -> None:
    """Run the command."""
    codec = choose_codec(tool, control, max_choices)
    messages = message_console()
    speak_to(messages)
    rows = read_labelled_rows(records, parse_columns(columns))
    check_features(rows, features)
    tree = load_tree(taxonomy)
    batch = make_tasks(rows, tree, bundle, features, device, messages)
    written = write_batch(codec, batch, output)
    limit = getattr(codec, "max_choices", len(batch.tags))
    of = f"{limit} of the {len(batch.tags)}" if limit < len(batch.tags) else f"{len(batch.tags)}"
    count = f"{len(batch.tasks)} tasks, {of} tags to choose from"
    messages.print(Text(f"{count} → {', '.join(map(str, written))}"), soft_wrap=True)


def run_import(
    tool: str,
    file: Path,
    output: Path,
    *,
    taxonomy: str | None,
    annotator: str | None,
    records: str | None = None,
    columns: Sequence[str] = (),
) -> None:
    """Run the command."""
    codec = find_codec(tool)
    if records is not None:
        if not isinstance(codec, TagnetPage):
            raise ConfigError(f"--records: expected --tool tagnet, whose texts may have no id, found {tool}")
        codec = dataclasses.replace(codec, records=read_labelled_rows(records, parse_columns(columns)))
    messages = message_console()
    speak_to(messages)
    tree = load_tree(taxonomy)
    if not file.exists():
        beside = [entry.name for entry in file.parent.iterdir()] if file.parent.is_dir() else []
        raise LabelingError(f"{file}: no such file{nearest(file.name, beside)}")
    replies = codec.read(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
    found = collect(replies, tool=tool, file=file.name, file_sha256=digest, taxonomy=tree, annotator=annotator)
    store_answers(messages, output, found)
    say_review(messages, output, len(found.review))


def run_merge(
    records: str, answers: Path, output: Path, *, taxonomy: str | None, rule: str, columns: Sequence[str]
) -> None:
    """Run the command."""
    chosen = check_rule(rule)
    messages, results = message_console(), result_console()
    speak_to(messages)
    rows = read_labelled_rows(records, parse_columns(columns))
    log = read_log(answers)
    tree = load_tree(taxonomy)
    hidden = not messages.is_terminal or chosen != "dawid-skene"
    with Progress(console=messages, transient=True, disable=hidden, redirect_stdout=False) as progress:
        task = progress.add_task("resolving")
        merged = merge(
            rows,
            log.answers,
            log.origins,
            rule=chosen,
            taxonomy=tree,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    fingerprint = write_version(output, rows, log, merged, rule=chosen, taxonomy=tree, log_name=answers.name)
    add_to_review(output, merged.review)
    _show_merged(results, rows, merged)
    messages.print(Text(f"{len(rows.rows)} records, fingerprint {fingerprint[:16]}… → {output}"), soft_wrap=True)
    messages.print(Text(f"changes, conflicts, provenance → {version_path(output)}"), soft_wrap=True)
    if merged.agreement and not can_measure():
        messages.print(Text("Krippendorff's α needs: pip install 'tagnet[label]'"), soft_wrap=True)
    say_review(messages, output, len(merged.review))


def run_rebuild(version: Path, records: str, answers: Sequence[Path], output: Path) -> None:
    """Run the command."""
    messages = message_console()
    speak_to(messages)
    fingerprint = rebuild(read_steps(version), records, [read_log(path) for path in answers], output)
    messages.print(Text(f"the same version, fingerprint {fingerprint[:16]}… → {output}"), soft_wrap=True)


def choose_codec(tool: str, control: str, max_choices: int | None) -> Codec:
    """The codec of a tool, with what was asked of it; a ConfigError where it has no such thing."""
    codec = find_codec(tool)
    if max_choices is not None:
        if not isinstance(codec, Prodigy | Scale):
            raise ConfigError(f"--max-choices: expected --tool prodigy or scale, which repeat tags, found {tool}")
        codec = dataclasses.replace(codec, max_choices=max_choices)
    chosen = check_control(control)
    if isinstance(codec, LabelStudio):
        return dataclasses.replace(codec, control=chosen)
    if chosen != CONTROLS[0]:
        raise ConfigError(f"--control {chosen}: expected --tool label-studio, which alone has it, found {tool}")
    return codec


def write_batch(codec: Codec, batch: TaskBatch, output: Path) -> Sequence[Path]:
    """Write tasks under a new name; what is there already may be what people have worked on."""
    if not output.exists() or (output.is_file() and not output.stat().st_size):
        return codec.write(batch, output)
    with tempfile.TemporaryDirectory() as folder:
        codec.write(batch, Path(folder) / output.name)
        if not _same(Path(folder) / output.name, output):
            raise LabelingError(
                f"--output {output}: expected the name of a new file, found one of other content, on which people may "
                "have worked.\nChoose another name, or take it away."
            )
    return [output]


def _same(one: Path, other: Path) -> bool:
    if one.is_dir() and other.is_dir():
        names = sorted(path.name for path in one.iterdir())
        return names == sorted(path.name for path in other.iterdir()) and not any(
            filecmp.cmpfiles(one, other, names, shallow=False)[1:]
        )
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _show_merged(console: Console, rows: LabelledRows, merged: Merged) -> None:
    """What changed, in one table; and where annotators agree least."""
    added = sum(len(change.added) for change in merged.changes)
    removed = sum(len(change.removed) for change in merged.changes)
    table = Table(title="Against the last version", title_justify="left")
    table.add_column("")
    table.add_column("number", justify="right")
    for name, number in (
        ("records", len(rows.rows)),
        ("answered", merged.num_answered),
        ("skipped by all who answered", merged.num_skipped),
        ("with other tags now", len(merged.changes)),
        ("tags added", added),
        ("tags removed", removed),
        ("answered differently by several", len(merged.conflicts)),
        ("answers held back", len(merged.held_back)),
    ):
        table.add_row(name, str(number))
    console.print(table)
    if merged.agreement:
        console.print(_agreement_table(merged.agreement))


def _agreement_table(rows: Sequence[TagAgreement]) -> Table:
    title = f"Least agreed tags, of {len(rows)}, in {rows[0].records} records that several answered"
    table = Table(title=title, title_justify="left")
    table.add_column("tag")
    for name in ("α", "agreeing", "chosen by any"):
        table.add_column(name, justify="right")
    for row in rows[:_LEAST_AGREED]:
        alpha = "–" if row.alpha is None else f"{row.alpha:.2f}"
        table.add_row(Text(row.tag), alpha, str(row.agreeing), str(row.chosen))
    return table
