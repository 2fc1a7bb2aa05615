"""A bundle: one folder with all that prediction needs, in safetensors and JSON only.

    bundle.json          format version, tags, text settings, network, provenance, SHA-256 of every other file
    decision_rule.json   calibration and thresholds
    taxonomy.json        tags, aliases, parents (where the run had a taxonomy)
    encoder.json         the encoder's architecture, as transformers writes it
    tokenizer.json       the tokenizer, as tokenizers writes it
    model.safetensors    all weights

Reading one never unpickles, and refuses files whose fingerprint is not the recorded one. At import this module needs
NumPy and the standard library alone; torch is imported when a network is asked for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagnet.atomic import cannot_write, write_json, write_text
from tagnet.calibration.rule import DecisionRule
from tagnet.config import LabelsConfig, ModelConfig, build, to_plain
from tagnet.errors import BundleError
from tagnet.records.taxonomy import Taxonomy, build_taxonomy, to_rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from tagnet.model.encoder import Encoder
    from tagnet.model.network import TaggerNetwork

FORMAT_VERSION = 1


@dataclass(frozen=True)
class TextSettings:
    """How a record becomes token ids."""

    template: str
    """A Python format string over the record's fields."""
    features: tuple[str, ...]
    """The fields that the template names."""
    feature_tokens: Mapping[str, int]
    """Where a feature is cut (unit: tokens)."""
    max_tokens: int
    """Where a sequence is cut (unit: tokens, special ones included)."""
    window_overlap: int | None
    """None: longer texts are cut; a number: they are read in windows."""


@dataclass(frozen=True)
class Bundle:
    """What bundle.json and its neighbours say; the weights stay on disk until a network is asked for."""

    folder: Path
    tags: tuple[str, ...]
    taxonomy: Taxonomy | None
    rule: DecisionRule
    text: TextSettings
    labels: LabelsConfig
    """How the run made tags canonical, for whoever measures the bundle on labelled records."""
    train_counts: Mapping[str, int]
    """Tag → training records that bore it."""
    model: ModelConfig
    encoder_source: str
    encoder_config: Mapping[str, Any]
    pad_id: int
    provenance: Mapping[str, Any]


def write_bundle(
    folder: Path,
    *,
    network: TaggerNetwork,
    encoder: Encoder,
    model: ModelConfig,
    taxonomy: Taxonomy | None,
    rule: DecisionRule,
    text: TextSettings,
    labels: LabelsConfig,
    train_counts: Mapping[str, int],
    provenance: Mapping[str, Any],
) -> Bundle:
    """Write a bundle whole or not at all, and read it back.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
    from safetensors.torch import save_file

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(weights, scratch / "model.safetensors")
        write_text(scratch / "tokenizer.json", encoder.tokenizer.to_str())
        write_json(scratch / "encoder.json", encoder.config)
        write_json(scratch / "decision_rule.json", rule.to_plain())
        if taxonomy is not None:
            write_json(scratch / "taxonomy.json", to_rows(taxonomy))
        description = {
            "format_version": FORMAT_VERSION,
            "tags": list(rule.tags),
            "train_counts": dict(train_counts),
            "labels": to_plain(labels),
            "text": to_plain(text),
            "model": to_plain(model),
            "encoder": {"source": encoder.source, "pad_id": encoder.pad_id},
            "provenance": provenance,
            "files": {path.name: _sha256(path) for path in sorted(scratch.iterdir())},
        }
        write_json(scratch / "bundle.json", description)
        scratch.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.replace(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return read_bundle(folder)


def read_bundle(folder: str | Path) -> Bundle:
    """Read a bundle's description and check the fingerprint of every file.

    Raises:
        BundleError: the folder is no bundle, is of another format, or a file is missing or was changed.
    """
    folder = Path(folder)
    path = folder / "bundle.json"
    if not path.is_file():
        inside = folder / "bundle"
        hint = f"; did you mean {inside}?" if (inside / "bundle.json").is_file() else ""
        raise BundleError(f"{folder}: expected a bundle, found no bundle.json in it{hint}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version = found["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: expected a bundle's JSON, found something else ({error})") from error
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: expected format version {FORMAT_VERSION}, found {version}; use the tagnet that wrote it."
        )
    for name, expected in found["files"].items():
        file = folder / name
        if not file.is_file():
            raise BundleError(f"{file}: this file of the bundle is missing; copy the whole folder again.")
        if _sha256(file) != expected:
            raise BundleError(f"{file}: its SHA-256 is not the one in bundle.json; copy the whole folder again.")
    rows = _read_json(folder / "taxonomy.json") if "taxonomy.json" in found["files"] else None
    return Bundle(
        folder=folder,
        tags=tuple(found["tags"]),
        taxonomy=None if rows is None else build_taxonomy(rows, str(folder / "taxonomy.json")),
        rule=DecisionRule.from_plain(_read_json(folder / "decision_rule.json")),
        text=build(TextSettings, found["text"], "text"),
        labels=build(LabelsConfig, found["labels"], "labels"),
        train_counts=found["train_counts"],
        model=build(ModelConfig, found["model"], "model"),
        encoder_source=found["encoder"]["source"],
        encoder_config=_read_json(folder / "encoder.json"),
        pad_id=found["encoder"]["pad_id"],
        provenance=found["provenance"],
    )


def load_tokenizer(bundle: Bundle) -> Tokenizer:
    """The bundle's tokenizer."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(bundle.folder / "tokenizer.json"))


def load_network(bundle: Bundle) -> TaggerNetwork:
    """The bundle's network with its weights, on the CPU, in evaluation mode. Needs the train extra."""
    from safetensors.torch import load_file

    from tagnet.model.encoder import build_encoder
    from tagnet.model.network import TaggerNetwork

    encoder = build_encoder(bundle.encoder_config, load_tokenizer(bundle), source=bundle.encoder_source)
    network = TaggerNetwork(encoder, bundle.model, len(bundle.tags))
    network.load_state_dict(load_file(bundle.folder / "model.safetensors"))
    return network.eval()


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


