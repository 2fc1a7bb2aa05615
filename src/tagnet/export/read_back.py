"""Each format as those who serve it would run it: texts in, probabilities and decisions out.

Shapes: N texts, S sequences, K tags.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tagnet.bundle import Bundle, load_tokenizer
from tagnet.data.padding import pad_sequences
from tagnet.data.tokens import tokenize
from tagnet.export.huggingface import fits_stock_class
from tagnet.export.modeling_tagnet import TagnetForSequenceClassification
from tagnet.export.torch_program import PROGRAM_FILE
from tagnet.export.triton_stand_in import Repository
from tagnet.model.pretrained import quiet_transformers
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.prediction.over_batches import TokenIds, over_batches

Answers = tuple[NDArray[np.float64], NDArray[np.bool_]]
_BATCH = 32


def run_onnx(bundle: Bundle, folder: Path, texts: Sequence[str]) -> Answers:
    """By onnxruntime."""
    tagger = OnnxTagger.load(folder)
    return tagger.decide(tagger.tokenize(texts), batch_size=_BATCH)


def run_torch_program(bundle: Bundle, folder: Path, texts: Sequence[str]) -> Answers:
    """By `torch.export.load` alone."""
    program = torch.export.load(folder / PROGRAM_FILE).module()
    tokens = tokenize(load_tokenizer(bundle), texts, bundle.text.max_tokens, bundle.text.window_overlap)

    def run(sequences_S: Sequence[TokenIds]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        ids_ST, mask_ST = pad_sequences(sequences_S, bundle.pad_id)
        with torch.inference_mode():
            probs_SK, accepted_SK = program(torch.from_numpy(ids_ST), torch.from_numpy(mask_ST))
        return probs_SK.numpy(), accepted_SK.numpy()

    return over_batches(tokens, run, len(bundle.tags), batch_size=_BATCH)


def run_triton(bundle: Bundle, folder: Path, texts: Sequence[str]) -> Answers:
    """By a stand-in for Triton, which runs the repository's own model.py and model.onnx."""
    probs_NK, accepted_NK = Repository(folder).predict(texts)
    return probs_NK.astype(np.float64), accepted_NK


@contextmanager
def _without_lists_of_models() -> Iterator[None]:
    """Pipelines name every class that they know when they meet one that they do not."""
    log = logging.getLogger("transformers.pipelines.base")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def run_huggingface(bundle: Bundle, folder: Path, texts: Sequence[str]) -> Answers:
    """By a pipeline of transformers, decided by the thresholds in config.json."""
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

    stock = fits_stock_class(bundle)
    load: Any = AutoModelForSequenceClassification if stock else TagnetForSequenceClassification
    with quiet_transformers(bars=False), _without_lists_of_models():
        model = load.from_pretrained(folder)
        make_tokenizer: Any = PreTrainedTokenizerFast
        classify: Any = pipeline("text-classification", model=model, tokenizer=make_tokenizer.from_pretrained(folder))
        # The stock class takes no more tokens than its positions hold.
        cut = {"truncation": True} if stock else {}
        answers = classify(list(texts), top_k=None, function_to_apply="sigmoid", **cut)
    thresholds = json.loads((folder / "config.json").read_text(encoding="utf-8"))["tagnet"]["thresholds"]
    scores_N = [{each["label"]: each["score"] for each in answer} for answer in answers]
    probs_NK = np.array([[scores[tag] for tag in bundle.tags] for scores in scores_N], dtype=np.float64)
    return probs_NK, probs_NK >= np.array([thresholds[tag] for tag in bundle.tags])
