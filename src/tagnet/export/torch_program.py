"""`--to torch-export`: model.pt2, a program that PyTorch runs without our code, tokenizer beside it."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import torch

from tagnet.atomic import write_json
from tagnet.bundle import Bundle, load_tokenizer
from tagnet.export.calibrated import CalibratedNetwork
from tagnet.export.huggingface import text_settings
from tagnet.export.onnx import cannot_trace, example_batch
from tagnet.model.network import TaggerNetwork

PROGRAM_FILE = "model.pt2"


def write_torch_program(bundle: Bundle, network: TaggerNetwork, folder: Path) -> None:
    """Write model.pt2, tokenizer.json and tagnet.json; tags and text settings are inside model.pt2 too.

    Raises:
        ExportError: PyTorch cannot trace this encoder.
    """
    module = CalibratedNetwork(network, bundle.rule).eval()
    description = {
        "format": "tagnet-torch-export",
        "format_version": 1,
        "decision_rule": bundle.rule.to_plain(),
        "text": text_settings(bundle, load_tokenizer(bundle)),
    }
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(module, example_batch(), dynamic_shapes=(dynamic, dynamic))
        except Exception as error:  # tracing raises whatever it meets
            raise cannot_trace(bundle, error) from error
        # Stack traces, with the paths of this machine.
        for graph in program.graph_module.modules():
            for node in graph.graph.nodes if isinstance(graph, torch.fx.GraphModule) else ():
                node.meta.pop("stack_trace", None)
        torch.export.save(program, folder / PROGRAM_FILE, extra_files={"tagnet.json": json.dumps(description)})
    write_json(folder / "tagnet.json", description)
    shutil.copyfile(bundle.folder / "tokenizer.json", folder / "tokenizer.json")
