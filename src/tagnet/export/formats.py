"""The formats: how each is written, run again to be checked, and used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagnet.bundle import Bundle
from tagnet.export.huggingface import fits_stock_class, write_huggingface
from tagnet.export.onnx import write_onnx
from tagnet.export.quantize import write_onnx_int8
from tagnet.export.read_back import Answers, run_huggingface, run_onnx, run_torch_program, run_triton
from tagnet.export.torch_program import write_torch_program
from tagnet.export.triton import write_triton
from tagnet.model.network import TaggerNetwork


@dataclass(frozen=True)
class Format:
    """One way to leave tagnet."""

    write: Callable[[Bundle, TaggerNetwork, Path], None]
    """Fills an empty folder."""
    run: Callable[[Bundle, Path, Sequence[str]], Answers]
    """Reads that folder back: texts to probabilities and decisions."""
    usage: Callable[[Bundle], str]
    """How the folder is used, as Markdown."""
    exact: bool = True
    """Whether probabilities must be the bundle's; else F1 on labelled records decides."""
    front: str = ""
    """What the model card opens with."""


_HUB_FRONT = """\
---
library_name: transformers
pipeline_tag: text-classification
tags:
- multi-label-classification
- tagnet
---

"""

_ONNX_USAGE = """\
`model.onnx` takes `input_ids` and `attention_mask`, int64 of any shape (sequences, tokens), and gives `probabilities`
(float32) and `accepted` (bool), both (sequences, tags). Tags, thresholds and text settings are in `tagnet.json`.

```python
from tagnet.prediction.onnx_tagger import OnnxTagger  # needs numpy, tokenizers and onnxruntime; no torch

OnnxTagger.load("this/folder").predict(["A tiny SQL engine"])
```

Without tagnet:

```python
import json, numpy, onnxruntime, tokenizers

tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
tokenizer.no_padding(), tokenizer.enable_truncation({max_tokens})
ids = numpy.array([tokenizer.encode("A tiny SQL engine").ids])
session = onnxruntime.InferenceSession("model.onnx")
probabilities, accepted = session.run(
    ["probabilities", "accepted"], {{"input_ids": ids, "attention_mask": numpy.ones_like(ids)}}
)
tags = json.load(open("tagnet.json"))["decision_rule"]["tags"]
```
"""

_PIPELINE = """\
```python
from transformers import pipeline

tagger = pipeline("text-classification", "this/folder", top_k=None, function_to_apply="sigmoid"{more})
settings = tagger.model.config.tagnet
text = settings["text_template"].format({fields}).strip()
accepted = [each["label"] for each in tagger([text])[0] if each["score"] >= settings["thresholds"][each["label"]]]
```

The scores are calibrated probabilities. {why}
"""

_PROGRAM_USAGE = """\
```python
import json, tokenizers, torch

model = torch.export.load("model.pt2").module()
tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
tokenizer.no_padding(), tokenizer.enable_truncation({max_tokens})
ids = torch.tensor([tokenizer.encode("A tiny SQL engine").ids])
probabilities, accepted = model(ids, torch.ones_like(ids))  # both (sequences, tags)
tags = json.load(open("tagnet.json"))["decision_rule"]["tags"]
```

Shapes are free on both axes. It needs torch and tokenizers, neither tagnet nor transformers.
"""

_TRITON_USAGE = """\
```bash
docker build -t tagger - <<< $'FROM nvcr.io/nvidia/tritonserver:25.10-py3\\nRUN pip install numpy tokenizers'
docker run --rm -p 8000:8000 -v "$PWD:/models" tagger tritonserver --model-repository=/models
curl localhost:8000/v2/models/tagnet/infer -d \\
  '{"inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["A tiny SQL engine"]}]}'
```

The model `tagnet` takes `text` and gives `probabilities` and `accepted`, in the order of `tagnet/labels.txt`. It makes
the tokens in Python and asks the model `tagnet_network` (onnxruntime), which can be called alone, too.
"""


def _onnx_usage(bundle: Bundle) -> str:
    return _ONNX_USAGE.format(max_tokens=bundle.text.max_tokens)


def _huggingface_usage(bundle: Bundle) -> str:
    fields = ", ".join(f'{name}="…"' for name in bundle.text.features)
    if fits_stock_class(bundle):
        why = "The model is a stock class of transformers; `truncation=True` cuts long texts as in training."
        return _PIPELINE.format(more=", truncation=True", fields=fields, why=why)
    why = (
        "`trust_remote_code` runs `modeling_tagnet.py`, which needs torch and transformers alone; it cuts long texts "
        "as in training."
    )
    return _PIPELINE.format(more=", trust_remote_code=True", fields=fields, why=why)


FORMATS: Mapping[str, Format] = {
    "huggingface": Format(write_huggingface, run_huggingface, _huggingface_usage, front=_HUB_FRONT),
    "onnx": Format(write_onnx, run_onnx, _onnx_usage),
    "onnx-int8": Format(write_onnx_int8, run_onnx, _onnx_usage, exact=False),
    "torch-export": Format(
        write_torch_program,
        run_torch_program,
        lambda bundle: _PROGRAM_USAGE.format(max_tokens=bundle.text.max_tokens),
    ),
    "triton": Format(write_triton, run_triton, lambda bundle: _TRITON_USAGE),
}
"""By the names that `--to` takes."""
