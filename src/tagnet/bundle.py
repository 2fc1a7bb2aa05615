"""A bundle: one folder with all that prediction needs, in safetensors and JSON only.

    bundle.json          format version, tags, text settings, network, provenance, SHA-256 of every other file and of
                         itself
    decision_rule.json   calibration and thresholds
    taxonomy.json        tags, aliases, parents (where the run had a taxonomy)
    encoder.json         the encoder's architecture, as transformers writes it
    tokenizer.json       the tokenizer, as tokenizers writes it
    model.safetensors    all weights

Reading one never unpickles, and refuses files whose fingerprint is not the recorded one. At import this module needs
NumPy and the standard library alone; torch is imported when a network is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagnet.atomic import whole_folder, write_json, write_text, write_with
from tagnet.calibration.rule import DecisionRule
from tagnet.config import EvaluationConfig, LabelsConfig, ModelConfig
from tagnet.errors import BundleError, TagnetError
from tagnet.records.taxonomy import Taxonomy, build_taxonomy, to_rows
from tagnet.sealed import check_files, read_json_file, read_sealed, write_sealed
from tagnet.strict_build import build, to_plain

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from tagnet.model.encoder import Encoder
    from tagnet.model.network import TaggerNetwork

FORMAT_VERSION = 1

_DESCRIPTION = "bundle.json"
_WEIGHTS = "model.safetensors"
_TOKENIZER = "tokenizer.json"
_ENCODER = "encoder.json"
_RULE = "decision_rule.json"
_TAXONOMY = "taxonomy.json"
_ALWAYS = frozenset({_WEIGHTS, _TOKENIZER, _ENCODER, _RULE})


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
    evaluation: EvaluationConfig
    """How the run was measured, so that other records are measured alike."""
    train_counts: Mapping[str, int]
    """Tag → training records that bore it."""
    model: ModelConfig
    encoder_source: str
    """What the encoder was asked for by."""
    encoder_config: Mapping[str, Any]
    """Its architecture, as transformers writes it."""
    pad_id: int
    """The token id that fills up a batch."""
    provenance: Mapping[str, Any]
    """Where the bundle comes from: run, seed, fingerprint of the records, sizes of the sides."""
    fingerprint: str
    """SHA-256 of the description, and so of every file: two bundles that share it are the same."""


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
    evaluation: EvaluationConfig,
    train_counts: Mapping[str, int],
    provenance: Mapping[str, Any],
) -> Bundle:
    """Write a bundle whole or not at all, and read it back. One that is there already is replaced.

    Raises:
        RunDirectoryError: the folder cannot be written; nothing new is left behind, and what was there stays.
    """
    with whole_folder(folder) as scratch:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_with(scratch / _WEIGHTS, lambda path: _save_weights(weights, path))
        write_text(scratch / _TOKENIZER, encoder.tokenizer.to_str())
        write_json(scratch / _ENCODER, encoder.config)
        write_json(scratch / _RULE, rule.to_plain())
        if taxonomy is not None:
            write_json(scratch / _TAXONOMY, to_rows(taxonomy))
        description = {
            "format_version": FORMAT_VERSION,
            "tags": list(rule.tags),
            "train_counts": dict(train_counts),
            "labels": to_plain(labels),
            "evaluation": to_plain(evaluation),
            "text": to_plain(text),
            "model": to_plain(model),
            "encoder": {"source": encoder.source, "pad_id": encoder.pad_id},
            "provenance": provenance,
        }
        write_sealed(scratch / _DESCRIPTION, description, {path.name for path in scratch.iterdir()})
    return read_bundle(folder)


def read_bundle(folder: str | Path) -> Bundle:
    """Read a bundle's description and check the fingerprint of every file.

    Raises:
        BundleError: the folder is no bundle, is of another format, or a file is missing or was changed.
    """
    folder = Path(folder)
    path = folder / _DESCRIPTION
    if not path.is_file():
        inside = folder / "bundle"
        hint = f"; did you mean {inside}?" if (inside / _DESCRIPTION).is_file() else ""
        raise BundleError(f"{folder}: expected a bundle, found no {_DESCRIPTION} in it{hint}")
    found = read_sealed(path, "a bundle", FORMAT_VERSION)
    try:
        check_files(path, found["files"], always=_ALWAYS, sometimes={_TAXONOMY}, what="the bundle")
        return _from_description(folder, found)
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, TagnetError) as error:
        raise BundleError(f"{path}: expected a bundle's description, found something else in it ({error})") from error


def load_tokenizer(bundle: Bundle) -> Tokenizer:
    """The bundle's tokenizer.

    Raises:
        BundleError: its file is missing, or of another version of the tokenizers library.
    """
    from tokenizers import Tokenizer

    path = bundle.folder / _TOKENIZER
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise BundleError(f"{path}: the installed tokenizers cannot read it ({error})") from error


def load_network(bundle: Bundle) -> TaggerNetwork:
    """The bundle's network with its weights, on the CPU, in evaluation mode. Needs the train extra.

    Raises:
        BundleError: the weights are missing, or of another network than the description's.
        EncoderError: the installed transformers does not know the encoder's architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from tagnet.model.encoder import build_encoder
    from tagnet.model.lexical import lexical_from_state
    from tagnet.model.network import TaggerNetwork

    encoder = build_encoder(bundle.encoder_config, load_tokenizer(bundle), source=bundle.encoder_source)
    network = TaggerNetwork(encoder, bundle.model, len(bundle.tags))
    path = bundle.folder / _WEIGHTS
    try:
        weights = load_file(path)
        network.lexical = lexical_from_state(weights)
        network.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"{path}: expected the weights of the network in {_DESCRIPTION}; {reason}") from error
    return network.eval()


def _save_weights(weights: Mapping[str, Any], path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(weights), path)
    except SafetensorError as error:
        # How safetensors reports a full disk.
        raise OSError(str(error)) from error


def _from_description(folder: Path, found: Mapping[str, Any]) -> Bundle:
    rule = DecisionRule.from_plain(read_json_file(folder / _RULE))
    tags = tuple(found["tags"])
    if rule.tags != tags or set(found["train_counts"]) != set(tags):
        raise BundleError(
            f"{folder / _DESCRIPTION}: expected its {len(tags)} tags in {_RULE} and in train_counts, "
            f"found {len(rule.tags)} and {len(found['train_counts'])}, not all the same"
        )
    taxonomy = None
    if _TAXONOMY in found["files"]:
        taxonomy = build_taxonomy(read_json_file(folder / _TAXONOMY), str(folder / _TAXONOMY))
    return Bundle(
        folder=folder,
        tags=tags,
        taxonomy=taxonomy,
        rule=rule,
        text=build(TextSettings, found["text"], "text"),
        labels=build(LabelsConfig, found["labels"], "labels"),
        evaluation=build(EvaluationConfig, found["evaluation"], "evaluation"),
        train_counts=found["train_counts"],
        # Bundles from before lexical evidence do not name it.
        model=build(ModelConfig, {"lexical": False} | found["model"], "model"),
        encoder_source=found["encoder"]["source"],
        encoder_config=read_json_file(folder / _ENCODER),
        pad_id=found["encoder"]["pad_id"],
        provenance=found["provenance"],
        fingerprint=found["fingerprint"],
    )
