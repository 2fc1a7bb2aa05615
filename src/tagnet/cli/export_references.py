"""What `tagnet export` checks an export on, and what it knows of the bundle's quality."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from tagnet.bundle import Bundle, read_bundle
from tagnet.errors import DataError, LabelSpaceError, TagnetError
from tagnet.export.exporter import References
from tagnet.export.model_card import Figures, figures_of_run
from tagnet.prediction.evaluate import evaluate, labelled_records
from tagnet.prediction.tagger import Tagger
from tagnet.records.io import AS_FLAGS, LoadedRecords, load_records
from tagnet.records.sources import EMBEDDED
from tagnet.workflows.finished_run import FinishedRun, read_finished_run

MOST = 1000
"""Records that are looked at where they have no labels: more show nothing that these do not."""

_log = logging.getLogger("tagnet.export")


def gather(folder: Path, records: str | None, columns: Mapping[str, str]) -> tuple[References, Figures | None]:
    """The records that the user names; else the validation records of the run in which the bundle lies; else texts.

    Args:
        folder: the bundle's.
        records: `--records`.
        columns: `--column`.

    Raises:
        BundleError: the folder is no whole bundle.
        RecordError: the records cannot be read.
    """
    bundle = read_bundle(folder)
    home = folder.resolve().parent
    run = read_finished_run(home, "val") if (home / "metrics.json").is_file() else None
    figures = None if run is None else figures_of_run(home, bundle.provenance.get("records", {}))
    if records is not None:
        loaded = load_records(records, columns, "error", bundle.text.features, need_tags=False, hints=AS_FLAGS)
        return _given(folder, bundle, records, loaded, figures)
    if run is not None:
        try:
            return _validation(run, bundle), figures
        except TagnetError as error:
            _log.warning(
                f"the run's validation records are not at hand, and texts of the embedded corpus stand in: {error}"
            )
    return _embedded(bundle), figures


def _given(
    folder: Path, bundle: Bundle, source: str, loaded: LoadedRecords, figures: Figures | None
) -> tuple[References, Figures | None]:
    name = Path(source).name
    try:
        labelled, y_NK = labelled_records(bundle, loaded.records)
    except LabelSpaceError:
        return References(f"the first records of {name}", loaded.records[:MOST], None), figures
    if figures is None:
        found = evaluate(Tagger.load(folder, "cpu"), loaded.records)
        on = f"{found.num_records:,} records of {name}"
        overall = {name: estimate.to_plain() for name, estimate in found.result.overall.items()}
        figures = Figures({on: overall}, found.rows, on)
    return References(f"the labelled records of {name}", labelled, y_NK), figures


def _validation(run: FinishedRun, bundle: Bundle) -> References:
    """The run's validation records, read again from where it read them.

    Raises:
        TagnetError: they are no longer there, or are others.
    """
    data = run.config["data"]
    loaded = load_records(data["records"], data["columns"], data["on_invalid"], bundle.text.features)
    if loaded.fingerprint != bundle.provenance.get("fingerprint"):
        raise DataError(f"{data['records']}: its SHA-256 is not the one that the bundle was trained on")
    by_id = {str(record.id): record for record in loaded.records}
    return References("the validation records of its run", [by_id[each] for each in run.ids], run.y_NK)


def _embedded(bundle: Bundle) -> References:
    """Texts of the embedded corpus, as they stand: parity needs no field of the bundle's."""
    loaded = load_records(EMBEDDED, {}, "error", ("title", "description"), need_tags=False)
    texts = [f"{record.fields['title']} {record.fields['description']}" for record in loaded.records[:MOST]]
    return References("texts of the embedded corpus", texts, None)
