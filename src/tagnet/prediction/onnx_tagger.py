"""An ONNX export that predicts, with onnxruntime, NumPy and tokenizers alone: no torch.

Shapes: N texts, S sequences (one or more windows of each text), T tokens, K tags.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tagnet.data.padding import pad_sequences
from tagnet.data.tokens import TokenizedTexts
from tagnet.errors import BundleError, MissingExtraError
from tagnet.prediction.inputs import Input, tokens_of
from tagnet.prediction.onnx_folder import MODEL_FILE, TOKENIZER_FILE, OnnxFolder, read_onnx_folder
from tagnet.prediction.over_batches import TokenIds, over_batches
from tagnet.prediction.tag_prediction import TagPrediction, to_predictions

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


_MOST_WORKERS = 8
"""Each holds the activations of a batch."""
_BATCHES_A_WORKER = 2
"""With fewer, some workers would wait for the one with the longest texts."""


class OnnxTagger:
    """Predicts with an ONNX export, as a `Tagger` does with a bundle.

    >>> tagger = OnnxTagger.load("exports/onnx")                     # doctest: +SKIP
    >>> [p.tag for p in tagger.predict(["A tiny SQL engine"])[0] if p.accepted]  # doctest: +SKIP
    ['databases', 'data-engineering']
    """

    def __init__(self, described: OnnxFolder, session: InferenceSession, tokenizer: Tokenizer, threads: int) -> None:
        self.described = described
        self._session = session
        self._tokenizer = tokenizer
        self._threads = threads
        self._single_lock = Lock()
        self._single: InferenceSession | None = None

    @classmethod
    def load(cls, folder: str | Path, *, threads: int | None = None) -> Self:
        """Load an ONNX export.

        Args:
            folder: what `tagnet export --to onnx` or `onnx-int8` wrote.
            threads: that one batch is computed with, or, where there are several, as many batches at a time; None: as
                many as there are cores.

        Raises:
            BundleError: the folder is no whole ONNX export, or the installed onnxruntime cannot run it.
            MissingExtraError: onnxruntime is not installed.
        """
        described = read_onnx_folder(folder)
        session = open_session(described.folder / MODEL_FILE, threads)
        tokenizer = _load_tokenizer(described.folder / TOKENIZER_FILE)
        return cls(described, session, tokenizer, threads or _num_cores())

    @property
    def tags(self) -> tuple[str, ...]:
        """The label space, in the order of the columns of `probabilities`."""
        return self.described.tags

    def tokenize(self, inputs: Sequence[Input]) -> TokenizedTexts:
        """The token ids of texts or records, one or more sequences each.

        Raises:
            RecordError: a record has none of the model's fields, or one that is no text.
            TypeError: `inputs` is one text and no list of them.
        """
        return tokens_of(inputs, self._tokenizer, self.described.text)

    def run(self, sequences_S: Sequence[TokenIds]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One call of the model: probabilities (S, K) and decisions (S, K) of sequences, padded to the longest.

        Safe to call from several threads at once.
        """
        return self._run(self._session, sequences_S)

    def _run(
        self, session: InferenceSession, sequences_S: Sequence[TokenIds]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        ids_ST, mask_ST = pad_sequences(sequences_S, self.described.pad_id)
        feed = {"input_ids": ids_ST, "attention_mask": mask_ST}
        probs_SK, accepted_SK = session.run(["probabilities", "accepted"], feed)
        return probs_SK, accepted_SK

    def _single_session(self) -> InferenceSession:
        """A session that computes with the thread that calls it, for many batches at a time."""
        with self._single_lock:
            if self._single is None:
                folder = self.described.folder
                again = read_onnx_folder(folder)
                if (again.model_version, again.precision) != (self.described.model_version, self.described.precision):
                    raise BundleError(
                        f"{folder}: expected the export that was loaded, found another one; load it again"
                    )
                self._single = open_session(folder / MODEL_FILE, 1)
            return self._single

    def probabilities(
        self, inputs: Sequence[Input], *, batch_size: int = 64, progress: Callable[[int], object] | None = None
    ) -> NDArray[np.float64]:
        """Calibrated probabilities, (N, K), computed in float32.

        Args:
            inputs: texts as they stand, or records with the fields that the model was trained on; a field that is
                missing or None is empty.
            batch_size: texts in a batch, and sequences that are run at once where texts have windows.
            progress: called with the number of texts done after every batch.

        Raises:
            RecordError: a record has none of the model's fields, or one that is no text.
            TypeError: `inputs` is one text and no list of them.
        """
        return self.decide(self.tokenize(inputs), batch_size=batch_size, progress=progress)[0]

    def decide(
        self, tokens: TokenizedTexts, *, batch_size: int = 64, progress: Callable[[int], object] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Probabilities and the model's own decisions, both (N, K), of tokenized texts.

        Of many batches several are computed at the same time, a thread each: they need not wait for one another, as the
        threads of one batch do after every step. They have a session of their own, which holds the weights once more.

        Raises:
            BundleError: another export has taken the folder's place since it was loaded.
        """
        workers, run = min(self._threads, _MOST_WORKERS), self.run
        if workers > 1 and len(tokens) >= _BATCHES_A_WORKER * workers * batch_size:
            run = partial(self._run, self._single_session())
        else:
            workers = 1
        return over_batches(tokens, run, len(self.tags), batch_size=batch_size, progress=progress, workers=workers)

    def predict(
        self, inputs: Sequence[Input], *, top: int | None = None, batch_size: int = 64
    ) -> list[list[TagPrediction]]:
        """The tags of each input from the most to the least probable; `top` keeps that many."""
        return self.to_predictions(self.probabilities(inputs, batch_size=batch_size), top)

    def to_predictions(self, probs_NK: NDArray[np.floating], top: int | None = None) -> list[list[TagPrediction]]:
        """Probabilities (N, K) as predictions, from the most to the least probable; `top` keeps that many.

        The decisions are those of the model itself, whose thresholds are the same numbers rounded up to float32.
        """
        return to_predictions(self.described.rule, probs_NK, top)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_session(model: Path, threads: int | None = None) -> InferenceSession:
    """An onnxruntime session on the CPU.

    Raises:
        BundleError: the installed onnxruntime cannot run this model.
        MissingExtraError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "an ONNX export needs a package that is not installed: onnxruntime.\n"
            "Install it with: pip install 'tagnet[serve]'"
        ) from error

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings are about graph optimizations that nobody asked for
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no narrower class
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"{model}: the installed onnxruntime cannot run it ({reason})") from error


def _load_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise BundleError(f"{path}: the installed tokenizers cannot read it ({error})") from error
