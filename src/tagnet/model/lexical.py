"""Lexical evidence: what the words of a text say by themselves, as a part of the network.

Shapes: S sequences, T tokens, V vocabulary, F token columns, P names, L lengths of names, K tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

LONGEST_NAME = 8
"""Names of more tokens are not looked for."""
LARGEST_VOCABULARY = 2**20
"""With more token ids, hashes of names would overflow."""
# With ids below 2^20 no sum of eight products leaves int64, and two names share a sum about once in 2^39 pairs.
_FACTORS = tuple(int(f) | 1 for f in np.random.default_rng(20260101).integers(2**38, 2**39, LONGEST_NAME))
_NO_NAME = -1


class LexicalWeights(NamedTuple):
    """All that lexical evidence knows, as tensors."""

    column_of_token_V: Tensor
    """Int64: 1 to F for the tokens that training texts have, 0 for all others."""
    idf_F: Tensor
    """Inverse document frequencies."""
    word_weights_KF: Tensor
    """What a token of the TF-IDF vector adds to the logit of each tag."""
    word_bias_K: Tensor
    """What every text gets."""
    continues_V: Tensor
    """Bool: tokens that continue a word, so that no name ends before them."""
    hash_of_name_P: Tensor
    """Int64: `hash_of` each name, those of equal length together, the shortest first."""
    tag_of_name_P: Tensor
    """Int64: which tag it speaks for, 0 to K − 1; a name that speaks for two tags stands there twice."""
    names_of_length_L: Tensor
    """Int64: how many names have 1, 2, … `LONGEST_NAME` tokens."""
    name_weight: Tensor
    """What a name in the text adds to the logit of its tag, a scalar."""


class LexicalEvidence(nn.Module):
    """Token ids → what their words add to the logits of the encoder's head.

    Two parts: a linear model on the sublinear TF-IDF of tokens (Joachims, ECML 1998, for words), and the names, which
    are a tag, an alias of it or a tag below it that stand in the text as whole words. Gradients teach nothing in here:
    `training/lexical.py` fits it after the encoder has been trained.

    >>> weights = no_weights(vocabulary=9, num_tags=2)._replace(
    ...     hash_of_name_P=torch.tensor([hash_of([5]), hash_of([7, 8])]),
    ...     tag_of_name_P=torch.tensor([0, 1]),
    ...     names_of_length_L=torch.tensor([1, 1, 0, 0, 0, 0, 0, 0]),
    ...     name_weight=torch.tensor(3.0),
    ... )
    >>> ids_ST = torch.tensor([[1, 5, 7, 8], [7, 5, 8, 0]])
    >>> LexicalEvidence(weights)(ids_ST, torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]))
    tensor([[3., 3.],
            [3., 0.]])
    """

    column_of_token_V: Tensor
    idf_F: Tensor
    word_weights_KF: Tensor
    word_bias_K: Tensor
    continues_V: Tensor
    hash_of_name_P: Tensor
    tag_of_name_P: Tensor
    names_of_length_L: Tensor
    name_weight: Tensor

    def __init__(self, weights: LexicalWeights) -> None:
        super().__init__()
        for name, tensor in weights._asdict().items():
            self.register_buffer(name, tensor)
        ends = np.cumsum(weights.names_of_length_L.cpu().numpy()).tolist()
        self._names_of_length = list(zip([0, *ends[:-1]], ends, strict=True))

    def forward(self, input_ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """What to add to the logits: (S, K), in float32 also under autocast."""
        with torch.autocast(input_ids_ST.device.type, enabled=False):
            return self.words(input_ids_ST, mask_ST) + self.name_weight * self.named(input_ids_ST, mask_ST)

    def words(self, input_ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """What the linear model says of each tag: (S, K)."""
        return nn.functional.linear(self.tfidf(input_ids_ST, mask_ST), self.word_weights_KF, self.word_bias_K)

    def tfidf(self, input_ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """Sublinear TF-IDF vectors of unit length, (S, F); zeros for a text without a known token."""
        counts_SF = torch.zeros(
            input_ids_ST.shape[0], self.idf_F.shape[0] + 1, dtype=torch.float32, device=input_ids_ST.device
        ).scatter_add(1, self.column_of_token_V[input_ids_ST], mask_ST.to(torch.float32))[:, 1:]
        weighted_SF = torch.where(counts_SF > 0, 1 + counts_SF.clamp(min=1).log(), counts_SF) * self.idf_F
        return weighted_SF / weighted_SF.square().sum(1, keepdim=True).sqrt().clamp(min=1e-9)

    def named(self, input_ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """1 where a name of the tag stands in the sequence, (S, K) float32."""
        num_sequences, num_tags = input_ids_ST.shape[0], self.word_bias_K.shape[0]
        # Padding is a token of its own, which no name holds, and continues no word.
        ids_ST = torch.where(mask_ST > 0, input_ids_ST, -1)
        continues_ST = self.continues_V[input_ids_ST] & (mask_ST > 0)
        # A token more than the longest name at the end, so that a name may stand at the very end of the text.
        ids_ST = nn.functional.pad(ids_ST, (0, LONGEST_NAME), value=-1)
        continues_ST = nn.functional.pad(continues_ST, (0, LONGEST_NAME), value=False)
        num_tokens = input_ids_ST.shape[1]
        found = [torch.zeros(num_sequences, 0, dtype=torch.float32, device=input_ids_ST.device)]
        hash_ST = torch.zeros_like(input_ids_ST)
        for length, (first, last) in enumerate(self._names_of_length, start=1):
            hash_ST = hash_ST + ids_ST[:, length - 1 : length - 1 + num_tokens] * _FACTORS[length - 1]
            if first == last:
                continue
            ends_here_ST = ~continues_ST[:, length : length + num_tokens]
            whole_ST = torch.where(ends_here_ST, hash_ST, _NO_NAME)
            found_SP = (whole_ST[:, :, None] == self.hash_of_name_P[first:last]).any(1)
            found.append(found_SP.to(torch.float32))
        found_SP = torch.cat(found, 1)
        counts_SK = torch.zeros(num_sequences, num_tags, dtype=torch.float32, device=input_ids_ST.device).scatter_add(
            1, self.tag_of_name_P.expand(num_sequences, -1), found_SP
        )
        return counts_SK.clamp(max=1)


def hash_of(token_ids: Sequence[int]) -> int:
    """The number by which a name of 1 to `LONGEST_NAME` tokens is found in a text.

    >>> hash_of([7, 8]) == hash_of([8, 7])
    False
    """
    return sum(token * factor for token, factor in zip(token_ids, _FACTORS[: len(token_ids)], strict=True))


def no_weights(vocabulary: int, num_tags: int) -> LexicalWeights:
    """Evidence that knows no word and no name, and adds nothing."""
    return LexicalWeights(
        column_of_token_V=torch.zeros(vocabulary, dtype=torch.int64),
        idf_F=torch.zeros(0),
        word_weights_KF=torch.zeros(num_tags, 0),
        word_bias_K=torch.zeros(num_tags),
        continues_V=torch.zeros(vocabulary, dtype=torch.bool),
        hash_of_name_P=torch.zeros(0, dtype=torch.int64),
        tag_of_name_P=torch.zeros(0, dtype=torch.int64),
        names_of_length_L=torch.zeros(LONGEST_NAME, dtype=torch.int64),
        name_weight=torch.tensor(0.0),
    )


def lexical_from_state(state: Mapping[str, Tensor], prefix: str = "lexical.") -> LexicalEvidence | None:
    """The evidence whose tensors stand under a prefix in the state of a network; None where there are none.

    Raises:
        KeyError: some are there, and some are missing.
    """
    if not any(name.startswith(prefix) for name in state):
        return None
    return LexicalEvidence(LexicalWeights(**{name: state[prefix + name].clone() for name in LexicalWeights._fields}))
