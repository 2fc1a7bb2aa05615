"""`tagnet evaluate`: a bundle against labelled records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.cli.predict import parse_columns
from tagnet.errors import ConfigError, RunDirectoryError

_TAKEN = ("metrics.json", "config.yaml", "bundle", "bundle.json")


def run(
    bundle: Path,
    records: str,
    *,
    split: str | None,
    key: str | None,
    side: str,
    columns: Sequence[str],
    output: Path | None,
    device: str,
) -> None:
    """Run the command."""
    if side not in ("train", "val", "test"):
        raise ConfigError(f"--side: expected train, val or test, found {side!r}")
    if key is not None and split is None:
        raise ConfigError("--key names a split of --split, which is missing")
    if output is not None:
        check_output(output)
    require_extra("train", "evaluate")
    from tagnet.atomic import write_json
    from tagnet.evaluation.per_tag import write_csv
    from tagnet.evaluation.tables import comparison_table, tag_table
    from tagnet.prediction.evaluate import evaluate
    from tagnet.prediction.tagger import Tagger
    from tagnet.records.io import AS_FLAGS, load_records

    messages, results = message_console(), result_console()
    speak_to(messages)
    tagger = Tagger.load(bundle, device)
    features = tagger.bundle.text.features
    loaded = load_records(records, parse_columns(columns), "error", features, hints=AS_FLAGS).records
    if split is not None:
        from tagnet.data.split_file import ids_of_side
        from tagnet.records.sources import resolve_split_file

        wanted = ids_of_side(resolve_split_file(split), key, side)
        loaded = tuple(record for record in loaded if str(record.id) in wanted)
        if not loaded:
            raise ConfigError(f"--split {split}: none of its {side} ids is in {records}")
    found = evaluate(tagger, loaded)
    if found.num_untagged_dropped:
        messages.print(Text(f"{found.num_untagged_dropped} records without a tag of the label space are left out"))
    results.print(tag_table(found.rows, results, title=f"{found.num_records} records"))
    results.print(comparison_table({"bundle": found.result.overall}, results, title="Overall"))
    if output is not None:
        write_csv(output / "per_tag.csv", found.rows)
        plain = {name: estimate.to_plain() for name, estimate in found.result.overall.items()}
        write_json(output / "metrics.json", {"records": found.num_records, **plain})
        messages.print(Text(f"metrics → {output / 'metrics.json'}"), soft_wrap=True)


def check_output(folder: Path) -> None:
    """Refuse a folder in which something would be overwritten, before anything is measured.

    Raises:
        RunDirectoryError: it holds a run, a bundle or an earlier evaluation, or is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise RunDirectoryError(f"--output {folder}: expected a folder, found a file")
    taken = [name for name in _TAKEN if (folder / name).exists()]
    if taken:
        raise RunDirectoryError(
            f"--output {folder}: {taken[0]} of a run, a bundle or an earlier evaluation is there, and is never "
            "overwritten.\nChoose another folder."
        )
