"""Word embeddings of which only the rows that training meets are trained: the others take neither memory nor time.

AdamW leaves a row that never has a gradient where it is, but for its weight decay, which is spared here: a row that no
training text touches keeps its published value.

Shapes: V rows of the vocabulary, U rows that training meets, H hidden width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class SeenRows(nn.Module):
    """Stands where an `nn.Embedding` stood, computes the same, and is saved as the same whole table."""

    def __init__(self, table: nn.Embedding, seen_U: Tensor) -> None:
        """Take over the rows.

        Args:
            table: (V, H); its weight becomes this module's.
            seen_U: the rows that training meets, ascending.
        """
        super().__init__()
        num_rows = table.num_embeddings
        self.num_embeddings, self.embedding_dim = num_rows, table.embedding_dim
        self.weight = nn.Parameter(table.weight.detach()[seen_U])
        """The rows that are trained, (U, H)."""
        place_V = torch.full((num_rows,), -1, dtype=torch.int64)
        place_V[seen_U] = torch.arange(len(seen_U))
        self._seen_U: Tensor
        self._place_V: Tensor
        self._whole_VH: Tensor
        self.register_buffer("_seen_U", seen_U, persistent=False)
        self.register_buffer("_place_V", place_V, persistent=False)
        self.register_buffer("_whole_VH", table.weight.detach(), persistent=False)
        self.register_state_dict_post_hook(_save_whole)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_load_whole)  # type: ignore[no-untyped-call]

    def forward(self, ids: Tensor) -> Tensor:
        """Embeddings of token ids, (*, H); in training mode those that training meets alone."""
        if self.training:
            return nn.functional.embedding(self._place_V[ids], self.weight)
        return nn.functional.embedding(ids, self.whole_VH())

    def whole_VH(self) -> Tensor:
        """All rows, (V, H), the trained ones as they are now; nothing flows back through it."""
        with torch.no_grad():
            self._whole_VH[self._seen_U] = self.weight
        return self._whole_VH


def _save_whole(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    assert isinstance(module, SeenRows)
    state[prefix + "weight"] = module.whole_VH().clone()


def _load_whole(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    assert isinstance(module, SeenRows)
    whole_VH = state.get(prefix + "weight")
    if whole_VH is not None and len(whole_VH) == module.num_embeddings:
        with torch.no_grad():
            module._whole_VH.copy_(whole_VH)
        state[prefix + "weight"] = whole_VH[module._seen_U]


def train_seen_rows(encoder: nn.Module, seen_U: Tensor) -> int:
    """Put `SeenRows` in the place of the encoder's word embeddings, where they are trained; how many then are."""
    module: Any = encoder
    table = module.get_input_embeddings()
    if type(table) is not nn.Embedding or not table.weight.requires_grad:
        return 0
    module.set_input_embeddings(SeenRows(table, seen_U))
    return len(seen_U)
