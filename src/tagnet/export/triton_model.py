"""The model `tagnet` of a Triton repository: texts in, probabilities and decisions out.

It runs in Triton's Python backend, which needs `numpy` and `tokenizers`; the network itself is the model
`tagnet_network` beside it, asked through Triton. All requests of one call share its batches, whatever their lengths,
and a text that is longer than the network reads is cut, or read in windows, as in training.

Shapes: N texts, S sequences (one or more windows of each text), T tokens, K tags.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

NETWORK = "tagnet_network"


class TritonPythonModel:
    """What Triton calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the tokenizer and the settings that lie beside this file."""
        import triton_python_backend_utils  # there inside Triton alone

        self.triton = triton_python_backend_utils
        folder = Path(args["model_repository"]) / args["model_version"]
        self.settings = json.loads((folder / "tagnet.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.settings["max_tokens"], stride=self.settings["window_overlap"] or 0)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer all requests; one that cannot be read gets an error of its own."""
        texts_of: list[list[str] | None] = []
        for request in requests:
            tensor = self.triton.get_input_tensor_by_name(request, "text")
            try:
                texts_of.append([each.decode("utf-8") for each in tensor.as_numpy().reshape(-1)])
            except UnicodeDecodeError:
                texts_of.append(None)
        try:
            probs_NK, accepted_NK = self._answer([text for texts in texts_of if texts is not None for text in texts])
        except RuntimeError as error:
            return [self.triton.InferenceResponse(error=self.triton.TritonError(str(error))) for _ in requests]
        responses, start = [], 0
        for texts in texts_of:
            if texts is None:
                responses.append(self.triton.InferenceResponse(error=self.triton.TritonError("text: expected UTF-8")))
                continue
            rows = slice(start, start + len(texts))
            outputs = [
                self.triton.Tensor("probabilities", probs_NK[rows]),
                self.triton.Tensor("accepted", accepted_NK[rows]),
            ]
            responses.append(self.triton.InferenceResponse(output_tensors=outputs))
            start += len(texts)
        return responses

    def _answer(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and decisions, both (N, K)."""
        num_tags, most = self.settings["num_tags"], self.settings["max_batch_size"]
        probs_NK = np.zeros((len(texts), num_tags), dtype=np.float32)
        accepted_NK = np.zeros((len(texts), num_tags), dtype=np.bool_)
        sequences: list[tuple[int, list[int]]] = []
        for text, encoding in enumerate(self.tokenizer.encode_batch(texts)):
            windows = [encoding] if self.settings["window_overlap"] is None else [encoding, *encoding.overflowing]
            # A text without any token is one padding token that counts.
            sequences += [(text, window.ids or [self.settings["pad_id"]]) for window in windows]
        sequences.sort(key=lambda pair: -len(pair[1]))
        for start in range(0, len(sequences), most):
            part = sequences[start : start + most]
            ids_ST = np.full((len(part), len(part[0][1])), self.settings["pad_id"], dtype=np.int64)
            mask_ST = np.zeros_like(ids_ST)
            for row, (_, ids) in enumerate(part):
                ids_ST[row, : len(ids)] = ids
                mask_ST[row, : len(ids)] = 1
            found_SK, made_SK = self._run(ids_ST, mask_ST)
            # A text of several windows has each tag's largest probability.
            index_S = [text for text, _ in part]
            np.maximum.at(probs_NK, index_S, found_SK)
            np.logical_or.at(accepted_NK, index_S, made_SK)
        return probs_NK, accepted_NK

    def _run(self, ids_ST: np.ndarray, mask_ST: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        names = ["probabilities", "accepted"]
        request = self.triton.InferenceRequest(
            model_name=NETWORK,
            requested_output_names=names,
            inputs=[self.triton.Tensor("input_ids", ids_ST), self.triton.Tensor("attention_mask", mask_ST)],
        )
        response = request.exec()
        if response.has_error():
            raise RuntimeError(response.error().message())
        probs_SK, accepted_SK = (self.triton.get_output_tensor_by_name(response, name).as_numpy() for name in names)
        return probs_SK, accepted_SK
