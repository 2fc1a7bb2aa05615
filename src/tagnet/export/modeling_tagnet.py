"""A multi-label tagger of text for the transformers library, in one file: `trust_remote_code=True` loads it.

It needs torch and transformers alone. Calibration is folded into the head, so that the sigmoid of a logit is the
calibrated probability of its tag. `config.tagnet` holds the text template, the thresholds and how texts are cut.

Shapes: B texts, S sequences (one or more windows of each text), T tokens, H hidden width, K tags; V vocabulary,
F token columns, P names.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class TagnetConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """What the model is made of."""

    model_type = "tagnet"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        pooling: str = "mean",
        head: str = "linear",
        lexical: dict[str, Any] | None = None,
        tagnet: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.pooling = pooling
        self.head = head
        self.lexical = lexical
        self.tagnet = tagnet or {}
        super().__init__(**more)


class Pooling(nn.Module):
    """From the states of a text's tokens, (S, T, H), to one vector, (S, H): mean, cls, max or attention."""

    def __init__(self, name: str, hidden_size: int) -> None:
        super().__init__()
        self.name = name
        if name == "attention":
            self.projection = nn.Linear(hidden_size, hidden_size)
            self.query = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, states_STH: Tensor, mask_ST: Tensor) -> Tensor:
        """Pool."""
        lowest = torch.finfo(states_STH.dtype).min
        if self.name == "cls":
            return states_STH[:, 0]
        if self.name == "max":
            return states_STH.masked_fill(mask_ST.unsqueeze(-1) == 0, lowest).amax(1)
        if self.name == "attention":
            scores_ST = self.query(torch.tanh(self.projection(states_STH))).squeeze(-1)
            weights_ST = scores_ST.masked_fill(mask_ST == 0, lowest).softmax(-1)
            return torch.einsum("bt,bth->bh", weights_ST, states_STH)
        mask_ST1 = mask_ST.unsqueeze(-1).to(states_STH.dtype)
        return (states_STH * mask_ST1).sum(1) / mask_ST1.sum(1).clamp(min=1.0)


class LinearHead(nn.Module):
    """A row of weights and a bias for each tag."""

    def __init__(self, hidden_size: int, num_tags: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_tags, hidden_size))
        self.bias = nn.Parameter(torch.zeros(num_tags))

    def forward(self, pooled_SH: Tensor) -> Tensor:
        """Logits, (S, K)."""
        return nn.functional.linear(pooled_SH, self.weight, self.bias)


class LabelAttentionHead(nn.Module):
    """Each tag attends to the tokens that speak for it (Mullenbach et al., NAACL 2018, section 2.2)."""

    def __init__(self, hidden_size: int, num_tags: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(num_tags, hidden_size))
        self.weight = nn.Parameter(torch.zeros(num_tags, hidden_size))
        self.bias = nn.Parameter(torch.zeros(num_tags))

    def forward(self, states_STH: Tensor, mask_ST: Tensor) -> Tensor:
        """Logits, (S, K)."""
        scores_SKT = torch.einsum("kh,sth->skt", self.query, states_STH) / math.sqrt(states_STH.shape[-1])
        scores_SKT = scores_SKT.masked_fill(mask_ST[:, None, :] == 0, torch.finfo(scores_SKT.dtype).min)
        evidence_SKT = torch.einsum("kh,sth->skt", self.weight, states_STH)
        return (scores_SKT.softmax(-1) * evidence_SKT).sum(-1) + self.bias


class LexicalEvidence(nn.Module):
    """What the words of a text, and the names of tags in it, add to the logits."""

    column_of_token_V: Tensor
    idf_F: Tensor
    word_weights_KF: Tensor
    word_bias_K: Tensor
    continues_V: Tensor
    hash_of_name_P: Tensor
    tag_of_name_P: Tensor
    names_of_length_L: Tensor
    name_weight: Tensor

    def __init__(self, settings: dict[str, Any], num_tags: int) -> None:
        super().__init__()
        self.factors: list[int] = settings["factors"]
        self.names_of_length: list[int] = settings["names_of_length"]
        vocabulary, columns, names = settings["vocabulary"], settings["columns"], sum(self.names_of_length)
        for name, shape, dtype in (
            ("column_of_token_V", (vocabulary,), torch.int64),
            ("idf_F", (columns,), torch.float32),
            ("word_weights_KF", (num_tags, columns), torch.float32),
            ("word_bias_K", (num_tags,), torch.float32),
            ("continues_V", (vocabulary,), torch.bool),
            ("hash_of_name_P", (names,), torch.int64),
            ("tag_of_name_P", (names,), torch.int64),
            ("names_of_length_L", (len(self.names_of_length),), torch.int64),
            ("name_weight", (), torch.float32),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=dtype))

    def forward(self, input_ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """What to add to the logits: (S, K)."""
        words_SK = nn.functional.linear(self._tfidf(input_ids_ST, mask_ST), self.word_weights_KF, self.word_bias_K)
        return words_SK + self.name_weight * self._named(input_ids_ST, mask_ST)

    def _tfidf(self, ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """Sublinear TF-IDF vectors of unit length, (S, F)."""
        counts_SF = self.idf_F.new_zeros(ids_ST.shape[0], self.idf_F.shape[0] + 1).scatter_add(
            1, self.column_of_token_V[ids_ST], mask_ST.to(self.idf_F.dtype)
        )[:, 1:]
        weighted_SF = torch.where(counts_SF > 0, 1 + counts_SF.clamp(min=1).log(), counts_SF) * self.idf_F
        return weighted_SF / weighted_SF.square().sum(1, keepdim=True).sqrt().clamp(min=1e-9)

    def _named(self, ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """1 where a name of the tag stands in the sequence as whole words, (S, K)."""
        num_tokens, longest = ids_ST.shape[1], len(self.factors)
        continues_ST = nn.functional.pad(self.continues_V[ids_ST] & (mask_ST > 0), (0, longest), value=False)
        ids_ST = nn.functional.pad(torch.where(mask_ST > 0, ids_ST, -1), (0, longest), value=-1)
        found = [self.idf_F.new_zeros(ids_ST.shape[0], 0)]
        hash_ST, first = torch.zeros_like(ids_ST[:, :num_tokens]), 0
        for length, (factor, names) in enumerate(zip(self.factors, self.names_of_length, strict=True), start=1):
            hash_ST = hash_ST + ids_ST[:, length - 1 : length - 1 + num_tokens] * factor
            whole_ST = torch.where(continues_ST[:, length : length + num_tokens], -1, hash_ST)
            hashes_P = self.hash_of_name_P[first : first + names]
            found.append((whole_ST[:, :, None] == hashes_P).any(1).to(self.idf_F.dtype))
            first += names
        counts_SK = self.idf_F.new_zeros(ids_ST.shape[0], self.word_bias_K.shape[0]).scatter_add(
            1, self.tag_of_name_P.expand(ids_ST.shape[0], -1), torch.cat(found, 1)
        )
        return counts_SK.clamp(max=1)


class TagnetForSequenceClassification(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Encoder, pooling and head; takes texts of any length."""

    config_class = TagnetConfig
    base_model_prefix = "encoder"

    def __init__(self, config: TagnetConfig) -> None:
        super().__init__(config)
        encoder_config = dict(config.encoder)
        architecture = encoder_config.pop("model_type")
        settings = AutoConfig.for_model(architecture, **encoder_config)
        self.encoder = AutoModel.from_config(settings)  # type: ignore[no-untyped-call]
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None
        width, num_tags = self.encoder.config.hidden_size, int(config.num_labels or 0)
        self.head: LinearHead | LabelAttentionHead
        if config.head == "label_attention":
            self.head = LabelAttentionHead(width, num_tags)
        else:
            self.pooling = Pooling(config.pooling, width)
            self.head = LinearHead(width, num_tags)
        self.lexical = None if config.lexical is None else LexicalEvidence(config.lexical, num_tags)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Calibrated logits, (B, K), and the mean binary cross-entropy where labels, (B, K), are given.

        Args:
            input_ids: token ids, (B, T), padded at the end.
            attention_mask: 1 at tokens, 0 at padding; None: every id is a token.
            labels: 0 or 1, (B, K).
        """
        input_ids = input_ids.long()
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
        input_ids, mask, text_of_S = self._cut(input_ids, mask)
        states_STH = self.encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
        if isinstance(self.head, LabelAttentionHead):
            logits_SK = self.head(states_STH, mask)
        else:
            logits_SK = self.head(self.pooling(states_STH, mask))
        if self.lexical is not None:
            logits_SK = logits_SK + self.lexical(input_ids, mask)
        logits_BK = logits_SK
        if text_of_S is not None:  # a text of several windows has each tag's largest logit
            start_BK = logits_SK.new_full((int(text_of_S[-1]) + 1, logits_SK.shape[1]), -torch.inf)
            logits_BK = start_BK.scatter_reduce(0, text_of_S[:, None].expand_as(logits_SK), logits_SK, "amax")
        loss = None if labels is None else nn.functional.binary_cross_entropy_with_logits(logits_BK, labels.float())
        return SequenceClassifierOutput(loss=loss, logits=logits_BK)

    def _cut(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """What is longer than `max_tokens` is cut, or read in windows, as the tokenizer did in training.

        A text without any token is one padding token that counts.
        """
        settings = self.config.tagnet
        if ids_BT.shape[1] == 0:
            ids_BT = ids_BT.new_full((ids_BT.shape[0], 1), settings["pad_id"])
            return ids_BT, torch.ones_like(ids_BT), None
        lengths_B = mask_BT.sum(1).tolist()
        if min(lengths_B) > 0 and max(lengths_B) <= settings["max_tokens"]:
            return ids_BT, mask_BT, None
        before, after = settings["tokens_before"], settings["tokens_after"]
        room = settings["max_tokens"] - before - after
        sequences, text_of_S = [], []
        for text, (ids_T, length) in enumerate(zip(ids_BT, lengths_B, strict=True)):
            whole = ids_T[:length] if length else ids_T.new_tensor([settings["pad_id"]])
            windows = [whole]
            if length > settings["max_tokens"]:
                start, body, end = whole[:before], whole[before : length - after], whole[length - after :]
                windows = [torch.cat([start, part, end]) for part in self._windows(body, room)]
            sequences += windows
            text_of_S += [text] * len(windows)
        ids_ST = nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=settings["pad_id"])
        sizes_S1 = torch.tensor([[len(each)] for each in sequences], device=ids_ST.device)
        mask_ST = (torch.arange(ids_ST.shape[1], device=ids_ST.device) < sizes_S1).long()
        several = len(sequences) > len(lengths_B)
        return ids_ST, mask_ST, torch.tensor(text_of_S, device=ids_ST.device) if several else None

    def _windows(self, body: Tensor, room: int) -> list[Tensor]:
        overlap = self.config.tagnet["window_overlap"]
        if overlap is None:
            return [body[:room]]
        step = room - overlap
        return [body[start : start + room] for start in range(0, max(len(body) - overlap, 1), step)]
