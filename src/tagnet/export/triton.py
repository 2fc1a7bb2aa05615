"""`--to triton`: a model repository for NVIDIA Triton.

tagnet/config.pbtxt  labels.txt                     text → probabilities, accepted; Python backend
tagnet/1/model.py  tokenizer.json  tagnet.json
tagnet_network/config.pbtxt  labels.txt             input_ids, attention_mask → the same; onnxruntime backend
tagnet_network/1/model.onnx
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tagnet.atomic import write_json, write_text
from tagnet.bundle import Bundle
from tagnet.errors import ExportError
from tagnet.export import triton_model
from tagnet.export.onnx import write_model
from tagnet.model.network import TaggerNetwork

MAX_BATCH_SIZE = 64
"""Sequences that the network is given at once, and texts that one request may hold."""
_QUEUE_MICROSECONDS = 2000
"""How long a request waits for company."""
_NETWORK = "tagnet_network"

_CONFIG = """\
name: "{name}"
backend: "{backend}"
max_batch_size: {max_batch_size}
input [
{inputs}
]
output [
  {{
    name: "probabilities"
    data_type: TYPE_FP32
    dims: [ {num_tags} ]
    label_filename: "labels.txt"
  }},
  {{
    name: "accepted"
    data_type: TYPE_BOOL
    dims: [ {num_tags} ]
    label_filename: "labels.txt"
  }}
]
dynamic_batching {{
  max_queue_delay_microseconds: {delay}
}}
instance_group [
  {{
    kind: {kind}
    count: 1
  }}
]
"""
_INPUT = '  {{\n    name: "{name}"\n    data_type: {kind}\n    dims: [ {dims} ]\n  }}'


def write_triton(bundle: Bundle, network: TaggerNetwork, folder: Path) -> None:
    """Write the model repository.

    Raises:
        ExportError: a tag has a line break, which Triton's labels cannot hold, or PyTorch cannot trace this encoder.
    """
    broken = [tag for tag in bundle.tags if tag.splitlines() != [tag]]
    if broken:
        raise ExportError(
            f"--to triton: expected tags of one line, found {broken[0]!r}; Triton's labels.txt has one tag a line.\n"
            "Use another format, or rename the tag and train again."
        )
    front, behind = folder / "tagnet", folder / _NETWORK
    for model in (front, behind):
        (model / "1").mkdir(parents=True)
        write_text(model / "labels.txt", "".join(f"{tag}\n" for tag in bundle.tags))
        write_text(model / "config.pbtxt", config_text(model.name, len(bundle.tags)))
    write_model(bundle, network, behind / "1" / "model.onnx")
    shutil.copyfile(str(triton_model.__file__), front / "1" / "model.py")
    shutil.copyfile(bundle.folder / "tokenizer.json", front / "1" / "tokenizer.json")
    settings = {
        "tags": list(bundle.tags),
        "thresholds": bundle.rule.thresholds_K.tolist(),
        "num_tags": len(bundle.tags),
        "text_template": bundle.text.template,
        "max_tokens": bundle.text.max_tokens,
        "window_overlap": bundle.text.window_overlap,
        "feature_tokens": dict(bundle.text.feature_tokens),
        "pad_id": bundle.pad_id,
        "max_batch_size": MAX_BATCH_SIZE,
        "model_version": bundle.fingerprint,
    }
    write_json(front / "1" / "tagnet.json", settings)


def config_text(name: str, num_tags: int) -> str:
    """The config.pbtxt of one of the two models."""
    if name == _NETWORK:
        backend, kind, delay = "onnxruntime", "KIND_AUTO", 0
        inputs = [_INPUT.format(name=each, kind="TYPE_INT64", dims=-1) for each in ("input_ids", "attention_mask")]
    else:
        backend, kind, delay = "python", "KIND_CPU", _QUEUE_MICROSECONDS
        inputs = [_INPUT.format(name="text", kind="TYPE_STRING", dims=1)]
    return _CONFIG.format(
        name=name,
        backend=backend,
        max_batch_size=MAX_BATCH_SIZE,
        inputs=",\n".join(inputs),
        num_tags=num_tags,
        delay=delay,
        kind=kind,
    )
