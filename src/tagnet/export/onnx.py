"""`--to onnx`: one model.onnx from token ids to calibrated probabilities and decisions, tokenizer beside it."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tagnet.bundle import Bundle
from tagnet.errors import ExportError
from tagnet.export.calibrated import CalibratedNetwork
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.onnx_folder import MODEL_FILE, TOKENIZER_FILE, OnnxFolder, describe_onnx_folder

INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("probabilities", "accepted")

LARGEST_PROTOBUF = 1_900_000_000
"""Above it (unit: bytes), the weights get a file of their own: protobuf ends at 2 GiB."""


def write_onnx(bundle: Bundle, network: TaggerNetwork, folder: Path) -> None:
    """Write model.onnx, tokenizer.json and tagnet.json into a folder.

    Raises:
        ExportError: PyTorch cannot trace this encoder.
    """
    write_model(bundle, network, folder / MODEL_FILE)
    shutil.copyfile(bundle.folder / "tokenizer.json", folder / TOKENIZER_FILE)
    describe_export(bundle, folder, precision="float32")


def describe_export(bundle: Bundle, folder: Path, *, precision: str) -> None:
    """Write tagnet.json beside a model and a tokenizer."""
    describe_onnx_folder(
        OnnxFolder(
            folder=folder,
            rule=bundle.rule,
            text=bundle.text,
            pad_id=bundle.pad_id,
            taxonomy=bundle.taxonomy,
            train_counts=bundle.train_counts,
            precision=precision,
            model_version=bundle.fingerprint,
        )
    )


def write_model(bundle: Bundle, network: TaggerNetwork, path: Path) -> None:
    """Write the graph alone.

    Raises:
        ExportError: PyTorch cannot trace this encoder.
    """
    module = CalibratedNetwork(network, bundle.rule).eval()
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    with _quietly():
        try:
            program = torch.onnx.export(
                module,
                example_batch(),
                dynamo=True,
                input_names=INPUTS,
                output_names=OUTPUTS,
                dynamic_shapes=({0: "batch", 1: "length"},) * 2,
                verbose=False,
            )
        except Exception as error:  # the exporter raises whatever tracing raises
            raise cannot_trace(bundle, error) from error
        assert program is not None
        _forget_the_machine(program.model)
        program.save(path, external_data=size > LARGEST_PROTOBUF)


def _forget_the_machine(model: Any) -> None:
    """Take out what the exporter notes for itself: stack traces with the paths of this machine."""
    graph = model.graph
    for node in graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in [*graph.inputs, *graph.initializers.values()]:
        value.metadata_props.clear()


def example_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask to trace with, (2, 8): neither axis is 1, which tracing would take for a constant."""
    mask_ST = torch.ones(2, 8, dtype=torch.int64)
    mask_ST[1, 5:] = 0
    return torch.ones(2, 8, dtype=torch.int64), mask_ST


def cannot_trace(bundle: Bundle, error: Exception) -> ExportError:
    """The error that says which encoder cannot be exported, and why."""
    reason = " ".join(str(error).split())[:300]
    return ExportError(
        f"{bundle.folder}: PyTorch cannot trace its encoder, {bundle.encoder_source} "
        f"({type(error).__name__}: {reason})\n--to huggingface needs no tracing."
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter says about packages that are not needed and names of axes that it keeps."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
