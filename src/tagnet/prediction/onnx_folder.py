"""A folder that onnxruntime predicts with: what `tagnet export --to onnx` writes and an `OnnxTagger` reads.

    tagnet.json      format, tags and decision rule, text settings, taxonomy, SHA-256 of the files below and of itself
    model.onnx       input_ids, attention_mask (S, T) int64 → probabilities (S, K) float32, accepted (S, K) bool
    tokenizer.json   the tokenizer, as tokenizers writes it
    README.md        the model card, for people
    model.onnx.data  the weights, where they are too large for a protobuf

Calibration and thresholds are inside model.onnx; tagnet.json has them too, for people and for messages. NumPy and the
standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.bundle import TextSettings
from tagnet.calibration.rule import DecisionRule
from tagnet.errors import BundleError, TagnetError
from tagnet.records.taxonomy import Taxonomy, build_taxonomy, to_rows
from tagnet.sealed import check_files, read_sealed, write_sealed
from tagnet.strict_build import build, to_plain

FORMAT = "tagnet-onnx"
FORMAT_VERSION = 1

DESCRIPTION_FILE = "tagnet.json"
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
_WEIGHTS_FILE = "model.onnx.data"
_ALWAYS = frozenset({MODEL_FILE, TOKENIZER_FILE})
_SOMETIMES = frozenset({_WEIGHTS_FILE})


@dataclass(frozen=True)
class OnnxFolder:
    """What tagnet.json says; the model stays on disk until a tagger loads it."""

    folder: Path
    rule: DecisionRule
    text: TextSettings
    pad_id: int
    """The token id that fills up a batch."""
    taxonomy: Taxonomy | None
    train_counts: Mapping[str, int]
    """Tag → training records that bore it."""
    precision: str
    """The weights' type: float32 or int8."""
    model_version: str
    """The fingerprint of the bundle that was exported."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The label space, in the order of the model's columns."""
        return self.rule.tags


def describe_onnx_folder(described: OnnxFolder) -> None:
    """Write tagnet.json beside the model and the tokenizer, which are there already."""
    description: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model_version": described.model_version,
        "precision": described.precision,
        "decision_rule": described.rule.to_plain(),
        "text": to_plain(described.text),
        "pad_id": described.pad_id,
        "train_counts": dict(described.train_counts),
        "taxonomy": None if described.taxonomy is None else to_rows(described.taxonomy),
    }
    files = {name for name in _ALWAYS | _SOMETIMES if (described.folder / name).is_file()}
    write_sealed(described.folder / DESCRIPTION_FILE, description, files)


def read_onnx_folder(folder: str | Path) -> OnnxFolder:
    """Read tagnet.json and check the fingerprint of the model and the tokenizer.

    Raises:
        BundleError: the folder is none of ours, is of another format, or a file is missing or was changed.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION_FILE
    if not path.is_file():
        hint = ""
        if (folder / "bundle.json").is_file():
            hint = f"; it is a bundle: tagnet export {folder} --to onnx --output DIR"
        raise BundleError(f"{folder}: expected an ONNX export, found no {DESCRIPTION_FILE} in it{hint}")
    found = read_sealed(path, "an ONNX export", FORMAT_VERSION)
    try:
        if found["format"] != FORMAT:
            raise BundleError(f"{path}: expected the format {FORMAT!r}, found {found['format']!r}")
        check_files(path, found["files"], always=_ALWAYS, sometimes=_SOMETIMES, what="the ONNX export")
        rows = found["taxonomy"]
        return OnnxFolder(
            folder=folder,
            rule=DecisionRule.from_plain(found["decision_rule"]),
            text=build(TextSettings, found["text"], "text"),
            pad_id=int(found["pad_id"]),
            taxonomy=None if rows is None else build_taxonomy(rows, str(path)),
            train_counts=found["train_counts"],
            precision=found["precision"],
            model_version=found["model_version"],
        )
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, TagnetError) as error:
        raise BundleError(
            f"{path}: expected an ONNX export's description, found something else in it ({error})"
        ) from error
