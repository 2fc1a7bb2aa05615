"""Triton's Python backend, as far as the model `tagnet` needs it: runs a model repository in this process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.prediction.onnx_tagger import open_session

_MODULE = "triton_python_backend_utils"


@dataclass
class Tensor:
    """An array with a name."""

    name: str
    array: NDArray[Any]

    def as_numpy(self) -> NDArray[Any]:
        """The array."""
        return self.array


@dataclass
class TritonError:
    """Why a request failed."""

    text: str

    def message(self) -> str:
        """The reason."""
        return self.text


@dataclass
class InferenceResponse:
    """Tensors, or an error."""

    output_tensors: list[Tensor] = field(default_factory=list)
    error: TritonError | None = None


@dataclass
class Request:
    """What a client sends."""

    tensors: list[Tensor]


class Repository:
    """A model repository at work."""

    def __init__(self, folder: Path) -> None:
        self._session = open_session(folder / "tagnet_network" / "1" / "model.onnx")
        path = folder / "tagnet" / "1" / "model.py"
        # Compiled here and not imported, which would leave a __pycache__ with this machine's paths in the export.
        module = ModuleType("tagnet_triton_model")
        module.__file__ = str(path)
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
        self._model = module.TritonPythonModel()
        sys.modules[_MODULE] = self._backend()
        try:
            self._model.initialize({"model_repository": str(folder / "tagnet"), "model_version": "1"})
        finally:
            del sys.modules[_MODULE]

    def execute(self, requests: Sequence[Sequence[bytes]]) -> list[InferenceResponse]:
        """Answer requests of some texts each, as one call of Triton's scheduler."""
        sent = [Request([Tensor("text", np.array(texts, dtype=object).reshape(-1, 1))]) for texts in requests]
        responses: list[InferenceResponse] = self._model.execute(sent)
        return responses

    def predict(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Probabilities and decisions, both (N, K), of texts that come in one request."""
        (response,) = self.execute([[text.encode() for text in texts]])
        if response.error is not None:
            raise RuntimeError(response.error.message())
        probs_NK, accepted_NK = (each.array for each in response.output_tensors)
        return probs_NK, accepted_NK

    def _backend(self) -> ModuleType:
        session = self._session

        class InferenceRequest:
            def __init__(self, model_name: str, requested_output_names: list[str], inputs: list[Tensor]) -> None:
                self.names, self.inputs = requested_output_names, inputs

            def exec(self) -> Any:
                arrays = session.run(self.names, {each.name: each.array for each in self.inputs})
                return _Answer([Tensor(name, array) for name, array in zip(self.names, arrays, strict=True)])

        module = ModuleType(_MODULE)
        vars(module).update(
            Tensor=Tensor,
            TritonError=TritonError,
            InferenceResponse=InferenceResponse,
            InferenceRequest=InferenceRequest,
            get_input_tensor_by_name=lambda request, name: _named(request.tensors, name),
            get_output_tensor_by_name=lambda answer, name: _named(answer.tensors, name),
        )
        return module


@dataclass
class _Answer:
    tensors: list[Tensor]

    def has_error(self) -> bool:
        return False


def _named(tensors: Sequence[Tensor], name: str) -> Tensor:
    return next(each for each in tensors if each.name == name)
